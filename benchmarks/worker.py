"""A process that holds one contestant of one case: `python -m benchmarks.worker SECTION NAME CASE`.

SECTION is a module of this package with two tables that need no framework to read,

    CASES       = {case: {...}}                    data
    CONTESTANTS = {name: "module:function"}        both inside this package

and `function(case)` builds a contestant: a `Contestant`, or only its `step`. The module of a
contestant imports its framework at its top, so that what imports cost is known apart from what the
contestant costs. `step()` does the whole work once and returns when it is done (training: the loss
as a Python float).

The worker writes one JSON line when it is warm, then answers every line `N` on its standard input
with one JSON line, the seconds of each of N steps. It ends with its standard input.
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

WARM_UP_SECONDS, WARM_UP_STEPS = 1.0, 2  # after the first step: at least so long, and so many


@dataclasses.dataclass
class Contestant:
    """One way to do a case's work.

    Attributes:
        step: does it once; what it returns must be finite if it is a number.
        num_parameters: trainable numbers; None where that means nothing.
        notes: JSON-able facts for the report, read after the warm-up.
    """

    step: Callable[[], Any]
    num_parameters: int | None = None
    notes: dict[str, Any] = dataclasses.field(default_factory=dict)


class Counted(float):
    """Seconds that a step counted itself; they stand for those of the clock."""


def peak_bytes() -> int:
    """The most memory that this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def resolve(section: str, name: str) -> tuple[Callable[[Any], Any], dict[str, Any]]:
    """The function that builds a contestant, and the cases of its section."""
    table = importlib.import_module(f"benchmarks.{section}")
    module, function = table.CONTESTANTS[name].split(":")
    return getattr(importlib.import_module(f"benchmarks.{module}"), function), table.CASES


def timed(step: Callable[[], Any]) -> float:
    """Seconds of one step.

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


def main(section: str, name: str, case: str) -> None:
    """Builds, warms up, answers."""
    # Whatever a framework prints goes to standard error; standard output is for answers alone.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=answers, flush=True)

    start = time.perf_counter()
    build, cases = resolve(section, name)
    imports, imported_bytes = time.perf_counter() - start, peak_bytes()
    start = time.perf_counter()
    built = build(cases[case])
    contestant = built if isinstance(built, Contestant) else Contestant(built)
    construction = time.perf_counter() - start
    first = timed(contestant.step)
    warm_up: list[float] = []
    start = time.perf_counter()
    while len(warm_up) < WARM_UP_STEPS or time.perf_counter() - start < WARM_UP_SECONDS:
        warm_up.append(timed(contestant.step))
    usual = (time.perf_counter() - start) / len(warm_up)
    answer(
        imports_seconds=imports,
        construction_seconds=construction,
        first_step_seconds=first,
        warm_up_seconds=warm_up,
        clock_seconds=usual,  # of a step, also where the step counts otherwise
        num_parameters=contestant.num_parameters,
        imported_bytes=imported_bytes,
        peak_bytes=peak_bytes(),
        notes=contestant.notes,
    )
    for line in sys.stdin:
        start = time.process_time()
        seconds = [timed(contestant.step) for _ in range(int(line))]
        answer(
            seconds=seconds,
            processor_seconds=time.process_time() - start,  # of all threads together
            peak_bytes=peak_bytes(),
            notes=contestant.notes,
        )


if __name__ == "__main__":
    from benchmarks import worker  # the module that contestants know, whose classes are theirs

    worker.main(*sys.argv[1:])
