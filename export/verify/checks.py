"""Checks that an export is one model: Keras = SavedModel = TFLite, builtins only, small and fast.

Generation feeds its own output back, and so its rounding errors: a trained model may amplify them
tenfold in thirty steps, until two correct runtimes (or one that multiplies three rows at once and
one row alone) draw visibly different ends of a sequence. What is judged is therefore every single
step from the reference's own states, that the loop is nothing but these steps, and the first
steps of free-running sequences. How far whole sequences agree is reported. Quantised files draw
other sequences by design and are judged by the bound that they give to the same data: best to data
that the model has not seen, such as the validation split of its run.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from vrnn_tf.model import generation
from vrnn_tf.model.saving import load_model
from vrnn_tf.model.vrnn import VRNN

from .. import flatbuffer, footprint, metadata
from ..exporter import TFLITE_NAMES, VERSION
from ..runtime import LiteModel
from ..states import list_states, name_states

TOLERANCE = 1e-4  # of x relative to max(1, |x|), and of the score in nats a step
# Nats a step by which quantised weights may move the bound.
SCORE_TOLERANCES = {"none": TOLERANCE, "float16": 0.02, "int8": 0.2, "int4": None}
# The share of the bound on real data that a file may lose, or nats a step where that is more: a
# bound can be near zero.
LOSS_SHARES = {"none": 0.01, "float16": 0.01, "int8": 0.01, "int4": None}
LOSS_A_STEP = 0.01
# File bytes over bytes of the float32 parameters.
SIZE_LIMITS = {"none": 1.05, "float16": 0.60, "int8": 0.35, "int4": 0.25}
MIN_JUDGED_BYTES = 1_000_000  # below it the graph itself, about 80 kB, decides the ratio
# Bytes that a process holds over file bytes. What is quantised shrinks the file, not the tensors
# of T_max steps, a few megabytes: there it is only reported.
MEMORY_LIMIT = 3.0
# Of the operations that do more than compute, those that variables, branches and loops need, ...
_STATEFUL_OPERATIONS = {
    *("VarHandleOp", "ReadVariableOp", "AssignVariableOp", "VarIsInitializedOp"),
    *("DisableCopyOnRead", "Assert", "StatefulPartitionedCall", "While", "If"),
    *("RestoreV2", "SaveV2", "MergeV2Checkpoints"),
}
# ... and the names of those that reach files, processes or Python and do not say so.
_UNSAFE_NAMES = re.compile("Dataset|File(?!name)|PyFunc|Debug|Proto|Vocab")
_SEEDS = (0, 1, 2)
_PRIME_STEPS = 5
_FREE_STEPS = 25  # too few for rounding errors to grow from 1e-7 to the tolerance
_TIMED_RUNS = 5
_STEPPED = 8  # real sequences from whose middle steps are compared
_ENDLESS = {"pen_bias": -100.0}  # a pen that never lifts does not end the sequence early


def verify(directory: str | Path, sequences: Sequence[np.ndarray] | None = None) -> dict[str, Any]:
    """Runs every file of an export and compares.

    Args:
        directory: what `export` returned.
        sequences: real data, arrays `[T_i, D]` in normalised units; what is longer than T_max is
            cut. None: only what the model itself generates, which tells less about the bound.

    Returns:
        A dictionary: passed, directory, max_steps, parameter_bytes, operators (those of every
        .tflite file) and rows. A row has file, check, value (None: not finite), limit (None: only
        reported), passed and note.

    Raises:
        ValueError: if the folder is no complete export, or a file is damaged or was changed.
    """
    directory = Path(directory)
    described = metadata.read(directory / metadata.FILE_NAME)
    if not (directory / "model.keras").is_file():
        raise ValueError(f"{directory} lacks model.keras. Export the model again.")
    digests = _check_digests(directory, described)
    model = load_model(directory / "model.keras")
    if sequences is not None:
        _check_sequences(sequences, described["event_size"])
    reference = _Reference(model, described["max_steps"], sequences)
    rows = [digests]
    rows += _check_saved_model(directory / "saved_model" / VERSION, reference)
    operators = {}
    for quantization, name in TFLITE_NAMES.items():
        if (directory / name).exists():
            found, operators[name] = _check_tflite(directory / name, quantization, reference)
            rows += found
    return {
        "passed": all(row["passed"] for row in rows),
        "directory": str(directory),
        "max_steps": described["max_steps"],
        "parameter_bytes": described["parameter_bytes"],
        "operators": operators,
        "rows": rows,
    }


def table(report: dict[str, Any]) -> list[dict[str, str]]:
    """A report's rows as text."""
    return [
        {
            "file": row["file"],
            "check": row["check"],
            "value": "infinite" if row["value"] is None else f"{row['value']:.3g}",
            "limit": "" if row["limit"] is None else f"{row['limit']:.3g}",
            "result": "pass" if row["passed"] else "FAIL",
            "note": row["note"],
        }
        for row in report["rows"]
    ]


@dataclasses.dataclass
class _Runtime:
    """One file as functions of a single sequence.

    Attributes:
        name: of the file.
        option_names: the sampling options.
        generate: `(seed, options) -> x [T, D]`.
        score: `(x, seed) -> elbo`, nats.
        init: `() -> states`.
        prime: `(x, seed) -> states`.
        step: `(states, seed, t, options) -> (x [D], states)`.
    """

    name: str
    option_names: Sequence[str]
    generate: Callable[[int, dict[str, float]], np.ndarray]
    score: Callable[[np.ndarray, int], float]
    init: Callable[[], list[np.ndarray]]
    prime: Callable[[np.ndarray, int], list[np.ndarray]]
    step: Callable[..., tuple[np.ndarray, list[np.ndarray]]]


class _Reference:
    """What Keras says: sequences, their scores, and the states along one of them."""

    def __init__(self, model: VRNN, max_steps: int, sequences: Sequence[np.ndarray] | None):
        self.model, self.max_steps = model, max_steps
        self.defaults = generation.option_defaults(model.likelihood, model.latent_size)
        self.options = [{}, {"temperature": 0.5}, *filter(None, [_endless(self.defaults)])]
        draw = model.generate
        self.generated = [draw(len(_SEEDS), max_steps, seed=0, **o) for o in self.options]
        self.alone = [[draw(1, max_steps, seed=s, **o)[0] for s in _SEEDS] for o in self.options]
        self.is_real = sequences is not None
        self.data = [x[:max_steps] for x in (sequences or self.generated[0])]
        observed = [self._observe(x, seed) for seed, x in enumerate(self.data)]
        self.scores = [elbo for elbo, _ in observed]
        self.states = [states for _, states in observed]
        self.prefix = self.data[0][:_PRIME_STEPS]
        self.continued = draw(1, min(_FREE_STEPS, max_steps), seed=7, prime=self.prefix)[0]

    @functools.cached_property
    def steps(self) -> list[tuple[list[np.ndarray], int, np.ndarray, list[np.ndarray]]]:
        """The states before a step, its number, x and the states after it; all seeds are 0.

        Steps of a whole sequence from nothing, and a few from the middle of each real sequence.
        """
        steps = [*self._steps(self.model.cell.get_initial_state(1), 0, self.max_steps)]
        for seed, x in enumerate(self.data[:_STEPPED] if self.is_real else ()):
            middle = len(x) // 2
            _, states = self._observe(x[:middle], seed)
            stop = min(middle + _FREE_STEPS, self.max_steps)
            steps += self._steps([tf.constant(s) for s in states], middle, stop)
        return steps

    def _steps(self, states, start: int, stop: int):
        for t in range(start, stop):
            x, after = self._step(states, tf.constant([t]))
            yield [s.numpy() for s in states], t, x.numpy()[0], [s.numpy() for s in after]
            states = after

    @functools.cached_property
    def _step(self) -> Callable:
        values = {**self.defaults, **_endless(self.defaults)}
        options = {name: tf.constant([value]) for name, value in values.items()}

        @tf.function(autograph=False)
        def step(states, t):
            return generation.step(self.model, states, tf.constant([0]), t, options)

        return step

    def _observe(self, x: np.ndarray, seed: int) -> tuple[float, list[np.ndarray]]:
        """The ELBO of a sequence and the states after it."""
        outputs, states = self._observed(
            tf.constant(x[None], "float32"), tf.constant([seed], "int32")
        )
        elbo = tf.reduce_sum(outputs["log_likelihood"] - outputs["kl"])
        return float(elbo), [state.numpy() for state in states]

    @functools.cached_property
    def _observed(self) -> Callable:
        shape = (1, None, self.model.likelihood.event_size)

        @tf.function(
            autograph=False,
            input_signature=[tf.TensorSpec(shape, tf.float32), tf.TensorSpec([1], tf.int32)],
        )
        def observe(x, seed):
            return self.model.observe(x, tf.ones(tf.shape(x)[:2], tf.bool), seed)

        return observe


def _check_sequences(sequences: Sequence[np.ndarray], event_size: int) -> None:
    for x in sequences:
        if x.ndim != 2 or x.shape[1] != event_size or not len(x):
            raise ValueError(
                f"`sequences` must be arrays [T, {event_size}] of at least one step. Received "
                f"shape {x.shape}."
            )
    if not len(sequences):
        raise ValueError("`sequences` must hold at least one. Received none.")


def _endless(option_names: Iterable[str]) -> dict[str, float]:
    return _ENDLESS if set(_ENDLESS) <= set(option_names) else {}


def _row(
    file: str, check: str, value: float, limit: float | None = None, note: str = ""
) -> dict[str, Any]:
    passed = limit is None or bool(value <= limit)  # NaN fails
    return {
        "file": file,
        "check": check,
        "value": float(value) if np.isfinite(value) else None,  # JSON has no infinity
        "limit": limit,
        "passed": passed,
        "note": note,
    }


def _check_digests(directory: Path, described: dict[str, Any]) -> dict[str, Any]:
    changed = [
        name
        for name, file in described["files"].items()
        if not (directory / name).is_file() or metadata.sha256(directory / name) != file["sha256"]
    ]
    if changed:  # whose content runtimes are not made for
        raise ValueError(
            f"{directory} is not as it was exported, changed or missing: {', '.join(changed)}. "
            "Copy the whole folder again, or export the model again."
        )
    return _row("metadata.json", "sha256 of every file", 0, 0)


def _check_saved_model(directory: Path, reference: _Reference) -> list[dict[str, Any]]:
    runtime = _saved_model(directory, reference)
    return [
        *_compare_generated(runtime, reference),
        _compare_steps(runtime, reference, TOLERANCE),
        _compare_primed_states(runtime, reference),
        _repeat_steps(runtime),
        *_compare_scores(runtime, reference, "none"),
        _time_steps(runtime),
    ]


def _check_tflite(
    path: Path, quantization: str, reference: _Reference
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of a file, and its operators."""
    model = LiteModel(path)
    runtime = _lite_runtime(model)
    used = flatbuffer.operators(path)
    rows = [
        _check_operators(path.name, used),
        _compare_size(path, quantization, model.metadata["parameter_bytes"]),
    ]
    exact = quantization == "none"
    if exact:
        rows += _compare_generated(runtime, reference)
    rows.append(_compare_steps(runtime, reference, TOLERANCE if exact else None))
    if exact:
        rows.append(_compare_primed_states(runtime, reference))
        rows.append(_compare_priming(model, reference))
    rows.append(_repeat_steps(runtime))
    rows += _compare_scores(runtime, reference, quantization)
    rows += [_time_steps(runtime), *_measure_memory(model, quantization)]
    return rows, used


def _load_saved_model(directory: Path) -> Any:
    """A SavedModel that only computes: its graphs are programs, which could do more."""
    try:
        saved = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
        graphs = [meta.graph_def for meta in saved.meta_graphs]
        functions = [function.node_def for g in graphs for function in g.library.function]
        used = {node.op for nodes in (*(g.node for g in graphs), *functions) for node in nodes}
        if unsafe := sorted(name for name in used if not _only_computes(name)):
            raise ValueError(f"it uses {', '.join(unsafe)}")
        return tf.saved_model.load(str(directory))
    except Exception as error:  # of any kind, from TensorFlow
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"{directory} is not a SavedModel that can be loaded: {lines[0]:.500}. Export the "
            "model again."
        ) from None


def _only_computes(operation: str) -> bool:
    definition = op_def_registry.get(operation)
    if definition is None or _UNSAFE_NAMES.search(operation):
        return False
    return not definition.is_stateful or operation in _STATEFUL_OPERATIONS


def _saved_model(directory: Path, reference: _Reference) -> _Runtime:
    if not directory.is_dir():
        raise ValueError(f"{directory} is missing. Export the model again.")
    loaded = _load_saved_model(directory)
    max_steps, event_size = reference.max_steps, reference.model.likelihood.event_size

    def run(name: str, **arrays: Any) -> dict[str, np.ndarray]:
        tensors = {key: tf.constant(value) for key, value in arrays.items()}
        outputs = loaded.signatures[name](**tensors)
        return {key: value.numpy() for key, value in outputs.items()}

    def rows(options: dict[str, float]) -> dict[str, list[float]]:
        return {name: [value] for name, value in {**reference.defaults, **options}.items()}

    def generate(seed: int, options: dict[str, float]) -> np.ndarray:
        result = run("generate", seed=[seed], steps=[max_steps], **rows(options))
        return result["x"][0, : int(result["length"][0])]

    def padded(x: np.ndarray, seed: int) -> dict[str, Any]:
        rows = np.zeros((1, max_steps, event_size), "float32")
        rows[0, : len(x)] = x
        return {"x": rows, "length": [len(x)], "seed": [seed]}

    def score(x: np.ndarray, seed: int) -> float:
        return float(run("score", **padded(x, seed))["elbo"][0])

    def init() -> list[np.ndarray]:
        return list_states(run("init", seed=[0]))

    def prime(x: np.ndarray, seed: int) -> list[np.ndarray]:
        return list_states(run("prime", **padded(x, seed)))

    def step(given, seed: int, t: int, **options: float):
        result = run("step", seed=[seed], t=[t], **name_states(given), **rows(options))
        return result["x"][0], list_states(result)

    name, names = f"saved_model/{VERSION}", list(reference.defaults)
    return _Runtime(name, names, generate, score, init, prime, step)


def _lite_runtime(model: LiteModel) -> _Runtime:
    def generate(seed: int, options: dict[str, float]) -> np.ndarray:
        return model.generate(1, model.max_steps, seed, None, **options)[0]

    def score(x: np.ndarray, seed: int) -> float:
        return model.score(x, seed)["elbo"]

    names = list(model.option_defaults)
    own = model.path.name
    return _Runtime(own, names, generate, score, model.init, model.prime, model.step)


def _check_operators(file: str, used: Sequence[str]) -> dict[str, Any]:
    foreign = [op for op in used if op.startswith("CUSTOM:")]
    note = ", ".join(foreign) or f"{len(used)} builtins"
    return _row(file, "operators beside builtins", len(foreign), 0, note)


def _compare_size(path: Path, quantization: str, parameter_bytes: int) -> dict[str, Any]:
    size = path.stat().st_size
    limit = SIZE_LIMITS[quantization] if parameter_bytes >= MIN_JUDGED_BYTES else None
    note = f"{size} bytes for {parameter_bytes} bytes of float32 parameters"
    return _row(path.name, "file bytes / parameter bytes", size / parameter_bytes, limit, note)


def _compare_generated(runtime: _Runtime, reference: _Reference) -> list[dict[str, Any]]:
    """Free-running sequences: their first steps, judged, and the whole, reported."""
    beginning, whole, agreed, shortest, own = 0.0, 0.0, 0, reference.max_steps, 0
    for o, options in enumerate(reference.options):
        for i, seed in enumerate(_SEEDS):
            expected = reference.alone[o][i]  # the products of one row, as in a file
            differences = _differences(expected, runtime.generate(seed, options))
            beginning = max(beginning, float(differences[:_FREE_STEPS].max(initial=0.0)))
            whole = max(whole, float(differences.max(initial=0.0)))
            apart = np.flatnonzero(~(differences <= TOLERANCE))
            agreed += not len(apart)
            shortest = min(shortest, int(apart[0]) if len(apart) else shortest)
            batched = _differences(expected, reference.generated[o][i])
            own += bool((batched <= TOLERANCE).all())
    total = len(reference.options) * len(_SEEDS)
    note = f"{agreed} of {total} sequences agree to the end"
    if agreed < total:
        note += f", the first of the others to step {shortest}"
    note += f"; Keras itself, one row or three: {own} of {total}"
    return [
        _row(runtime.name, f"generate = Keras, {_FREE_STEPS} steps", beginning, TOLERANCE),
        _row(runtime.name, "generate = Keras, all steps", whole, note=note),
    ]


def _compare_steps(runtime: _Runtime, reference: _Reference, limit: float | None) -> dict[str, Any]:
    """One step at a time from the states of Keras, so that differences cannot build up.

    What is rounded on purpose may take another component or lift the pen: of such a file the drift
    of its states in one step is told, as a share of their root mean square.
    """
    options = _endless(runtime.option_names)
    largest, drift, square = 0.0, 0.0, 0.0
    for before, t, x, after in reference.steps:
        found_x, found = runtime.step(before, 0, t, **options)
        for a, b in zip([x, *after], [found_x, *found], strict=True):
            largest = max(largest, float(_relative(a, b).max()))
        drift += sum(float(np.square(a - b).sum()) for a, b in zip(after, found, strict=True))
        square += sum(float(np.square(a).sum()) for a in after)
    note = f"{len(reference.steps)} steps"
    if limit is not None:
        return _row(runtime.name, "step = Keras", largest, limit, note)
    share = (drift / max(square, np.finfo(float).tiny)) ** 0.5
    return _row(runtime.name, "drift of the states in a step", share, None, note)


def _compare_primed_states(runtime: _Runtime, reference: _Reference) -> dict[str, Any]:
    """The states after whole sequences."""
    largest = 0.0
    for seed, (x, expected) in enumerate(zip(reference.data, reference.states, strict=True)):
        for a, b in zip(expected, runtime.prime(x, seed), strict=True):
            largest = max(largest, float(_relative(a, b).max()))
    note = f"{len(reference.data)} sequences"
    return _row(runtime.name, "prime = Keras", largest, TOLERANCE, note)


def _compare_priming(model: LiteModel, reference: _Reference) -> dict[str, Any]:
    steps = min(_FREE_STEPS, reference.max_steps)
    found = model.generate(1, steps, 7, reference.prefix)[0]
    largest = float(_differences(reference.continued, found).max(initial=0.0))
    return _row(model.path.name, "prime + step = Keras", largest, TOLERANCE)


def _repeat_steps(runtime: _Runtime) -> dict[str, Any]:
    options = _endless(runtime.option_names)
    expected = runtime.generate(3, options)[:_FREE_STEPS]
    states, xs = runtime.init(), []
    for t in range(len(expected)):
        x, states = runtime.step(states, 3, t, **options)
        xs.append(x)
    largest = float(_differences(expected, np.stack(xs)).max())
    note = f"{len(expected)} steps"
    return _row(runtime.name, "init + step = generate", largest, TOLERANCE, note)


def _compare_scores(
    runtime: _Runtime, reference: _Reference, quantization: str
) -> list[dict[str, Any]]:
    """The bound on each sequence, and what a file loses of it on average."""
    expected = np.asarray(reference.scores)
    found = np.asarray([runtime.score(x, seed) for seed, x in enumerate(reference.data)])
    steps = np.maximum([len(x) for x in reference.data], 1)
    number = f"{len(steps)} {'real' if reference.is_real else 'generated'} sequences"
    a_step = float(np.max(np.abs(found - expected) / steps))  # of NaN it is NaN, which fails
    check, limit = "score = Keras, nats a step", SCORE_TOLERANCES[quantization]
    rows = [_row(runtime.name, check, a_step, limit, number)]
    lost, share = expected - found, LOSS_SHARES[quantization]
    error = lost.std(ddof=1) / len(lost) ** 0.5 if len(lost) > 1 else np.nan
    bound, limit = abs(expected.mean()), None
    if share is not None and reference.is_real:
        limit = max(share * bound, LOSS_A_STEP * steps.mean())
    note = (
        f"+- {error:.2g}; {100.0 * lost.mean() / max(bound, 1e-9):.2g}% of a bound of "
        f"{expected.mean():.1f}"
    )
    return [*rows, _row(runtime.name, "lost bound, nats a sequence", lost.mean(), limit, note)]


def _measure_memory(model: LiteModel, quantization: str) -> list[dict[str, Any]]:
    """What `generate` makes a process hold, over the bytes of the file."""
    if not footprint.is_available():
        return []
    size, rows = model.path.stat().st_size, []
    inputs = {**model.option_defaults, "seed": 0, "steps": model.max_steps}
    for kernels in footprint.KERNELS:
        held = footprint.measure(model.path, "generate", inputs, kernels)
        # The weight cache is mapped: how much of it is in memory is the system's choice.
        frugal = (
            quantization == "none" and kernels == footprint.BUILTIN and size >= MIN_JUDGED_BYTES
        )
        limit = MEMORY_LIMIT if frugal else None
        note = f"{held / 2**20:.1f} MiB"
        rows.append(_row(model.path.name, f"memory / file, {kernels}", held / size, limit, note))
    return rows


def _time_steps(runtime: _Runtime) -> dict[str, Any]:
    times = []
    for seed in range(_TIMED_RUNS + 1):
        start = time.perf_counter()
        steps = len(runtime.generate(seed, _endless(runtime.option_names)))
        times.append(1e6 * (time.perf_counter() - start) / steps)
    note = f"median of {_TIMED_RUNS} sequences, noise included"
    return _row(runtime.name, "microseconds a step", statistics.median(times[1:]), note=note)


def _differences(expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The largest difference of each step `[T]`; infinite where only one sequence has a step."""
    differences = np.full(max(len(expected), len(found)), np.inf)
    both = min(len(expected), len(found))
    if both:
        differences[:both] = _relative(expected[:both], found[:both]).max(axis=-1)
    return differences


def _relative(expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    return np.abs(expected - found) / np.maximum(1.0, np.abs(expected))
