"""Reads handwriting from the arrays of .npz files."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .ink import LABELS, SPLITS, Ink, check_labels, cut_points
from .npz import read_npz
from .offsets import rows_to_strokes

Arrays = Mapping[str, Any]


def read_arrays(path: Path) -> Iterator[Ink]:
    """Reads the sequences of an .npz file, whose arrays `strokes.StrokeFiles` describes.

    Raises:
        ValueError: if the file is damaged, or its arrays are not those of handwriting.
    """
    arrays = read_npz(path)
    if any(key in arrays for key in SPLITS):
        return _read_stroke3(arrays)
    if "dxy" in arrays:
        return _read_flat(arrays, ("dxy", "pen_up"), _row_strokes)
    if "y" in arrays:
        return _read_flat(arrays, ("x", "y", "pen", *(["t"] if "t" in arrays else [])), cut_points)
    return _read_flat(arrays, ("x",), _row_strokes)


def _read_stroke3(arrays: Arrays) -> Iterator[Ink]:
    for key in (key for key in SPLITS if key in arrays):
        if isinstance(arrays[key], np.ndarray) and arrays[key].ndim != 3:
            raise ValueError(f"`{key}` must be [N, T, 3], found {arrays[key].shape}")
        for i, rows in enumerate(arrays[key]):
            strokes = functools.partial(rows_to_strokes, rows)
            yield Ink(f"{key}/{i}", strokes, True, split=SPLITS[key])


def _read_flat(
    arrays: Arrays, names: Iterable[str], make: Callable[..., list[np.ndarray]]
) -> Iterator[Ink]:
    """Reads arrays that hold all sequences one after the other.

    Args:
        arrays: the arrays of the file.
        names: the names of the arrays that are the columns.
        make: makes the strokes of a sequence from its columns and its points per second.
    """
    columns = _columns(arrays, names)
    length = np.atleast_1d(arrays.get("length", len(columns)))
    if length.dtype.kind not in "iu" or length.ndim != 1 or (length < 0).any():
        raise ValueError(f"`length` must hold numbers of rows, found {length.dtype} {length.shape}")
    if sum(map(int, length)) != len(columns):
        raise ValueError(
            f"`length` adds up to {sum(map(int, length))}, but rows are {len(columns)}"
        )
    labels = {name: _labels(arrays, name, len(length)) for name in LABELS}
    rates = _rates(arrays, len(length))
    for i, end in enumerate(np.cumsum(length)):
        part = columns[end - length[i] : end]
        named = check_labels({name: values[i] for name, values in labels.items()})
        yield Ink(str(i), functools.partial(make, part, rates[i]), False, **named)


def _columns(arrays: Arrays, names: Iterable[str]) -> np.ndarray:
    """Joins arrays `[N]` or `[N, D]` to columns, float64 `[N, 3]` or, with times, `[N, 4]`."""
    parts = []
    for name in names:
        part = arrays.get(name)
        if not isinstance(part, np.ndarray) or part.dtype.kind not in "biuf" or not part.ndim:
            raise ValueError(
                f"expected the numbers `{name}`, found {sorted(arrays)}; a file holds train, valid "
                "and test, or x, y and pen, or x [N, 3], or dxy and pen_up"
            )
        parts.append((part if part.ndim > 1 else part[:, None]).astype(np.float64))
    shapes = [part.shape for part in parts]
    if len({shape[0] for shape in shapes}) > 1 or sum(shape[1] for shape in shapes) not in (3, 4):
        raise ValueError(f"the arrays {tuple(names)} do not fit together: {shapes}")
    return np.concatenate(parts, axis=1)


def _row_strokes(rows: np.ndarray, rate: float | None) -> list[np.ndarray]:
    """Strokes of rows (dx, dy, pen), with times if the rate is known."""
    if len(rows) and rows[-1, 2] == 2:
        rows = np.concatenate([rows[:-1], [[*rows[-1, :2], 1.0]]])
    strokes = rows_to_strokes(rows)
    if rate is None:
        return strokes
    ends = np.cumsum([len(stroke) for stroke in strokes])
    times = np.split(np.arange(ends[-1]) / rate, ends[:-1])
    return [np.column_stack(pair) for pair in zip(strokes, times, strict=True)]


def _rates(arrays: Arrays, count: int) -> list[float | None]:
    """The points per second of each sequence; None where the file does not say."""
    if "points_per_second" not in arrays:
        return [None] * count
    rates = np.broadcast_to(arrays["points_per_second"], (count,)).astype(np.float64)
    if not (np.isfinite(rates) & (rates > 0)).all():
        raise ValueError("`points_per_second` must be above 0")
    return rates.tolist()


def _labels(arrays: Arrays, name: str, count: int) -> list[str]:
    """One label of each sequence; "" where the file does not say."""
    if name not in arrays:
        return [""] * count
    values = np.atleast_1d(arrays[name])
    if values.shape != (count,) or values.dtype.kind not in "Uiu":
        raise ValueError(
            f"`{name}` must have a text for each of the {count} sequences, found {values.dtype} "
            f"{values.shape}"
        )
    return [str(value) for value in values]
