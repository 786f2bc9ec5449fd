"""Reads handwriting from text files whose values are divided by commas, semicolons or tabs."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from .ink import LABELS, Ink, check_labels, cut_points

Row = tuple[int, list[str]]  # the number of the line, and its values


def read_table(path: Path) -> Iterator[Ink]:
    """Reads the sequences of a table, whose columns `strokes.StrokeFiles` describes.

    Raises:
        ValueError: if the file is not UTF-8, its header or a line is malformed, or the rows of a
            sequence do not stand together.
    """
    header, rows = _read_rows(path)
    places = {name: i for i, name in enumerate(header)}

    def value(row: Row, name: str) -> str:
        return row[1][places[name]] if name in places else ""

    names: set[str] = set()
    for name, group in groupby(rows, lambda row: value(row, "sequence")):
        part = list(group)
        if name in names:
            raise ValueError(f"sequence {name!r} begins again in line {part[0][0]}")
        names.add(name)
        labels = check_labels({label: value(part[0], label) for label in LABELS})
        yield Ink(name, functools.partial(_table_strokes, part, places), False, **labels)


def _read_rows(path: Path) -> tuple[list[str], list[Row]]:
    """The names in the header, and the rows below it."""
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    first_line = content.partition("\n")[0]
    delimiter = next((mark for mark in "\t;" if mark in first_line), ",")
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter)
    header = [name.strip().lower() for name in next(reader, [])]
    for name in ("x", "y", "pen"):
        if header.count(name) != 1:
            raise ValueError(f"the header must name x, y and pen once, found {header[:10]}")
    rows = []
    for row in filter(None, reader):
        if len(row) != len(header):
            raise ValueError(f"line {reader.line_num} has {len(row)} of {len(header)} values")
        rows.append((reader.line_num, row))
    return header, rows


def _table_strokes(rows: Sequence[Row], places: Mapping[str, int]) -> list[np.ndarray]:
    """The strokes of a sequence; `places` says in which column a name stands."""
    names = [name for name in ("x", "y", "pen", "t") if name in places]
    labels = [places[name] for name in LABELS if name in places]
    columns = np.zeros((len(rows), len(names)))
    for i, (line, row) in enumerate(rows):
        if any(row[place] != rows[0][1][place] for place in labels):
            raise ValueError(f"line {line}: text, writer or split change within the sequence")
        for j, name in enumerate(names):
            try:
                columns[i, j] = float(row[places[name]])
            except ValueError:
                value = f"{row[places[name]]!r:.40}"
                raise ValueError(f"line {line}: {name} is no number: {value}") from None
    return cut_points(columns, None)
