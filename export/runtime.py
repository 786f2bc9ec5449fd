"""Runs an exported .tflite file with numpy and ai_edge_litert, without loading TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vrnn_tf.normalization import Normalization
from vrnn_tf.validation import (
    check_choice,
    check_integer,
    check_number,
    check_seeds,
    wrap_seed,
)

from . import metadata as export_metadata
from .states import list_states, name_states

KERNELS = ("xnnpack", "builtin")
_IDENTIFIER = b"TFL3"  # at byte 4 of every TFLite file


class LiteModel:
    """An exported model, one sequence at a time.

    metadata.json must lie beside the file.

    Args:
        path: the .tflite file.
        num_threads: how many threads share a matrix product. None lets the runtime decide.
        kernels: "xnnpack" or "builtin". The builtin kernels keep no second copy of the weights, so
            they need less memory. They have half the speed with int8 weights and the same speed
            with float32.

    Attributes:
        metadata: the content of metadata.json.
        normalization: the `Normalization` of the data.
        max_steps: T_max, the number of steps of the longest sequence.
        event_size: D.
        option_defaults: `{name: default}` of the sampling options.

    Raises:
        ValueError: if the file or its metadata is missing or damaged, or if they are not from one
            export.

    Example:

    `LiteModel("demo/export/model.tflite").generate(num_sequences=4, seed=7)` draws four sequences
    with the file of `make demo`. A file that is no model is named.

    >>> LiteModel("model.tflite")
    Traceback (most recent call last):
    ...
    ValueError: Cannot read model.tflite: No such file or directory.
    """

    def __init__(self, path: str | Path, num_threads: int | None = None, kernels: str = "xnnpack"):
        self.path = Path(path)
        check_choice("kernels", kernels, KERNELS)
        _check_file(self.path)
        self.metadata = export_metadata.read(self.path.parent / export_metadata.FILE_NAME)
        self._check_digest()
        self._check_operators()
        self.normalization = Normalization.from_dict(self.metadata["normalization"])
        self.max_steps: int = self.metadata["max_steps"]
        self.event_size: int = self.metadata["event_size"]
        self.option_defaults = {
            name: option["default"] for name, option in self.metadata["options"].items()
        }
        self._interpreter = _interpreter(self.path, num_threads, kernels)
        self._runners: dict[str, Any] = {}
        present = self._interpreter.get_signature_list()
        if missing := sorted(set(self.metadata["signatures"]) - set(present)):
            raise ValueError(
                f"{self.path} lacks the signatures {missing} that its metadata names; it has "
                f"{sorted(present)}. Export the model again."
            )

    def signature(self, name: str):
        """Returns a function that takes the named input arrays and returns a dictionary of arrays.

        Raises:
            ValueError: if there is no such signature (lists the valid names).
        """
        check_choice("signature", name, self.metadata["signatures"])
        if name not in self._runners:
            try:
                runner = self._interpreter.get_signature_runner(name)
            except (ValueError, RuntimeError) as error:
                raise self._damaged(error) from None
            self._check_shapes(name, runner)
            self._runners[name] = runner
        return self._runners[name]

    def generate(
        self,
        num_sequences: int = 1,
        num_steps: int | None = None,
        seed: int = 0,
        prime: np.ndarray | None = None,
        **options: float,
    ) -> list[np.ndarray]:
        """Draws the sequences that `VRNN.generate` draws for the same arguments.

        Args:
            num_sequences: how many sequences to draw.
            num_steps: the largest number of steps, at most T_max. None means T_max.
            seed: an integer. Sequence i has the seed `seed + i`, wrapped to int32.
            prime: the beginning `[T, D]` of every sequence, at most T_max steps. The result holds
                only the steps after it.
            **options: sampling options, see `option_defaults`. "temperature" multiplies the noise
                of x.

        Returns:
            float32 arrays `[T_i, D]` in normalised units, see `to_raw`.

        Raises:
            ValueError: if an argument is out of range or an option is unknown (lists the valid
                ones).
        """
        check_integer("num_sequences", num_sequences, 1)
        seeds = check_seeds(seed, num_sequences)
        num_steps = (
            self.max_steps if num_steps is None else check_integer("num_steps", num_steps, 0)
        )
        if num_steps > self.max_steps:
            raise ValueError(
                f"`num_steps` must be at most {self.max_steps}, the T_max of {self.path}. Received "
                f"{num_steps}. Export the model with a larger max_steps."
            )
        if prime is not None:
            return [self._continue(prime, num_steps, seed, options) for seed in seeds]
        return [self._generate(num_steps, seed, options) for seed in seeds]

    def init(self) -> list[np.ndarray]:
        """Returns the states before the first step, each `[1, size]`."""
        return list_states(self._run("init", seed=_integers(0)))

    def prime(self, x: np.ndarray, seed: int = 0) -> list[np.ndarray]:
        """Returns the states after a given beginning `[T, D]`. The posterior infers z along it."""
        self.signature("prime")
        return list_states(self._run("prime", **self._sequence(x, seed)))

    def step(
        self, states: Sequence[np.ndarray], seed: int, t: int, **options: float
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Draws one step.

        Args:
            states: the states that `init`, `prime` or `step` returned.
            seed: the seed of the sequence.
            t: how many steps the sequence has already.
            **options: sampling options, see `option_defaults`.

        Returns:
            x `[D]` and the next states.
        """
        row = {"seed": _integers(wrap_seed(seed)), "t": _integers(t)}
        result = self._run("step", **name_states(states), **row, **self._options(options))
        return result["x"][0], list_states(result)

    def score(self, x: np.ndarray, seed: int = 0) -> dict[str, float]:
        """Returns elbo, nll and kl of x `[T, D]`, nats a sequence in normalised units."""
        self.signature("score")
        result = self._run("score", **self._sequence(x, seed))
        return {name: float(value[0]) for name, value in result.items()}

    def to_raw(self, x: np.ndarray) -> np.ndarray:
        """Converts x `[..., D]` to the units of the data: x * std + mean, float32."""
        return self.normalization.invert(np.asarray(x))

    def to_normalized(self, raw: np.ndarray) -> np.ndarray:
        """Inverts `to_raw`."""
        return self.normalization.apply(np.asarray(raw))

    def is_end(self, x: np.ndarray) -> bool:
        """Returns whether a sequence ends with the observation x `[D]`."""
        mark = self.metadata["end_mark"]
        return mark is not None and bool(x[int(mark[0])] == mark[1])

    def _generate(self, num_steps: int, seed: int, options: dict[str, float]) -> np.ndarray:
        row = {"seed": _integers(seed), "steps": _integers(num_steps)}
        result = self._run("generate", **row, **self._options(options))
        return result["x"][0, : int(result["length"][0])]

    def _continue(self, prime, num_steps: int, seed: int, options: dict[str, float]) -> np.ndarray:
        states, xs = self.prime(prime, seed), []
        for t in range(len(prime), len(prime) + num_steps):
            x, states = self.step(states, seed, t, **options)
            xs.append(x)
            if self.is_end(x):
                break
        return np.stack(xs) if xs else np.zeros((0, self.event_size), np.float32)

    def _options(self, options: dict[str, float]) -> dict[str, np.ndarray]:
        for name, value in options.items():
            check_choice("option", name, self.option_defaults)
            low, high = self.metadata["options"][name]["range"]
            if check_number(name, value, low) > high:
                raise ValueError(f"`{name}` must be at most {high}. Received {value!r}.")
        values = {**self.option_defaults, **options}
        return {name: np.asarray([value], np.float32) for name, value in values.items()}

    def _sequence(self, x, seed: int) -> dict[str, np.ndarray]:
        x = np.asarray(x, np.float32)
        if x.ndim != 2 or x.shape[-1] != self.event_size or len(x) > self.max_steps:
            raise ValueError(
                f"A sequence must be [T, {self.event_size}] with T at most {self.max_steps}. "
                f"Received shape {x.shape}."
            )
        if not np.isfinite(x).all():
            raise ValueError("A sequence must be finite. Received x with NaN or infinity.")
        padded = np.zeros((1, self.max_steps, self.event_size), np.float32)
        padded[0, : len(x)] = x
        return {"x": padded, "length": _integers(len(x)), "seed": _integers(wrap_seed(seed))}

    def _run(self, name: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        runner = self.signature(name)
        try:
            return runner(**inputs)
        except (ValueError, RuntimeError) as error:
            raise self._damaged(error) from None

    def _check_shapes(self, name: str, runner) -> None:
        """Raises ValueError unless a signature is the one that metadata.json describes."""
        described = self.metadata["signatures"][name]
        described_shapes = {spec["name"]: _static(spec["shape"]) for spec in described["inputs"]}
        shapes = {key: tuple(value["shape"]) for key, value in runner.get_input_details().items()}
        outputs = {spec["name"] for spec in described["outputs"]}
        sequence = (1, self.max_steps, self.event_size)
        if (
            shapes != described_shapes
            or shapes.get("x", sequence) != sequence
            or outputs != set(runner.get_output_details())
        ):
            raise ValueError(
                f"{self.path} has another signature {name!r} than {export_metadata.FILE_NAME} "
                "beside it describes. Copy both files from one export."
            )

    def _damaged(self, error: Exception) -> ValueError:
        reason = " ".join(str(error).split())
        return ValueError(f"{self.path} is damaged: {reason:.500}. Copy or export it again.")

    def _check_operators(self) -> None:
        from .flatbuffer import check_operators

        try:
            check_operators(self.path)
        except ValueError as error:
            raise self._damaged(error) from None

    def _check_digest(self) -> None:
        digests = {file["sha256"] for file in self.metadata["files"].values()}
        if export_metadata.sha256(self.path) not in digests:
            raise ValueError(
                f"{self.path} is not the file that {export_metadata.FILE_NAME} beside it describes "
                "(their sha256 differ). It is damaged or from another export. Copy both again."
            )


def _integers(value: int) -> np.ndarray:
    return np.asarray([value], np.int32)


def _static(shape: Sequence[int | str]) -> tuple[int | str, ...]:
    """A shape of metadata.json where B, the batch size, is 1 as in every TFLite file."""
    return tuple(1 if n == "B" else n for n in shape)


def _check_file(path: Path) -> None:
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ValueError(f"Cannot read {path}: {error.strerror}.") from None
    if head[4:8] != _IDENTIFIER:
        raise ValueError(
            f"{path} is not a TFLite file: bytes 4 to 8 must be {_IDENTIFIER!r}. Received {head!r}."
        )


def _interpreter(path: Path, num_threads: int | None, kernels: str):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = {
        "xnnpack": OpResolverType.AUTO,
        "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    }[kernels]
    try:
        return Interpreter(
            str(path), num_threads=num_threads, experimental_op_resolver_type=resolver
        )
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is damaged: {error}. Copy or export it again.") from None
