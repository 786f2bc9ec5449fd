"""Handwriting as points, and as the offsets that models read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MAX_COORDINATE = 1e7  # beyond it float32 cannot tell points one unit apart
# times the median step; a larger step is a fault of the sensor. The largest that people made is 180
# in the lines of IAM-OnDB, 85 in the drawings of Omniglot, and 1,912 on the whole pages of UNIPEN,
# where the pen goes back to start a new line.
MAX_JUMP = 5_000.0


def to_offsets(strokes: Sequence[np.ndarray], y_down: bool) -> np.ndarray:
    """Turns absolute points into the offsets that models read.

    Row t moves the pen by (dx, dy) from point t to point t + 1; its pen is 1 if point t + 1 is the
    last of its stroke. The first point is where the sequence starts and has no row. Therefore a
    first stroke of a single point runs into the second stroke, as in the code of arXiv:1506.02216.

    Args:
        strokes: arrays `[n, 2]` of points (x, y) in the order of writing; those without a point
            are left out.
        y_down: whether y grows downwards, as on a screen; the result has y up.

    Returns:
        float32 `[T, 3]`, T = number of points - 1.

    Raises:
        ValueError: if there are fewer than two points, one is not finite or out of range, or the
            steps are not those of a pen, see `check_offsets`.
    """
    strokes = [np.asarray(stroke, np.float64) for stroke in strokes if len(stroke)]
    points = np.concatenate([np.zeros((0, 2)), *strokes])
    if len(points) < 2:
        raise ValueError(f"a sequence needs at least two points, found {len(points)}")
    check_points(points)
    return check_offsets(strokes_to_rows(strokes, y_down))


def strokes_to_rows(strokes: Sequence[np.ndarray], y_down: bool = False) -> np.ndarray:
    """Does what `to_offsets` does without its checks, on strokes of at least one point each."""
    points = np.concatenate(strokes)
    pen = np.zeros(len(points))
    pen[np.cumsum([len(stroke) for stroke in strokes]) - 1] = 1.0
    offsets = np.diff(points, axis=0) * (1.0, -1.0 if y_down else 1.0)
    return np.column_stack([offsets, pen[1:]]).astype(np.float32)


def to_strokes(x: np.ndarray) -> list[np.ndarray]:
    """The inverse of `to_offsets` with y up: float64 points `[n, 2]`, the first at the origin."""
    points = np.concatenate([np.zeros((1, 2)), np.cumsum(np.asarray(x, np.float64)[:, :2], axis=0)])
    lifts = np.flatnonzero(np.asarray(x)[:, 2] >= 0.5) + 2
    return [stroke for stroke in np.split(points, lifts) if len(stroke)]


def cut(points: np.ndarray, pen: np.ndarray) -> list[np.ndarray]:
    """Cuts points `[n, D]` into strokes, after each point whose pen `[n]` is 1.

    Raises:
        ValueError: if a pen is neither 0 nor 1.
    """
    check_pen(pen)
    return [stroke for stroke in np.split(points, np.flatnonzero(pen) + 1) if len(stroke)]


def rows_to_strokes(rows: np.ndarray) -> list[np.ndarray]:
    """Turns rows (dx, dy, pen) into strokes, whatever way y points; `to_strokes` with a check.

    A row moves the pen from where it was. The first row moves it from the origin, which is a point
    of ink. pen is 1 if the pen then lifts. sketch-rnn calls this stroke-3. Some files write the
    first point down as well: they start with a row of zeros, which is left out.

    Args:
        rows: `[T, 3]` numbers of any type.

    Returns:
        float64 points `[n, 2]` of each stroke, the first at the origin.

    Raises:
        ValueError: if the shape is another one, an offset is not finite or out of range, or a pen
            is neither 0 nor 1.
    """
    rows = np.asarray(rows)
    if rows.ndim != 2 or rows.shape[1] != 3 or rows.dtype.kind not in "biuf":
        raise ValueError(f"expected rows [T, 3] of numbers, found {rows.shape} of {rows.dtype}")
    check_points(rows[:, :2], "row")
    check_pen(rows[:, 2])
    if len(rows) and not rows[0].any():
        rows = rows[1:]
    return to_strokes(rows)


def check_pen(pen: np.ndarray) -> None:
    """Raises ValueError, naming the place, unless every pen is 0 or 1."""
    bad = np.flatnonzero(~np.isin(pen, (0, 1)))
    if len(bad):
        raise ValueError(f"pen {bad[0]} must be 0 or 1, found {pen[bad[0]]:g}")


def check_points(points: np.ndarray, what: str = "point") -> None:
    """Raises ValueError unless all coordinates `[n, 2]` are finite and within `MAX_COORDINATE`.

    Args:
        points: the coordinates.
        what: what the message calls a row of `points`.
    """
    points = np.asarray(points, np.float64)
    bad = np.flatnonzero(~(np.abs(points) <= MAX_COORDINATE).all(axis=1))  # NaN is not below either
    if len(bad):
        raise ValueError(
            f"{what} {bad[0]} must be finite and within {MAX_COORDINATE:g}, found {points[bad[0]]}"
        )


def check_offsets(x: np.ndarray) -> np.ndarray:
    """Returns x `[T, 3]` if a pen can have written it.

    Raises:
        ValueError: if x is empty, not finite, never moves, its pen is not 0 or 1, or a step is more
            than `MAX_JUMP` times the median one.
    """
    if not len(x) or not np.isfinite(x).all():
        raise ValueError("offsets must be finite, at least one of them")
    check_pen(x[:, 2])
    steps = np.hypot(x[:, 0], x[:, 1])
    moved = steps[steps > 0]
    if not len(moved):
        raise ValueError("the pen never moves")
    if moved.max() > MAX_JUMP * np.median(moved):
        raise ValueError(
            f"step {int(steps.argmax())} is {moved.max():g} long, the median {np.median(moved):g}"
        )
    return x
