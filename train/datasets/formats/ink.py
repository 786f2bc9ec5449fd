"""Handwriting as its readers give it, whatever the format of the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from .offsets import cut

SPLITS = {  # what a file may call a split, and what it is called here
    "train": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}
LABELS = ("text", "writer", "split")  # what a file may say about a sequence


class Ink(NamedTuple):
    """One sequence of a file.

    Attributes:
        name: its name in the file.
        strokes: a function that makes the strokes, each of points `[n, 2]` (x, y) or `[n, 3]`
            (x, y, seconds). It raises ValueError if this sequence is malformed.
        y_down: whether y grows downwards, unless the user says otherwise.
        text: what is written; "" if the file does not say.
        writer: who wrote it; "" if the file does not say.
        split: "train", "validation" or "test"; "" if the file does not say.
    """

    name: str
    strokes: Callable[[], list[np.ndarray]]
    y_down: bool
    text: str = ""
    writer: str = ""
    split: str = ""


def cut_points(columns: np.ndarray, rate: float | None) -> list[np.ndarray]:
    """Cuts points into strokes.

    Args:
        columns: `[n, 3]` (x, y, pen) or `[n, 4]` (x, y, pen, seconds); pen is 1 on the last point
            of a stroke.
        rate: how many points there are a second, if the file has no times but says this.

    Returns:
        Points `[n, 2]` (x, y) or, if there are times, `[n, 3]` (x, y, seconds) of each stroke.
    """
    if rate is not None and columns.shape[1] == 3:
        columns = np.column_stack([columns, np.arange(len(columns)) / rate])
    return cut(np.delete(columns, 2, axis=1), columns[:, 2])


def check_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Returns the labels of a sequence, the split by the name that it has here.

    Raises:
        ValueError: if the split is unknown.
    """
    split = labels["split"].strip().lower()
    if split and split not in SPLITS:
        raise ValueError(f"split must be one of {list(SPLITS)}, found {split!r}")
    return {**labels, "split": SPLITS.get(split, "")}
