"""The checks of one file of an export against Keras. Each returns rows of the report."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .. import footprint
from ..runtime import LiteModel
from .reference import FREE_STEPS, SEEDS, Reference
from .report import make_row
from .runtimes import LiteRuntime, Runtime

TOLERANCE = 1e-4  # of x relative to max(1, |x|), and of the score in nats a step
# Nats a step by which quantised weights may move the bound.
SCORE_TOLERANCES = {"none": TOLERANCE, "float16": 0.02, "int8": 0.2, "int4": None}
# A file may lose this share of the bound on real data. A bound can be near zero; then it may lose
# `LOSS_A_STEP`, nats a step.
LOSS_SHARES = {"none": 0.01, "float16": 0.01, "int8": 0.01, "int4": None}
LOSS_A_STEP = 0.01
# File bytes over bytes of the float32 parameters.
SIZE_LIMITS = {"none": 1.05, "float16": 0.60, "int8": 0.35, "int4": 0.25}
MIN_JUDGED_BYTES = 1_000_000  # below it the graph itself, about 80 kB, decides the ratio
# Bytes that a process holds over file bytes. Quantisation shrinks the file, but not the tensors of
# T_max steps, a few megabytes: the memory of quantised files is only reported.
MEMORY_LIMIT = 3.0
_TIMED_RUNS = 5


def check_saved_model(runtime: Runtime, reference: Reference) -> list[dict[str, Any]]:
    """Checks a SavedModel."""
    return [
        *_compare_generated(runtime, reference),
        _compare_steps(runtime, reference),
        _compare_primed_states(runtime, reference),
        _repeat_steps(runtime, reference),
        *_compare_scores(runtime, reference, "none"),
        _time_steps(runtime, reference),
    ]


def check_tflite(
    model: LiteModel, used: Sequence[str], quantization: str, reference: Reference
) -> list[dict[str, Any]]:
    """Checks a .tflite file, which uses the operators `used`."""
    runtime = LiteRuntime(model)
    rows = [_check_operators(model, used), _compare_size(model, quantization)]
    if quantization == "none":
        rows += _compare_generated(runtime, reference)
        rows.append(_compare_steps(runtime, reference))
        rows.append(_compare_primed_states(runtime, reference))
        rows.append(_compare_priming(model, reference))
    else:
        rows.append(_measure_drift(runtime, reference))
    rows.append(_repeat_steps(runtime, reference))
    rows += _compare_scores(runtime, reference, quantization)
    return [*rows, _time_steps(runtime, reference), *_measure_memory(model, quantization)]


def _check_operators(model: LiteModel, used: Sequence[str]) -> dict[str, Any]:
    foreign = [name for name in used if name.startswith("CUSTOM:")]
    note = ", ".join(foreign) or f"{len(used)} builtins"
    return make_row(model.path.name, "operators beside builtins", len(foreign), 0, note)


def _compare_size(model: LiteModel, quantization: str) -> dict[str, Any]:
    size, parameter_bytes = model.path.stat().st_size, model.metadata["parameter_bytes"]
    limit = SIZE_LIMITS[quantization] if parameter_bytes >= MIN_JUDGED_BYTES else None
    note = f"{size} bytes for {parameter_bytes} bytes of float32 parameters"
    ratio = size / parameter_bytes
    return make_row(model.path.name, "file bytes / parameter bytes", ratio, limit, note)


def _compare_generated(runtime: Runtime, reference: Reference) -> list[dict[str, Any]]:
    """Judges the first steps of free-running sequences and reports the whole sequences.

    Files multiply matrices of one row, so they are compared with what Keras draws alone. The note
    says how often Keras agrees with itself when it draws all seeds together.
    """
    differences, agreements = [], 0
    for i, options in enumerate(reference.options):
        for j, seed in enumerate(SEEDS):
            expected = reference.drawn_alone[i][j]
            differences.append(_differences(expected, runtime.generate(seed, options)))
            together = _differences(expected, reference.drawn_together[i][j])
            agreements += bool((together <= TOLERANCE).all())
    beginning = _largest(each[:FREE_STEPS] for each in differences)
    whole = _largest(differences)
    departures = [np.flatnonzero(~(each <= TOLERANCE)) for each in differences]
    first_departures = [int(steps[0]) for steps in departures if len(steps)]
    total = len(differences)
    note = f"{total - len(first_departures)} of {total} sequences agree to the end"
    if first_departures:
        note += f", the first of the others to step {min(first_departures)}"
    note += f"; Keras itself, one row or three: {agreements} of {total}"
    return [
        make_row(runtime.name, f"generate = Keras, {FREE_STEPS} steps", beginning, TOLERANCE),
        make_row(runtime.name, "generate = Keras, all steps", whole, note=note),
    ]


def _compare_steps(runtime: Runtime, reference: Reference) -> dict[str, Any]:
    """Judges single steps from the states of Keras, where differences cannot build up."""
    options, differences = reference.endless, []
    for states, t, x, next_states in reference.steps:
        file_x, file_states = runtime.step(states, 0, t, **options)
        pairs = zip([x, *next_states], [file_x, *file_states], strict=True)
        differences += [_relative(a, b) for a, b in pairs]
    note = f"{len(reference.steps)} steps"
    return make_row(runtime.name, "step = Keras", _largest(differences), TOLERANCE, note)


def _measure_drift(runtime: Runtime, reference: Reference) -> dict[str, Any]:
    """Reports how far quantisation moves the states in one step.

    A quantised file may choose another component or lift the pen, so x says little. The drift is a
    share of the states' root mean square.
    """
    options, drift, square = reference.endless, 0.0, 0.0
    for states, t, _, next_states in reference.steps:
        _, file_states = runtime.step(states, 0, t, **options)
        pairs = zip(next_states, file_states, strict=True)
        drift += sum(float(np.square(a - b).sum()) for a, b in pairs)
        square += sum(float(np.square(a).sum()) for a in next_states)
    share = (drift / max(square, np.finfo(float).tiny)) ** 0.5
    note = f"{len(reference.steps)} steps"
    return make_row(runtime.name, "drift of the states in a step", share, None, note)


def _compare_primed_states(runtime: Runtime, reference: Reference) -> dict[str, Any]:
    """Judges the states after whole sequences."""
    differences = []
    for seed, (x, expected) in enumerate(zip(reference.data, reference.states, strict=True)):
        pairs = zip(expected, runtime.prime(x, seed), strict=True)
        differences += [_relative(a, b) for a, b in pairs]
    note = f"{len(reference.data)} sequences"
    return make_row(runtime.name, "prime = Keras", _largest(differences), TOLERANCE, note)


def _compare_priming(model: LiteModel, reference: Reference) -> dict[str, Any]:
    steps = min(FREE_STEPS, reference.max_steps)
    continuation = model.generate(1, steps, 7, reference.prefix)[0]
    largest = _largest([_differences(reference.continuation, continuation)])
    return make_row(model.path.name, "prime + step = Keras", largest, TOLERANCE)


def _repeat_steps(runtime: Runtime, reference: Reference) -> dict[str, Any]:
    """Judges whether the loop of a file is nothing but the steps of the same file."""
    options = reference.endless
    expected = runtime.generate(3, options)[:FREE_STEPS]
    states, xs = runtime.init(), []
    for t in range(len(expected)):
        x, states = runtime.step(states, 3, t, **options)
        xs.append(x)
    largest = _largest([_differences(expected, np.stack(xs))])
    note = f"{len(expected)} steps"
    return make_row(runtime.name, "init + step = generate", largest, TOLERANCE, note)


def _compare_scores(
    runtime: Runtime, reference: Reference, quantization: str
) -> list[dict[str, Any]]:
    """Judges the bound on each sequence, and what a file loses of it on average."""
    expected = np.asarray(reference.scores)
    scores = np.asarray([runtime.score(x, seed) for seed, x in enumerate(reference.data)])
    steps = np.maximum([len(x) for x in reference.data], 1)
    largest = float(np.max(np.abs(scores - expected) / steps))  # NaN stays NaN, which fails
    limit = SCORE_TOLERANCES[quantization]
    note = f"{len(steps)} {'real' if reference.is_real else 'generated'} sequences"
    each = make_row(runtime.name, "score = Keras, nats a step", largest, limit, note)

    lost, bound = expected - scores, abs(expected.mean())
    share, limit = LOSS_SHARES[quantization], None
    if share is not None and reference.is_real:
        limit = max(share * bound, LOSS_A_STEP * steps.mean())
    error = lost.std(ddof=1) / len(lost) ** 0.5 if len(lost) > 1 else np.nan
    percent = 100.0 * lost.mean() / max(bound, 1e-9)
    note = f"+- {error:.2g}; {percent:.2g}% of a bound of {expected.mean():.1f}"
    return [each, make_row(runtime.name, "lost bound, nats a sequence", lost.mean(), limit, note)]


def _measure_memory(model: LiteModel, quantization: str) -> list[dict[str, Any]]:
    """Measures the bytes that `generate` makes a process hold, over the bytes of the file."""
    if not footprint.is_available():
        return []
    size, rows = model.path.stat().st_size, []
    inputs = {**model.option_defaults, "seed": 0, "steps": model.max_steps}
    for kernels in footprint.KERNELS:
        held = footprint.measure(model.path, "generate", inputs, kernels)
        # The system chooses how much of the weight cache, a mapped file, is in memory.
        is_judged = (
            quantization == "none" and kernels == footprint.BUILTIN and size >= MIN_JUDGED_BYTES
        )
        limit = MEMORY_LIMIT if is_judged else None
        note = f"{held / 2**20:.1f} MiB"
        rows.append(
            make_row(model.path.name, f"memory / file, {kernels}", held / size, limit, note)
        )
    return rows


def _time_steps(runtime: Runtime, reference: Reference) -> dict[str, Any]:
    times = []
    for seed in range(_TIMED_RUNS + 1):
        start = time.perf_counter()
        steps = len(runtime.generate(seed, reference.endless))
        times.append(1e6 * (time.perf_counter() - start) / steps)
    note = f"median of {_TIMED_RUNS} sequences, noise included"
    return make_row(runtime.name, "microseconds a step", statistics.median(times[1:]), note=note)


def _differences(expected: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """The largest difference of each step `[T]`; infinite where only one sequence has a step."""
    differences = np.full(max(len(expected), len(actual)), np.inf)
    both = min(len(expected), len(actual))
    if both:
        differences[:both] = _relative(expected[:both], actual[:both]).max(axis=-1)
    return differences


def _largest(differences: Iterable[np.ndarray]) -> float:
    """The largest number in any of the arrays; NaN, which fails every check, if one holds NaN."""
    return float(np.max([each.max(initial=0.0) for each in differences], initial=0.0))


def _relative(expected: np.ndarray, actual: np.ndarray) -> np.ndarray:
    return np.abs(expected - actual) / np.maximum(1.0, np.abs(expected))
