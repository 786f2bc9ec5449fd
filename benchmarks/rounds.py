"""Lets contestants take turns, each in a process of its own, and compares them round by round.

Machines slow down and speed up while a benchmark runs. So the contestants of a case are alive side
by side and step in turn, A B C A B C ... A ratio compares two turns of one round, which are seconds
apart. The quartiles of the ratio over the rounds say how far to trust it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TURN_SECONDS, MOST_STEPS = 0.5, 20  # how long a turn lasts about, and its largest number of steps
PAUSE = 0.1  # seconds between turns, in which the threads of the earlier worker go to sleep
PATIENCE = 400  # seconds after which a worker that is not warm counts as failed
SPARE = 1.5  # free memory over that of the largest worker, needed to start another worker


class WorkerError(Exception):
    """A worker ended. The message holds the last lines that it wrote."""


class Worker:
    """A running `benchmarks.worker`, which is warm once this object is constructed.

    Attributes:
        report: the answer of the worker when it was warm, see `benchmarks.worker`. Every turn adds
            to two lists: "turns", the seconds of its steps, and "others", how many processors other
            programs kept busy meanwhile.

    Raises:
        WorkerError: if it fails or is not warm within `PATIENCE` seconds.
    """

    def __init__(self, section: str, contestant: str, case: str, label: str = ""):
        self.label = label
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115, see `stop`
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", section, contestant, case],
            cwd=ROOT,
            env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        start = time.perf_counter()
        timer = threading.Timer(PATIENCE, self._process.kill)
        timer.start()
        try:
            self.report = self._answer()
        finally:
            timer.cancel()
        warm_after = time.perf_counter() - start
        self.report |= {"warm_after_seconds": warm_after, "turns": [], "others": []}
        steps = round(TURN_SECONDS / self.report["clock_seconds"])
        self._steps = max(1, min(MOST_STEPS, steps))

    def turn(self) -> None:
        """Steps for about `TURN_SECONDS` and appends the seconds of its steps to the "turns"."""
        time.sleep(PAUSE)
        start, busy = time.perf_counter(), _busy_seconds()
        print(self._steps, file=self._process.stdin, flush=True)
        answer = self._answer()
        others = _busy_seconds() - busy - answer.pop("processor_seconds")
        self.report["others"].append(max(0.0, others / (time.perf_counter() - start)))
        self.report["turns"].append(answer.pop("seconds"))
        self.report.update(answer)

    @property
    def num_turns(self) -> int:
        return len(self.report["turns"])

    def stop(self) -> None:
        """Ends the process if it is still running."""
        if self._errors.closed:
            return
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        code = self._process.wait()
        self._errors.seek(0)
        lines = [line for line in self._errors.read().splitlines() if line.strip()]
        self.stop()
        killed = f"ended by signal {-code}" if code < 0 else f"ended with {code}"
        raise WorkerError(f"{killed}: {' | '.join(lines[-3:]) or 'no message'}")


def available(contestants: Iterable[str]) -> list[str]:
    """Returns the contestants that can run: without PyTorch, those that do not need it."""
    installed = importlib.util.find_spec("torch") is not None
    return [name for name in contestants if installed or not name.startswith("PyTorch")]


def compete(
    section: str, entries: Mapping[str, tuple[str, str]], reference: str, rounds: int
) -> dict[str, Any]:
    """Lets entries take turns.

    Args:
        section: the module with the tables `CASES` and `CONTESTANTS`.
        entries: `{label: (contestant, case)}`.
        reference: the label that the others are compared with. If no entry has it, the first entry
            is the reference.
        rounds: how many turns each entry has.

    Returns:
        A dictionary that JSON can hold: "reference", "groups" (the labels that ran side by side),
        "failures" `{label: message}`, and "entries" `{label: report}` with the seconds of all turns
        and their `comparison`.

    Raises:
        ValueError: if two entries have different numbers of parameters.
    """
    reference = reference if reference in entries else next(iter(entries))
    waiting = [reference, *(label for label in entries if label != reference)]
    groups, failures, reports = [], {}, {}
    with contextlib.ExitStack() as stack:
        first: Worker | None = None  # the reference takes part in every group
        while waiting:
            group = [first] if first else []
            for worker in _start(section, entries, waiting, group, failures):
                stack.callback(worker.stop)
                group.append(worker)
            first = next((worker for worker in group if worker.label == reference), None)
            _check_same_size(group)
            groups.append([worker.label for worker in group])
            done = first.num_turns if first else 0
            _take_turns(group, rounds, failures)
            first = first if first in group else None
            for worker in group:
                pairs = first.report["turns"][done:] if first and worker is not first else None
                reports[worker.label] = worker.report | comparison(worker.report["turns"], pairs)
                if worker is not first:
                    worker.stop()
    return {
        "reference": reference,
        "groups": groups,
        "failures": failures,
        "entries": {label: reports[label] for label in entries if label in reports},
    }


def comparison(turns: Sequence[Sequence[float]], reference: Sequence[Sequence[float]] | None):
    """Returns quartiles of the seconds of a step, and of the ratio to the reference.

    Args:
        turns: the seconds of the steps of each round.
        reference: the seconds of the steps of the reference in the same rounds. With None there is
            no ratio.

    Returns:
        `{"seconds": [first quartile, median, third quartile], "ratio": the same}`.
    """
    steps = [second for turn in turns for second in turn]
    result = {"seconds": quartiles(steps)}
    if reference is not None:
        pairs = zip(turns, reference, strict=True)
        result["ratio"] = quartiles([statistics.median(a) / statistics.median(b) for a, b in pairs])
    return result


def quartiles(values: Sequence[float]) -> list[float]:
    """Returns first quartile, median and third quartile."""
    values = list(values) * 2 if len(values) == 1 else values
    return statistics.quantiles(values, n=4, method="inclusive")


def _start(section, entries, waiting: list[str], group: list[Worker], failures) -> Iterator[Worker]:
    """Starts the entries of `waiting` and removes them from it, as long as memory lasts."""
    already = len(group)
    while waiting and (len(group) == already or _room_for_one_more(group)):
        label = waiting.pop(0)
        print(f"  warming up {label}: {', '.join(entries[label])}", file=sys.stderr, flush=True)
        try:
            yield Worker(section, *entries[label], label)
        except WorkerError as error:
            failures[label] = str(error)


def _take_turns(group: list[Worker], rounds: int, failures: dict[str, str]) -> None:
    for _ in range(rounds):
        for worker in list(group):
            try:
                worker.turn()
            except WorkerError as error:
                failures[worker.label] = str(error)
                group.remove(worker)


def _check_same_size(group: Sequence[Worker]) -> None:
    sizes = {worker.label: worker.report["num_parameters"] for worker in group}
    if len({size for size in sizes.values() if size is not None}) > 1:
        raise ValueError(f"Entries must have equal numbers of parameters. Received {sizes}.")


def _room_for_one_more(group: Sequence[Worker]) -> bool:
    largest = max((worker.report["peak_bytes"] for worker in group), default=0)
    return _available_bytes() > SPARE * largest


def _busy_seconds() -> float:
    """Returns the seconds that all processors have worked; 0 where the system does not tell."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return 0.0
    user, nice, system, _, _, irq, softirq, stolen = map(int, fields)
    return (user + nice + system + irq + softirq + stolen) / os.sysconf("SC_CLK_TCK")


def _available_bytes() -> float:
    """Returns the memory that is free without swapping; infinite where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    kilobytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable"))
    return 1024.0 * int(kilobytes)
