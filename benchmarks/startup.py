"""Start-up: seconds of imports in fresh processes, and to the first training step."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from benchmarks import rounds, tables
from benchmarks.rounds import Worker, quartiles

IMPORTS = {
    "TensorFlow, Keras, TFP": "import tensorflow, keras, tensorflow_probability as tfp\n"
    "tfp.distributions",
    "vrnn_tf": "from vrnn_tf import VRNN",
}
FIRST_STEP_CASE = "handwriting400"


def run(num_rounds: int) -> dict[str, Any]:
    """Seconds of the imports in turn, and what a worker needs for its first step."""
    for code in IMPORTS.values():
        _seconds(code)  # fills the file cache
    seconds = {name: [] for name in IMPORTS}
    for _ in range(num_rounds):
        for name, code in IMPORTS.items():
            seconds[name].append(_seconds(code))
    plain, ours = seconds.values()
    ratio = quartiles([b / a for a, b in zip(plain, ours, strict=True)])
    return {"imports": seconds, "ratio": ratio, "first_step": _first_step()}


def _seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code], cwd=rounds.ROOT, check=True, stderr=subprocess.DEVNULL
    )
    return time.perf_counter() - start


def _first_step() -> dict[str, float]:
    worker = Worker("training", "ours", FIRST_STEP_CASE)
    worker.stop()
    parts = {
        part: worker.report[f"{part}_seconds"] for part in ("imports", "construction", "first_step")
    }
    from_start = worker.report["warm_after_seconds"] - sum(worker.report["warm_up_seconds"])
    return {**parts, "from_process_start": from_start}


def show(result: dict[str, Any]) -> str:
    """The table."""
    rows = [
        [name, tables.milliseconds(quartiles(seconds))]
        for name, seconds in result["imports"].items()
    ]
    first = result["first_step"]
    return "\n".join(
        [
            tables.table("start-up", ["", "ms a process"], rows),
            f"vrnn_tf takes {tables.spread(result['ratio'])} times as long as they do",
            f"end of the first training step of {FIRST_STEP_CASE}: "
            f"{first['from_process_start']:.1f} s after the start of the process, "
            f"{first['construction'] + first['first_step']:.1f} s after that of the construction",
        ]
    )
