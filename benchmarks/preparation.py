"""Times the preparation of recordings by one process and by one worker of Apache Beam per core.

`python -m benchmarks preparation` runs `vrnn data prepare` in a new process for each turn.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks import rounds, tables
from benchmarks.rounds import quartiles

RECORDINGS, SECONDS, RATE = 1_500, 20, 44_100  # 8.3 hours in the form of an audiobook
CONTESTANTS = {
    "one process": [],
    "Beam": [f"direct_num_workers={os.cpu_count()}", "direct_running_mode=multi_processing"],
}
_INTERVAL = 0.2  # seconds between measurements of the memory


def run(num_rounds: int) -> dict[str, Any]:
    """Measures seconds and most memory of each contestant in turn, and the ratio of the seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    peaks: dict[str, list[int]] = {name: [] for name in CONTESTANTS}
    with tempfile.TemporaryDirectory() as folder:
        _record(Path(folder, "recordings"))
        for number in range(num_rounds):
            for name, options in CONTESTANTS.items():
                prepared = Path(folder, f"{name} {number}")
                took, peak = _prepare(Path(folder, "recordings"), prepared, options)
                seconds[name].append(took)
                peaks[name].append(peak)
                shutil.rmtree(prepared)
    alone, beam = seconds.values()
    ratio = quartiles([b / a for a, b in zip(alone, beam, strict=True)])
    return {"seconds": seconds, "peak_bytes": peaks, "ratio": ratio}


def _record(folder: Path) -> None:
    """Writes noise whose samples depend on each other as in speech, so that FLAC has work to do."""
    import soundfile

    rng = np.random.default_rng(0)
    folder.mkdir()
    noise = np.cumsum(rng.normal(size=(RECORDINGS + 60) * RATE))
    for number in range(RECORDINGS):
        wave = noise[number * RATE :][: SECONDS * RATE]
        wave = wave - np.linspace(wave[0], wave[-1], len(wave))
        soundfile.write(folder / f"{number:05d}.flac", wave / np.abs(wave).max() / 2, RATE)


def _prepare(recordings: Path, prepared: Path, options: list[str]) -> tuple[float, int]:
    """Returns the seconds, and the most bytes that the process and its children held together."""
    command = [sys.executable, "-m", "vrnn_tf.cli", "data", "prepare", "audio_folder"]
    command += ["--data-dir", str(recordings), "--prepared-dir", str(prepared)]
    command += [part for option in options for part in ("--beam", option)]
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=rounds.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process, peak))
    watcher.start()
    _, errors = process.communicate()
    took = time.perf_counter() - start
    watcher.join()
    if process.returncode:
        raise SystemExit(errors)
    return took, peak[0]


def _watch(process: subprocess.Popen, peak: list[int]) -> None:
    parent = psutil.Process(process.pid)
    while process.poll() is None:
        held, family = 0, [parent]
        with contextlib.suppress(psutil.Error):
            family += parent.children(recursive=True)
        for part in family:
            with contextlib.suppress(psutil.Error):  # it has just ended
                held += part.memory_full_info().uss
        peak[0] = max(peak[0], held)
        time.sleep(_INTERVAL)


def show(result: dict[str, Any]) -> str:
    """Returns the table."""
    rows = [
        [
            name,
            tables.milliseconds(quartiles(seconds)),
            f"{max(result['peak_bytes'][name]) / 2**20:.0f}",
        ]
        for name, seconds in result["seconds"].items()
    ]
    hours = RECORDINGS * SECONDS / 3_600
    title = f"preparation of {RECORDINGS} recordings, {hours:.1f} hours, FLAC, {RATE} Hz to 16000"
    return "\n".join(
        [
            tables.table(title, ["", "ms", "peak, MiB"], rows),
            f"Beam takes {tables.spread(result['ratio'])} times as long as one process.",
        ]
    )
