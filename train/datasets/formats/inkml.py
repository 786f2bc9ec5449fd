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

# One value in the text of a trace, see https://www.w3.org/TR/InkML/#trace.
_VALUE = re.compile(
    r"""(?P<mode>[!'"]?)\s?(?P<sign>-?)\s?  # the caller leaves single blanks
        (?:\#(?P<hex>[0-9A-Fa-f]+)|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))
        |(?P<other>[TF*?])""",
    re.VERBOSE,
)
_SECONDS = {"": 1e-3, "ms": 1e-3, "s": 1.0}  # in a unit of the channel T


class _TraceFormat(NamedTuple):
    """How the text of a trace is read.

    Attributes:
        places: where X, Y and, if its unit is known, T stand among the values of a point.
        factors: what the values at these places are multiplied by.
        size: how many values each point has at least; intermittent channels may follow.
        y_down: whether y grows downwards.
    """

    places: list[int]
    factors: list[float]
    size: int
    y_down: bool


def read_inkml(path: Path) -> Iterator[Ink]:
    """Reads the sequence of an InkML file.

    Raises:
        ValueError: if it is no InkML, or its channels are not those of handwriting.
        xml.etree.ElementTree.ParseError: if it is no XML.
    """
    root = ET.parse(path).getroot()
    if _tag(root) != "ink":
        raise ValueError(f"is not InkML: its root is {_tag(root)!r}, not 'ink'")
    notes = {note.get("type", ""): note.text or "" for note in root if _tag(note) == "annotation"}
    traces = [
        element
        for child in root
        if _tag(child) != "definitions"  # a trace there is not drawn until something refers to it
        for element in child.iter()
        if _tag(element) == "trace"
    ]
    form = _find_format(root)
    strokes = functools.partial(_trace_strokes, traces, form)
    text, writer = notes.get("truth", "").strip(), notes.get("writer", "").strip()
    yield Ink("", strokes, form.y_down, text, writer)


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]  # without its namespace


def _find_format(root: ET.Element) -> _TraceFormat:
    """The format that the file declares; X and Y alone if it declares none."""
    formats = {_channels(element) for element in root.iterfind(".//{*}traceFormat")}
    if len(formats) > 1:
        raise ValueError("declares several traceFormats, of which only one is read; split the file")
    channels = next(iter(formats), ()) or (("X", "+ve", ""), ("Y", "+ve", ""))
    names = [name for name, _, _ in channels]
    if names.count("X") != 1 or names.count("Y") != 1:
        raise ValueError(f"must have the channels X and Y once, found {names}")
    x, y = names.index("X"), names.index("Y")
    if channels[x][1] == "-ve":
        raise ValueError("x grows to the left, which is not read; turn it round")
    form = _TraceFormat([x, y], [1.0, 1.0], len(channels), channels[y][1] != "-ve")
    if "T" in names and channels[names.index("T")][2] in _SECONDS:
        form.places.append(names.index("T"))
        form.factors.append(_SECONDS[channels[names.index("T")][2]])
    return form


def _channels(trace_format: ET.Element) -> tuple[tuple[str, str, str], ...]:
    """The name, the orientation and the unit of each regular channel."""
    return tuple(
        (channel.get("name", ""), channel.get("orientation", "+ve"), channel.get("units", ""))
        for path in ("{*}channel", "{*}regularChannels/{*}channel")
        for channel in trace_format.iterfind(path)
    )


def _trace_strokes(traces: Sequence[ET.Element], form: _TraceFormat) -> list[np.ndarray]:
    strokes: list[np.ndarray] = []
    for number, trace in enumerate(traces, 1):
        kind = trace.get("type", "penDown")
        if kind == "penUp":
            continue
        if kind != "penDown" or trace.get("continuation"):
            raise ValueError(f"trace {number} is {kind} or continued, which is not read; join it")
        try:
            points = _trace_points(trace.text or "", form)
        except ValueError as error:
            raise ValueError(f"trace {number}: {error}") from None
        if len(points) and points.shape[1] == 3:  # each trace may count from its beginning
            points[:, 2] += (strokes[-1][-1, 2] if strokes else 0.0) - points[0, 2]
        if len(points):
            strokes.append(points)
    return strokes


def _trace_points(text: str, form: _TraceFormat) -> np.ndarray:
    points = " ".join(text.split()).split(",")
    if not points[-1].strip():
        points.pop()
    rows = []
    for number, point in enumerate(points):
        if _VALUE.sub("", point).strip():
            raise ValueError(f"point {number} is not a list of values: {point!r:.40}")
        rows.append(list(_VALUE.finditer(point)))
        if len(rows[-1]) < form.size:
            raise ValueError(f"point {number} has {len(rows[-1])} of {form.size} values")
    columns = [_decode([row[place] for row in rows]) for place in form.places]
    return np.stack(columns, axis=1) * form.factors


def _decode(values: Iterable[re.Match[str]]) -> np.ndarray:
    """Decodes one channel of a trace: values (!), differences (') and second differences (").

    A value without a mark has the mark of the value before it. An asterisk repeats the number that
    was written before it. Whatever else is not a number becomes NaN.
    """
    mode, number = "!", np.nan
    decoded: list[float] = []
    for match in values:
        if match["other"] is None:
            mode = match["mode"] or mode
            size = float(int(match["hex"], 16)) if match["hex"] else float(match["number"])
            number = -size if match["sign"] else size
        elif match["other"] != "*":
            number = np.nan
        if len(decoded) < "!'\"".index(mode):
            raise ValueError(f"point {len(decoded)} is a difference from a point that is not there")
        if mode == "!":
            decoded.append(number)
        elif mode == "'":
            decoded.append(decoded[-1] + number)
        else:
            decoded.append(2 * decoded[-1] - decoded[-2] + number)
    return np.array(decoded)
