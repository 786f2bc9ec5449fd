"""Times the start: imports in fresh processes, and the first training step."""

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
    """Times the imports in turn, and the first step of a worker."""
    for code in IMPORTS.values():
        _seconds(code)  # fills the file cache
    seconds = {name: [] for name in IMPORTS}
    for _ in range(num_rounds):
        for name, code in IMPORTS.items():
            seconds[name].append(_seconds(code))
    frameworks, ours = seconds.values()
    ratio = quartiles([b / a for a, b in zip(frameworks, ours, strict=True)])
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
    """Returns the table."""
    rows = [
        [name, tables.milliseconds(quartiles(seconds))]
        for name, seconds in result["imports"].items()
    ]
    first = result["first_step"]
    return "\n".join(
        [
            tables.table("start-up", ["", "ms a process"], rows),
            f"Importing vrnn_tf takes {tables.spread(result['ratio'])} times as long as importing "
            "the frameworks alone.",
            f"The first training step of {FIRST_STEP_CASE} ends "
            f"{first['from_process_start']:.1f} s after the process starts and "
            f"{first['construction'] + first['first_step']:.1f} s after the construction starts.",
        ]
    )
