"""The matrix products that no implementation of a training step can leave out, and nothing else.

`products` derives them from the sizes of a case. The loop over time holds only the products that
wait for h_{t-1}, forwards and backwards. All other products, the gradients of all weights included,
run once over all T * B rows. Element-wise work, the likelihood, clipping and Adam cost nothing
here. Every product is timed in every library on the machine, with its factors in the layout that
suits the library. A step of the floor runs each product in the fastest library.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import cases
from benchmarks.worker import Contestant, Counted

try:
    import torch
except ImportError:  # then the floor is that of NumPy
    torch = None  # type: ignore[assignment]

GATES = {"lstm": 4, "gru": 3}
LONGEST_LOOP = 50  # at most so many steps of the loop are timed; the time is scaled to all T
PAUSE = 0.25  # seconds; OpenBLAS keeps a core busy for more than 0.1 s after its work
PASSES = 2  # through all libraries, to find the fastest for each product

Call = Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Product:
    """A product of matrices, `[m, k] x [k, n]`.

    Attributes:
        name: the layer, and what the product computes.
        of_weight: whether this is the gradient of a weight. Then both factors come from the same
            training step. Otherwise the right factor is a weight and may have any layout.
    """

    name: str
    m: int
    k: int
    n: int
    of_weight: bool = False

    @property
    def multiply_adds(self) -> int:
        return self.m * self.k * self.n


@dataclasses.dataclass(frozen=True)
class Products:
    """The products of a training step.

    Attributes:
        steps: T.
        forward: the forward products of one time step, in their order.
        backward: the backward products of one time step, in their order.
        batched: the products that run once for all steps.
    """

    steps: int
    forward: list[Product]
    backward: list[Product]
    batched: list[Product]

    @property
    def counts(self) -> list[tuple[Product, int]]:
        """Every product, and how often a training step needs it."""
        loop = [(product, self.steps) for product in self.forward + self.backward]
        return loop + [(product, 1) for product in self.batched]

    @property
    def multiply_adds(self) -> int:
        """The multiply-adds of the whole training step."""
        return sum(count * product.multiply_adds for product, count in self.counts)


def products(case: dict[str, Any]) -> Products:
    """Returns the products of Eqs. (5-7, 9) and of the gradient of Eq. (11)."""
    model, batch = case["model"], case["batch"]
    rows = case["steps"] * batch
    units, latent = model["recurrent_units"], model["latent_size"]
    gates = GATES[model["recurrent_cell"]] * units
    phi_x = _layers("phi_x", model, cases.event_size(model["likelihood"]))
    phi_z = _layers("phi_z", model, latent)
    prior = _layers("prior", model, units, 2 * latent)
    decoder = _layers("decoder", model, phi_z[-1][2] + units, cases.raw_size(model["likelihood"]))
    # The first matrix of the posterior and of the core is split. The part that reads x leaves the
    # loop.
    posterior = _layers("posterior", model, units, 2 * latent)
    from_x = [("posterior, x", phi_x[-1][2], posterior[0][2]), ("core, x", phi_x[-1][2], gates)]
    loop = [*posterior, *phi_z, ("core, z", phi_z[-1][2], gates), ("core, h", units, gates)]

    def forward(layers, m: int) -> list[Product]:
        return [Product(name, m, k, n) for name, k, n in layers]

    def backward(layers, m: int) -> list[Product]:
        return [Product(name + ", d input", m, n, k) for name, k, n in reversed(layers)]

    def weights(layers) -> list[Product]:
        return [Product(name + ", d weight", k, rows, n, True) for name, k, n in layers]

    before, after = [*phi_x, *from_x], [*prior, *decoder]
    return Products(
        case["steps"],
        forward(loop, batch),
        backward(loop, batch),
        [
            *forward(before + after, rows),
            *backward(before[1:] + after, rows),  # nobody asks for the gradient of x
            *weights(before + loop + after),
        ],
    )


def _layers(
    name: str, model: dict[str, Any], inputs: int, outputs: int | None = None
) -> list[tuple[str, int, int]]:
    """Returns `(name, inputs, outputs)` of every dense layer of a network."""
    sizes = [inputs, *cases.widths(model, name), *([outputs] if outputs else [])]
    return [(f"{name} {i}", k, n) for i, (k, n) in enumerate(itertools.pairwise(sizes))]


def floor(case: dict[str, Any]) -> Contestant:
    """Builds the floor. The seconds of its step are those of the products alone."""
    every = products(case)
    libraries = {name: make for name, make in LIBRARIES.items() if _works(make)}
    # Every product of the loop has its own weight, so that caches are as full as in training.
    trials = []
    for make in libraries.values():
        calls = [make(product) for product, _ in every.counts]
        trials.append(np.min([_time_all(calls, every) for _ in range(PASSES)], axis=0))
    names = [list(libraries)[i] for i in np.argmin(trials, axis=0)]
    pairs = zip(names, every.counts, strict=True)
    fastest = [libraries[name](product) for name, (product, _) in pairs]
    # NumPy and PyTorch each have their own threads, which stay busy for a while after a product. So
    # the products of one library do not run between those of the other.
    turns = [
        [
            call if (name in OPENBLAS) == turn else None
            for call, name in zip(fastest, names, strict=True)
        ]
        for turn in {name in OPENBLAS for name in names}
    ]
    looped = len(every.forward) + len(every.backward)
    notes: dict[str, Any] = {
        "multiply_adds": every.multiply_adds,
        "library": dict(zip([product.name for product, _ in every.counts], names, strict=True)),
    }

    def step() -> Counted:
        seconds = np.min([_time_all(turn, every) for turn in turns], axis=0)
        total = float(seconds.sum())
        notes["loop_seconds"] = float(seconds[:looped].sum())
        notes["gflop_per_second"] = 2e-9 * every.multiply_adds / total
        return Counted(total)

    return Contestant(step, notes=notes)


def _time_all(calls: Sequence[Call | None], every: Products) -> np.ndarray:
    """Returns the seconds of each product in a training step; infinity where there is no call."""
    time.sleep(PAUSE)
    steps = min(every.steps, LONGEST_LOOP)
    forward, backward = len(every.forward), len(every.forward) + len(every.backward)
    return np.concatenate(
        [
            every.steps / steps * _time(calls[:forward], steps),
            every.steps / steps * _time(calls[forward:backward], steps),
            _time(calls[backward:], 1),
        ]
    )


def _time(calls: Sequence[Call | None], num_passes: int) -> np.ndarray:
    """Returns the seconds of each call, summed over `num_passes` passes through all of them."""
    seconds = np.array([np.inf if call is None else 0.0 for call in calls])
    present = [(i, call) for i, call in enumerate(calls) if call is not None]
    for _, call in present:
        call()  # wakes the threads
    for _ in range(num_passes):
        for i, call in present:
            start = time.perf_counter()
            call()
            seconds[i] += time.perf_counter() - start
    return seconds


# --- libraries: each makes a call of a product, or None where it has no special way to do it ---


def _factors(product: Product, transposed: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the left factor `[m, k]`, the right factor `[k, n]` and room for the result.

    With `transposed` a weight is stored as `[n, k]`. The left factor of a weight's gradient is
    always stored as `[k, m]`, since activations are rows; there the result is what `transposed`
    stores the other way round.
    """
    generator = np.random.default_rng(0)

    def matrix(rows: int, columns: int, transpose: bool = False) -> np.ndarray:
        if transpose:
            return generator.standard_normal((columns, rows), np.float32).T
        return generator.standard_normal((rows, columns), np.float32)

    m, k, n, of_weight = product.m, product.k, product.n, product.of_weight
    left, right = matrix(m, k, of_weight), matrix(k, n, transposed and not of_weight)
    return left, right, matrix(m, n, transposed and of_weight)


def _numpy(product: Product, transposed: bool = False) -> Call:
    left, right, out = _factors(product, transposed)
    if not out.flags.c_contiguous:
        left, right, out = right.T, left.T, out.T
    return lambda: np.matmul(left, right, out=out)


def _torch(product: Product, transposed: bool = False) -> Call:
    left, right, out = (torch.from_numpy(factor) for factor in _factors(product, transposed))
    if not out.is_contiguous():
        left, right, out = right.t(), left.t(), out.t()
    return lambda: torch.mm(left, right, out=out)


def _mkl_packed(product: Product) -> Call | None:
    if product.of_weight:
        return None
    left, right, _ = (torch.from_numpy(factor) for factor in _factors(product, True))
    packed = torch.ops.mkl._mkl_reorder_linear_weight(right.t(), product.m)
    return lambda: torch.ops.mkl._mkl_linear(left, packed, right.t(), None, product.m)


def _onednn_packed(product: Product) -> Call | None:
    if product.of_weight:
        return None
    left, right, _ = (torch.from_numpy(factor) for factor in _factors(product, True))
    packed = torch.ops.mkldnn._reorder_linear_weight(right.t(), product.m)
    return lambda: torch.ops.mkldnn._linear_pointwise(left, packed, None, "none", [], "")


OPENBLAS = ("numpy", "numpy, transposed")
LIBRARIES: dict[str, Callable[[Product], Call | None]] = {
    "numpy": _numpy,
    "numpy, transposed": functools.partial(_numpy, transposed=True),
    "torch": _torch,
    "torch, transposed": functools.partial(_torch, transposed=True),
    "MKL, packed": _mkl_packed,
    "oneDNN, packed": _onednn_packed,
}


def _works(make: Callable[[Product], Call | None]) -> bool:
    """Whether this machine has the library. The packed products are not public in PyTorch."""
    try:
        call = make(Product("probe", 2, 3, 4))
        return call is not None and call() is not None
    except (AttributeError, NotImplementedError, RuntimeError):
        return False
