"""One sequence of a file of handwriting, whatever the format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from .offsets import cut

SPLITS = {
    "train": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}
LABELS = ("text", "writer", "split")


class Ink(NamedTuple):
    """One sequence of a file.

    Attributes:
        name: in the file.
        strokes: makes the strokes, points `[n, 2]` (x, y) or `[n, 3]` (x, y, seconds) each; raises
            ValueError if this sequence is malformed.
        y_down: whether y grows downwards, if the user does not say.
        text: what is written, if known.
        writer: who wrote it, if known.
        split: "train", "validation", "test" or "", if the file does not say.
    """

    name: str
    strokes: Callable[[], list[np.ndarray]]
    y_down: bool
    text: str = ""
    writer: str = ""
    split: str = ""


def cut_points(columns: np.ndarray, rate: float | None) -> list[np.ndarray]:
    """Of columns x, y, pen and perhaps t."""
    if rate is not None and columns.shape[1] == 3:
        columns = np.column_stack([columns, np.arange(len(columns)) / rate])
    return cut(np.delete(columns, 2, axis=1), columns[:, 2])


def check_labels(label: Mapping[str, str]) -> dict[str, str]:
    """Labels with the name of the split as it is here."""
    split = label["split"].strip().lower()
    if split and split not in SPLITS:
        raise ValueError(f"split must be one of {list(SPLITS)}, found {split!r}")
    return {**label, "split": SPLITS.get(split, "")}
