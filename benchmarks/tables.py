"""Prints results as tables."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PACKAGES = ("vrnn_tf", "tensorflow", "keras", "tensorflow-probability", "torch", "numpy")
DISTURBANCE = 0.2  # processors that other programs may keep busy before a warning appears


def machine() -> dict[str, Any]:
    """Describes what the figures depend on: processor, system and versions."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "oneDNN in TensorFlow": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0",
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    fields = {name.strip(): value.strip() for name, value in pairs}
    flags = [flag for flag in ("avx2", "avx512f", "amx_bf16") if flag in fields.get("flags", "")]
    return " ".join([fields.get("model name", platform.processor()), *flags])


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def competition(title: str, result: dict[str, Any]) -> str:
    """Returns the table of a result of `rounds.compete`, with warnings below it."""
    reference = result["reference"]
    rows = []
    for name, report in result["entries"].items():
        rows.append([name, milliseconds(report["seconds"]), spread(report.get("ratio"))])
        if report["num_parameters"] is None:  # without a model start and memory mean nothing
            rows[-1] += ["", "", ""]
            continue
        beyond_imports = report["peak_bytes"] - report["imported_bytes"]
        start = report["construction_seconds"] + report["first_step_seconds"]
        rows[-1] += [
            f"{start:.1f}",
            *(f"{size / 2**20:.0f}" for size in (report["peak_bytes"], beyond_imports)),
        ]
    ratio = f"time / {reference}"
    header = ["", "ms a step", ratio, "start, s", "peak, MiB", "beyond imports, MiB"]
    return "\n".join([table(title, header, rows), *_notes(result)])


def _notes(result: dict[str, Any]) -> list[str]:
    """The failures, and what makes the figures doubtful, as lines below the table."""
    notes = [f"{name} failed: {message}" for name, message in result["failures"].items()]
    others = [share for report in result["entries"].values() for share in report["others"]]
    busy = sum(share > DISTURBANCE for share in others)
    if busy:
        notes.append(
            f"Other programs kept up to {max(others):.1f} processors busy in {busy} of "
            f"{len(others)} turns. Do not trust these figures."
        )
    if len(result["groups"]) > 1:
        groups = "; ".join(", ".join(group) for group in result["groups"])
        notes.append(f"Memory was too small for all contestants side by side. Groups: {groups}")
    return notes


def milliseconds(quartiles: Sequence[float]) -> str:
    """Formats the quartiles of seconds: the median, and in brackets first and third quartile."""
    low, middle, high = (1e3 * value for value in quartiles)
    return f"{middle:.4g} ({low:.4g} to {high:.4g})"


def spread(quartiles: Sequence[float] | None) -> str:
    """Formats the quartiles of a ratio: the median, and in brackets first and third quartile."""
    if quartiles is None:
        return "-"
    low, middle, high = quartiles
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Formats columns: the first one is aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        pairs = list(zip(cells, widths, strict=True))
        return "  ".join([pairs[0][0].ljust(pairs[0][1]), *(c.rjust(w) for c, w in pairs[1:])])

    return "\n".join(["", title, line(header), *map(line, rows)])
