"""Figures of sequences over time, as PNG. They need matplotlib."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vrnn_tf import files


def save_figure(path: Path, figure) -> None:
    """Writes a matplotlib figure as PNG, atomically."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    with files.atomic(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def save_plots(path: Path, sequences: list, plot: Callable[[Any, np.ndarray], None]) -> None:
    """Writes a PNG in which `plot(axes, x)` has drawn the sequences one below the other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.2 * len(sequences)), dpi=100, layout="constrained")
    rows = figure.subplots(len(sequences), squeeze=False)[:, 0]
    for axes, x in zip(rows, sequences, strict=True):
        plot(axes, x)
    save_figure(path, figure)
