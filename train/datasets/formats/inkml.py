"""Reads handwriting from InkML, https://www.w3.org/TR/InkML/."""

from __future__ import annotations

import functools
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .ink import Ink

# A value of a trace: https://www.w3.org/TR/InkML/#trace
_VALUE = re.compile(
    r"""(?P<mode>[!'"]?)\s?(?P<sign>-?)\s?  # runs of blanks are gone
        (?:\#(?P<hex>[0-9A-Fa-f]+)|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))
        |(?P<other>[TF*?])""",
    re.VERBOSE,
)
_SECONDS = {"": 1e-3, "ms": 1e-3, "s": 1.0}  # of the units of T


class _Format(NamedTuple):
    """Which channels a trace has.

    Attributes:
        places: of X, Y and, if its unit is known, T among the values of a point.
        factors: of the same.
        size: how many values each point has, without those of intermittent channels.
        y_down: whether y grows downwards.
    """

    places: list[int]
    factors: list[float]
    size: int
    y_down: bool


def read_inkml(path: Path) -> Iterator[Ink]:
    root = ET.parse(path).getroot()
    if _tag(root) != "ink":
        raise ValueError(f"is not InkML: its root is {_tag(root)!r}, not 'ink'")
    notes = {note.get("type", ""): note.text or "" for note in root if _tag(note) == "annotation"}
    traces = [
        element
        for child in root
        if _tag(child) != "definitions"  # what stands there is referred to, and not yet ink
        for element in child.iter()
        if _tag(element) == "trace"
    ]
    shape = _read_format(root)
    strokes = functools.partial(_trace_strokes, traces, shape)
    text, writer = notes.get("truth", "").strip(), notes.get("writer", "").strip()
    yield Ink("", strokes, shape.y_down, text, writer)


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]  # without its namespace


def _read_format(root: ET.Element) -> _Format:
    formats = {
        tuple(
            (channel.get("name", ""), channel.get("orientation", "+ve"), channel.get("units", ""))
            for path in ("{*}channel", "{*}regularChannels/{*}channel")
            for channel in element.iterfind(path)
        )
        for element in root.iterfind(".//{*}traceFormat")
    }
    if len(formats) > 1:
        raise ValueError("declares several traceFormats, of which only one is read; split the file")
    declared = next(iter(formats), ()) or (("X", "+ve", ""), ("Y", "+ve", ""))
    names = [name for name, _, _ in declared]
    if names.count("X") != 1 or names.count("Y") != 1:
        raise ValueError(f"must have the channels X and Y once, found {names}")
    x, y = names.index("X"), names.index("Y")
    if declared[x][1] == "-ve":
        raise ValueError("x grows to the left, which is not read; turn it round")
    result = _Format([x, y], [1.0, 1.0], len(declared), declared[y][1] != "-ve")
    if "T" in names and declared[names.index("T")][2] in _SECONDS:
        result.places.append(names.index("T"))
        result.factors.append(_SECONDS[declared[names.index("T")][2]])
    return result


def _trace_strokes(traces: Sequence[ET.Element], shape: _Format) -> list[np.ndarray]:
    strokes: list[np.ndarray] = []
    for number, trace in enumerate(traces, 1):
        kind = trace.get("type", "penDown")
        if kind == "penUp":
            continue
        if kind != "penDown" or trace.get("continuation"):
            raise ValueError(f"trace {number} is {kind} or continued, which is not read; join it")
        try:
            points = _trace_points(trace.text or "", shape)
        except ValueError as error:
            raise ValueError(f"trace {number}: {error}") from None
        if len(points) and points.shape[1] == 3:  # each may count from its own beginning
            points[:, 2] += (strokes[-1][-1, 2] if strokes else 0.0) - points[0, 2]
        if len(points):
            strokes.append(points)
    return strokes


def _trace_points(text: str, shape: _Format) -> np.ndarray:
    points = " ".join(text.split()).split(",")
    if not points[-1].strip():
        points.pop()
    rows = []
    for number, point in enumerate(points):
        if _VALUE.sub("", point).strip():
            raise ValueError(f"point {number} is not a list of values: {point!r:.40}")
        rows.append(list(_VALUE.finditer(point)))
        if len(rows[-1]) < shape.size:
            raise ValueError(f"point {number} has {len(rows[-1])} of {shape.size} values")
    columns = [_decode([row[place] for row in rows]) for place in shape.places]
    return np.stack(columns, axis=1) * shape.factors


def _decode(values: Iterable[re.Match[str]]) -> np.ndarray:
    """One channel of a trace: values, differences (') and second differences (").

    A value without a mark is of the kind of the one before; * repeats what was written there. What
    is not a number is NaN.
    """
    mode, number = "!", np.nan
    found: list[float] = []
    for match in values:
        if match["other"] is None:
            mode = match["mode"] or mode
            size = float(int(match["hex"], 16)) if match["hex"] else float(match["number"])
            number = -size if match["sign"] else size
        elif match["other"] != "*":
            number = np.nan
        if len(found) < "!'\"".index(mode):
            raise ValueError(f"point {len(found)} is a difference from a point that is not there")
        if mode == "!":
            found.append(number)
        elif mode == "'":
            found.append(found[-1] + number)
        else:
            found.append(2 * found[-1] - found[-2] + number)
    return np.array(found)
