"""Checks that an export is one model: Keras = SavedModel = TFLite, builtins only, small and fast.

Free-running generation feeds every rounding error back, so two correct runtimes may in principle
part at a draw that is a near tie. It is therefore checked twice: over whole sequences, and step by
step from the reference's own states, where errors cannot build up. Quantised files draw other
sequences by design and are judged by the bound that they give to the same data.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from vrnn_tf.models import VRNN

from . import flatbuffer, metadata
from .exporter import TFLITE_NAMES, VERSION
from .runtime import LiteModel

TOLERANCE = 1e-4  # of x relative to max(1, |x|), and of the score in nats a step
# Nats a step by which quantised weights may move the bound.
SCORE_TOLERANCES = {"none": TOLERANCE, "float16": 0.02, "int8": 0.2}
# File bytes over bytes of the float32 parameters.
SIZE_LIMITS = {"none": 1.05, "float16": 0.60, "int8": 0.35}
MIN_JUDGED_BYTES = 1_000_000  # below it the graph itself, about 80 kB, decides the ratio
_SEEDS = (0, 1, 2)
_OPTIONS: tuple[dict[str, float], ...] = ({}, {"temperature": 0.5})
_PRIME_STEPS = 5
_REPEATED_STEPS = 25
_TIMED_RUNS = 5
_ENDLESS = {"pen_bias": -100.0}  # a pen that never lifts does not end the sequence early


def verify(directory: str | Path, sequences: Sequence[np.ndarray] | None = None) -> dict[str, Any]:
    """Runs every file of an export and compares.

    Args:
        directory: what `export` returned.
        sequences: arrays `[T_i, D]` in normalised units to score, at most T_max steps each; those
            that the model itself generates if None.

    Returns:
        A dictionary: passed, directory, max_steps, parameter_bytes and rows. A row has file, check,
        value, limit (None: only reported), passed and note.

    Raises:
        ValueError: if the folder is no complete export or a file is damaged.
    """
    directory = Path(directory)
    described = metadata.read(directory / metadata.FILE_NAME)
    if not (directory / "model.keras").is_file():
        raise ValueError(f"{directory} lacks model.keras. Export the model again.")
    model = keras.saving.load_model(directory / "model.keras", safe_mode=True)
    reference = _Reference(model, described["max_steps"], sequences)
    rows = [_check_digests(directory, described)]
    rows += _check_saved_model(directory / "saved_model" / VERSION, reference)
    for quantization, name in TFLITE_NAMES.items():
        if (directory / name).exists():
            rows += _check_tflite(directory / name, quantization, reference)
    return {
        "passed": all(row["passed"] for row in rows),
        "directory": str(directory),
        "max_steps": described["max_steps"],
        "parameter_bytes": described["parameter_bytes"],
        "rows": rows,
    }


def table(report: dict[str, Any]) -> list[dict[str, str]]:
    """A report's rows as text."""
    return [
        {
            "file": row["file"],
            "check": row["check"],
            "value": f"{row['value']:.3g}",
            "limit": "" if row["limit"] is None else f"{row['limit']:.3g}",
            "result": "pass" if row["passed"] else "FAIL",
            "note": row["note"],
        }
        for row in report["rows"]
    ]


class _Reference:
    """What Keras says: sequences, their scores, and the states along one of them."""

    def __init__(self, model: VRNN, max_steps: int, sequences: Sequence[np.ndarray] | None):
        self.model, self.max_steps = model, max_steps
        self.generated = [
            model.generate(len(_SEEDS), max_steps, seed=_SEEDS[0], **options)
            for options in _OPTIONS
        ]
        self.data = [*(self.generated[0] if sequences is None else sequences)]
        self.scores = [self._score(x, seed) for seed, x in enumerate(self.data)]
        self.prefix = self.generated[0][0][:_PRIME_STEPS]
        self.continued = model.generate(1, self.steps_to_repeat, seed=7, prime=self.prefix)[0]

    @property
    def steps_to_repeat(self) -> int:
        return min(_REPEATED_STEPS, self.max_steps)

    def _score(self, x: np.ndarray, seed: int) -> float:
        mask = np.ones((1, len(x)), "bool")
        outputs, _ = self.model.observe(
            tf.constant(x[None], "float32"), tf.constant(mask), tf.constant([seed], "int32")
        )
        return float(tf.reduce_sum(outputs["log_likelihood"] - outputs["kl"]))


def _row(
    file: str, check: str, value: float, limit: float | None = None, note: str = ""
) -> dict[str, Any]:
    passed = limit is None or bool(value <= limit)  # NaN fails
    return {
        "file": file,
        "check": check,
        "value": value,
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
    note = ("changed or missing: " + ", ".join(changed)) if changed else ""
    return _row("metadata.json", "sha256 of every file", len(changed), 0, note)


def _check_saved_model(directory: Path, reference: _Reference) -> list[dict[str, Any]]:
    if not directory.is_dir():
        raise ValueError(f"{directory} is missing. Export the model again.")
    loaded = tf.saved_model.load(str(directory))
    described = metadata.read(directory.parents[1] / metadata.FILE_NAME)
    defaults = {name: option["default"] for name, option in described["options"].items()}

    def generate(seed: int, options: dict[str, float]) -> np.ndarray:
        values = {name: tf.constant([v]) for name, v in {**defaults, **options}.items()}
        result = loaded.signatures["generate"](
            seed=tf.constant([seed]), steps=tf.constant([reference.max_steps]), **values
        )
        return result["x"].numpy()[0, : int(result["length"][0])]

    def score(x: np.ndarray, seed: int) -> float:
        padded = np.zeros((1, reference.max_steps, x.shape[-1]), "float32")
        padded[0, : len(x)] = x
        result = loaded.signatures["score"](
            x=tf.constant(padded), length=tf.constant([len(x)]), seed=tf.constant([seed])
        )
        return float(result["elbo"][0])

    name = f"saved_model/{VERSION}"
    return [
        _compare_generated(name, generate, reference),
        _compare_scores(name, score, reference, TOLERANCE),
        _time_steps(name, generate, defaults),
    ]


def _check_tflite(path: Path, quantization: str, reference: _Reference) -> list[dict[str, Any]]:
    model, name = LiteModel(path), path.name
    foreign = [op for op in flatbuffer.operators(path) if op.startswith("CUSTOM:")]
    rows = [
        _row(name, "operators beside builtins", len(foreign), 0, ", ".join(foreign)),
        _compare_size(path, quantization, model.metadata["parameter_bytes"]),
    ]

    def generate(seed: int, options: dict[str, float]) -> np.ndarray:
        return model.generate(1, model.max_steps, seed, None, **options)[0]

    def score(x: np.ndarray, seed: int) -> float:
        return model.score(x, seed)["elbo"]

    if quantization == "none":
        rows.append(_compare_generated(name, generate, reference))
        rows.append(_compare_steps(model, reference))
        rows.append(_compare_priming(model, reference))
    rows.append(_repeat_steps(model, reference))
    rows.append(_compare_scores(name, score, reference, SCORE_TOLERANCES[quantization]))
    return [*rows, _time_steps(name, generate, model.option_defaults)]


def _compare_size(path: Path, quantization: str, parameter_bytes: int) -> dict[str, Any]:
    size = path.stat().st_size
    limit = SIZE_LIMITS[quantization] if parameter_bytes >= MIN_JUDGED_BYTES else None
    note = f"{size} bytes for {parameter_bytes} bytes of float32 parameters"
    return _row(path.name, "file bytes / parameter bytes", size / parameter_bytes, limit, note)


def _compare_generated(name: str, generate: Callable, reference: _Reference) -> dict[str, Any]:
    largest, shortest, agreed, total = 0.0, reference.max_steps, 0, 0
    for options, expected in zip(_OPTIONS, reference.generated, strict=True):
        for seed, x in zip(_SEEDS, expected, strict=True):
            differences = _differences(x, generate(seed, options))
            apart = np.flatnonzero(~(differences <= TOLERANCE))
            shortest = min(shortest, int(apart[0]) if len(apart) else shortest)
            agreed, total = agreed + (not len(apart)), total + 1
            largest = max(largest, float(differences.max(initial=0.0)))
    note = f"{agreed} of {total} sequences agree"
    if agreed < total:
        note += f"; the first of the others parts at step {shortest}"
    return _row(name, "generate = Keras, max |dx|", largest, TOLERANCE, note)


def _compare_steps(model: LiteModel, reference: _Reference) -> dict[str, Any]:
    """One step at a time from the states of Keras, so that differences cannot build up."""
    from vrnn_tf import generation

    states = reference.model.cell.get_initial_state(1)
    options = {name: tf.constant([value]) for name, value in model.option_defaults.items()}
    seed, largest = 0, 0.0
    for t in range(reference.steps_to_repeat):
        given = [state.numpy() for state in states]
        number = tf.constant([t])
        x, states = generation.step(reference.model, states, tf.constant([seed]), number, options)
        lite_x, lite_states = model.step(given, seed, t)
        for expected, found in zip([x[0], *states], [lite_x, *lite_states], strict=True):
            largest = max(largest, float(_relative(expected.numpy(), found).max()))
    return _row(model.path.name, "step = Keras from its states", largest, TOLERANCE)


def _compare_priming(model: LiteModel, reference: _Reference) -> dict[str, Any]:
    steps = reference.steps_to_repeat
    found = model.generate(1, steps, seed=7, prime=reference.prefix)[0]
    largest = float(_differences(reference.continued, found).max(initial=0.0))
    return _row(model.path.name, "prime + step = Keras", largest, TOLERANCE)


def _repeat_steps(model: LiteModel, reference: _Reference) -> dict[str, Any]:
    expected = model.generate(1, reference.steps_to_repeat, seed=3)[0]
    states, xs = model.init(), []
    for t in range(len(expected)):
        x, states = model.step(states, 3, t)
        xs.append(x)
    largest = float(_differences(expected, np.stack(xs)).max())
    return _row(model.path.name, "init + step = generate", largest, TOLERANCE)


def _compare_scores(
    name: str, score: Callable, reference: _Reference, limit: float
) -> dict[str, Any]:
    largest = 0.0
    for seed, (x, expected) in enumerate(zip(reference.data, reference.scores, strict=True)):
        difference = abs(score(x, seed) - expected) / max(len(x), 1)
        largest = max(largest, difference) if np.isfinite(difference) else np.inf
    note = f"{len(reference.data)} sequences"
    return _row(name, "score = Keras, nats a step", float(largest), limit, note)


def _time_steps(name: str, generate: Callable, options: Iterable[str]) -> dict[str, Any]:
    endless = {key: value for key, value in _ENDLESS.items() if key in options}
    times = []
    for seed in range(_TIMED_RUNS + 1):
        start = time.perf_counter()
        steps = len(generate(seed, endless))
        times.append(1e6 * (time.perf_counter() - start) / steps)
    note = f"median of {_TIMED_RUNS} sequences, noise included"
    return _row(name, "microseconds a step", statistics.median(times[1:]), note=note)


def _differences(expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The largest difference of each step `[T]`; infinite where only one sequence has a step."""
    differences = np.full(max(len(expected), len(found)), np.inf)
    both = min(len(expected), len(found))
    if both:
        differences[:both] = _relative(expected[:both], found[:both]).max(axis=-1)
    return differences


def _relative(expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    return np.abs(expected - found) / np.maximum(1.0, np.abs(expected))
