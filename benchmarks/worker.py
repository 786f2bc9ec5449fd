"""A process that holds one contestant of one case: `python -m benchmarks.worker SECTION NAME CASE`.

SECTION is a module of this package with two tables. Reading them needs no framework.

    CASES       = {case: {...}}                    data
    CONTESTANTS = {name: "module:function"}        both inside this package

`function(case)` builds a contestant: a `Contestant`, or only its `step`. The module of a contestant
imports its framework at the top, so that the cost of imports is known apart from the cost of the
contestant. `step()` does the whole work once and returns when the work is done. In training it
returns the loss as a Python float.

The worker writes one JSON line when it is warm. Then it answers every line `N` on its standard
input with one JSON line, the seconds of each of N steps. It ends when its standard input is closed.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

WARM_UP_SECONDS, WARM_UP_STEPS = 1.0, 2  # the least that follows the first step before timing


@dataclasses.dataclass
class Contestant:
    """One way to do the work of a case.

    Attributes:
        step: does the work once. If it returns a number, the number must be finite.
        num_parameters: how many trainable numbers the model has; None if there is no model.
        notes: facts for the report that JSON can hold. They are read after the warm-up.
    """

    step: Callable[[], Any]
    num_parameters: int | None = None
    notes: dict[str, Any] = dataclasses.field(default_factory=dict)


class Counted(float):
    """The seconds that a step counted itself. They replace those of the clock."""


def peak_bytes() -> int:
    """Returns the most memory, in bytes, that this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def resolve(section: str, name: str) -> tuple[Callable[[Any], Any], dict[str, Any]]:
    """Returns the function that builds a contestant, and the cases of its section."""
    table = importlib.import_module(f"benchmarks.{section}")
    module, function = table.CONTESTANTS[name].split(":")
    return getattr(importlib.import_module(f"benchmarks.{module}"), function), table.CASES


def timed(step: Callable[[], Any]) -> float:
    """Returns the seconds of one step.

    Raises:
        FloatingPointError: if the step returns a number that is not finite.
    """
    start = time.perf_counter()
    value = step()
    seconds = time.perf_counter() - start
    if isinstance(value, Counted):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise FloatingPointError(f"A step must return a finite number. Received {value}.")
    return seconds


def _build(section: str, name: str, case: str) -> tuple[Contestant, dict[str, Any]]:
    """Builds a contestant, and reports what its imports and its construction took."""
    start = time.perf_counter()
    build, cases = resolve(section, name)
    imports, imported_bytes = time.perf_counter() - start, peak_bytes()
    start = time.perf_counter()
    built = build(cases[case])
    contestant = built if isinstance(built, Contestant) else Contestant(built)
    report = {
        "imports_seconds": imports,
        "construction_seconds": time.perf_counter() - start,
        "num_parameters": contestant.num_parameters,
        "imported_bytes": imported_bytes,
    }
    return contestant, report


def _warm_up(contestant: Contestant) -> dict[str, Any]:
    """Steps until a contestant is warm, and reports the seconds of these steps."""
    first = timed(contestant.step)
    warm_up: list[float] = []
    start = time.perf_counter()
    while len(warm_up) < WARM_UP_STEPS or time.perf_counter() - start < WARM_UP_SECONDS:
        warm_up.append(timed(contestant.step))
    return {
        "first_step_seconds": first,
        "warm_up_seconds": warm_up,
        # The seconds of a step by the clock, even if the step counts its seconds itself.
        "clock_seconds": (time.perf_counter() - start) / len(warm_up),
    }


def main(section: str, name: str, case: str) -> None:
    """Builds a contestant, warms it up and answers on standard output."""
    # Standard output is for answers alone. All that a framework prints goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=answers, flush=True)

    contestant, report = _build(section, name, case)
    report |= _warm_up(contestant)
    answer(**report, peak_bytes=peak_bytes(), notes=contestant.notes)
    for line in sys.stdin:
        start = time.process_time()
        seconds = [timed(contestant.step) for _ in range(int(line))]
        answer(
            seconds=seconds,
            processor_seconds=time.process_time() - start,  # the sum over all threads
            peak_bytes=peak_bytes(),
            notes=contestant.notes,
        )


if __name__ == "__main__":
    from benchmarks import worker  # contestants import this module, not __main__, for its classes

    worker.main(*sys.argv[1:])
