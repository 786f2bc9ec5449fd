"""A user's own handwriting: InkML, arrays and tables, in any mix."""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vrnn_tf.validation import check_choice, check_number

from .builders.carving import carve, check_fraction
from .builders.pen import PenBuilder, cut, rows_to_strokes, to_offsets
from .builders.reading import Item
from .formats.object_arrays import read_npz
from .sources.folders import files_with

_SPLITS = {
    "train": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "test": "test",
}
_LABELS = ("text", "writer", "split")
_MOST_POINTS = 1_000_000  # of a stroke after resampling: more is a mistake in the unit of time
Arrays = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Options:
    """Choices for one's own handwriting.

    Args:
        y_axis: which way y grows in the files: "up", "down", or "auto": down in InkML (unless it
            says otherwise) and in sketch-rnn's arrays, up in the other files.
        points_per_second: resample each stroke to this many points a second, by straight lines
            between its points, its ends kept. Needs times. None: take the points as they are.
        validation_fraction: of the training sequences, if no file names a validation split.

    Raises:
        ValueError: if a value is out of range.
    """

    y_axis: str = "auto"
    points_per_second: float | None = None
    validation_fraction: float = 0.1

    def __post_init__(self):
        check_choice("y_axis", self.y_axis, ("auto", "up", "down"))
        if self.points_per_second is not None:
            check_number("points_per_second", self.points_per_second, 0.0, strict=True)
        check_fraction("validation_fraction", self.validation_fraction)


class _Ink(NamedTuple):
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


class OwnStrokes(PenBuilder):
    """One's own handwriting, from a folder or a single file.

    InkML (.inkml, or .xml with the root `ink`), one sequence a file: the points of every trace but
    those of type penUp, with the channels that `traceFormat` declares (X and Y if none does). y
    points down unless its channel has the orientation -ve. T is in ms unless its `units` are s.
    Annotations of the types "truth" and "writer" directly below the root are kept.

    .npz with train, valid, test (sketch-rnn's stroke-3; object arrays, or one plain array each):
    each sequence `[T, 3]` has rows (dx, dy, pen). A row moves the pen, at first from the origin,
    where there is ink; pen is 1 if it then lifts. A first row of zeros, which writes down where the
    pen starts, does not count. y points down. The splits are kept.

    .npz with flat arrays: all sequences one after the other, `length [N]` has the number of rows of
    each; without it there is one sequence. y points up. It holds either

    - x, y, pen: points; pen is 1 on the last point of a stroke. Optional t, in seconds.
    - x `[sum T, 3]`: rows (dx, dy, pen) as above, as `vrnn generate --out FILE.npz` writes them. A
      pen of 2 in a last row, which ends the sequence, is read as 1.
    - dxy `[sum T, 2]` and pen_up: the same rows in two arrays.

    and optionally, each `[N]`: text, writer, split (train, valid, test), points_per_second.

    Tables (.csv, .tsv, .txt; UTF-8; comma, semicolon or tab): a header names x, y, pen and, if they
    are known, t (seconds), sequence, text, writer, split; other columns do not matter. A row is a
    point, pen is 1 on the last point of a stroke. The rows of a sequence stand together; without
    that column there is one sequence.

    What is written last ends a stroke, whatever its pen says. A dot that is written first becomes a
    step of length 0, so that its lift is not lost.

    Validation: the split of that name if a file has one; else whole writers are carved from the
    training sequences (where the writer is not known: whole files), or sequences if there is a
    single file. Sequences without a split are for training.
    """

    name = "strokes"
    SUMMARY = "Your own handwriting: InkML, .npz or .csv files"
    UNIT = "units of the files, y up"
    LICENSE = "That of your files."
    LAYOUT = """Put files of handwriting into a folder, in any mix and depth, or name a single file:

    DIR/anything.inkml     one sequence a file (also .xml)
    DIR/anything.npz       train, valid, test: sequences of offsets (dx, dy, pen), as sketch-rnn's;
                           or x, y, pen: points, with length, the number of points of each sequence;
                           or x [N, 3] or dxy and pen_up: offsets, with length
    DIR/anything.csv       a header x,y,pen and, if known, t,sequence,text,writer,split; points
                           (also .tsv, .txt; comma, semicolon or tab; decimals with a point)

pen is 1 on the last point of a stroke; t is in seconds.

"""
    SUFFIXES = (".inkml", ".xml", ".npz", ".csv", ".tsv", ".txt")
    Options = Options

    _last: tuple[Path | None, list[tuple[_Ink, np.ndarray | ValueError]]] = (None, [])

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        paths = [folder] if folder.is_file() else files_with(folder, self.SUFFIXES)
        if not paths or paths[0].suffix.lower() not in self.SUFFIXES:
            raise ValueError(
                f"{folder} must be or hold files that end in {self.SUFFIXES}. {self.help()}"
            )
        sound = self._find_sound(paths, folder.parent if folder.is_file() else folder)
        chosen: dict[str, dict[Item, set[str]]] = {}
        for (item, ink), split in zip(sound, self._assign(sound), strict=True):
            chosen.setdefault(split, {}).setdefault(item, set()).add(ink.name)
        return {
            split: [item._replace(details=names) for item, names in items.items()]
            for split, items in chosen.items()
        }

    def _find_sound(self, paths: Sequence[Path], parent: Path) -> list[tuple[Item, _Ink]]:
        """The sequences that can be read; the others are skipped here.

        What is carved for validation must not depend on what is malformed, and be sound.
        """
        sound: list[tuple[Item, _Ink]] = []
        for path in paths:
            try:
                found = self._parse(path)
            except Exception as error:  # whatever a parser raises on a damaged file
                self._skip(path, "", error)
                continue
            for ink, x in found:
                if isinstance(x, ValueError):
                    self._skip(path, ink.name, x)
                else:
                    sound.append((Item(path, path.relative_to(parent).as_posix()), ink))
        if not sound:
            place, reason = next(iter(self.info.metadata["skipped"]["files"].items()))
            raise ValueError(
                f"Nothing could be read. The first of what is malformed: {place}: {reason}"
            )
        return sound

    def _assign(self, inks: Sequence[tuple[Item, _Ink]]) -> list[str]:
        """The split of each sequence."""
        splits = [ink.split or "train" for _, ink in inks]
        if "validation" in splits or "train" not in splits:
            return splits
        writers = [
            ("writer", ink.writer) if ink.writer else ("file", item.name) for item, ink in inks
        ]
        files = [("file", item.name) for item, _ in inks]
        names = [(item.name, ink.name) for item, ink in inks]
        for groups in (writers, files, names):
            pairs = list(zip(groups, splits, strict=True))
            sizes = Counter(group for group, split in pairs if split == "train")
            if len(sizes) > 1:
                break
        carved = carve(sizes, self.options.validation_fraction)
        return ["validation" if s == "train" and g in carved else s for g, s in pairs]

    def read(self, item: Item) -> Iterator[tuple[str, dict[str, Any]]]:
        for ink, x in self._parse(item.path):
            if ink.name in item.details:
                yield ink.name, {"x": x, "text": ink.text, "writer": ink.writer}

    def _parse(self, path: Path) -> list[tuple[_Ink, np.ndarray | ValueError]]:
        """What a file holds; the last one is remembered, for it may be read for each split."""
        if self._last[0] != path:
            readers = {".inkml": _read_inkml, ".xml": _read_inkml, ".npz": _read_arrays}
            inks = readers.get(path.suffix.lower(), _read_table)(path)
            found = [(ink._replace(strokes=list), self._try(ink)) for ink in inks]
            if not found:
                raise ValueError("holds no sequence")
            self._last = (path, found)
        return self._last[1]

    def _try(self, ink: _Ink) -> np.ndarray | ValueError:
        try:
            return self._to_x(ink)
        except ValueError as error:
            return error

    def _to_x(self, ink: _Ink) -> np.ndarray:
        strokes = [stroke for stroke in ink.strokes() if len(stroke)]
        rate = self.options.points_per_second
        timed = bool(strokes) and strokes[0].shape[1] == 3
        if timed:
            _check_times(np.concatenate(strokes)[:, 2])
        if rate is not None:
            if not timed:
                raise ValueError("has no times, which points_per_second needs")
            strokes = [_resample(stroke, rate) for stroke in strokes]
        if len(strokes) > 1 and len(strokes[0]) == 1:
            strokes[0] = np.repeat(strokes[0], 2, axis=0)
        y_axis = self.options.y_axis
        y_down = ink.y_down if y_axis == "auto" else y_axis == "down"
        return to_offsets([stroke[:, :2] for stroke in strokes], y_down)


# --- time -----------------------------------------------------------------------------------------


def _check_times(t: np.ndarray) -> None:
    for i in np.flatnonzero(~np.isfinite(t))[:1]:
        raise ValueError(f"the time of point {i} is not finite")
    for i in np.flatnonzero(np.diff(t) < 0)[:1]:
        raise ValueError(f"time runs backwards at point {i + 1}: {t[i + 1]:g} s after {t[i]:g} s")


def _resample(stroke: np.ndarray, rate: float) -> np.ndarray:
    """Points `[n, 3]` (x, y, seconds), `rate` a second, with the first and the last of a stroke."""
    t = stroke[:, 2]
    if len(t) == 1:
        return stroke
    steps = max(round((t[-1] - t[0]) * rate), 1)
    if steps > _MOST_POINTS:
        raise ValueError(
            f"a stroke of {t[-1] - t[0]:g} s has more than {_MOST_POINTS} points at {rate:g} a "
            "second: is the time in seconds?"
        )
    times = np.linspace(t[0], t[-1], steps + 1)
    inner = [np.interp(times[1:-1], t, stroke[:, axis]) for axis in (0, 1)]
    return np.concatenate([stroke[:1], np.column_stack([*inner, times[1:-1]]), stroke[-1:]])


# --- .npz -----------------------------------------------------------------------------------------


def _read_arrays(path: Path) -> Iterator[_Ink]:
    arrays = read_npz(path)
    if any(key in arrays for key in _SPLITS):
        return _read_stroke3(arrays)
    if "dxy" in arrays:
        return _read_flat(arrays, ("dxy", "pen_up"), _row_strokes)
    if "y" in arrays:
        return _read_flat(arrays, ("x", "y", "pen", *(["t"] if "t" in arrays else [])), _cut_points)
    return _read_flat(arrays, ("x",), _row_strokes)


def _read_stroke3(arrays: Arrays) -> Iterator[_Ink]:
    for key in (key for key in _SPLITS if key in arrays):
        if isinstance(arrays[key], np.ndarray) and arrays[key].ndim != 3:
            raise ValueError(f"`{key}` must be [N, T, 3], found {arrays[key].shape}")
        for i, rows in enumerate(arrays[key]):
            strokes = functools.partial(rows_to_strokes, rows)
            yield _Ink(f"{key}/{i}", strokes, True, split=_SPLITS[key])


def _read_flat(
    arrays: Arrays, names: Iterable[str], make: Callable[..., list[np.ndarray]]
) -> Iterator[_Ink]:
    """Sequences of flat arrays; `make` gets the columns of each and its points per second."""
    columns = _columns(arrays, names)
    length = np.atleast_1d(arrays.get("length", len(columns)))
    if length.dtype.kind not in "iu" or length.ndim != 1 or (length < 0).any():
        raise ValueError(f"`length` must hold numbers of rows, found {length.dtype} {length.shape}")
    if sum(map(int, length)) != len(columns):
        raise ValueError(
            f"`length` adds up to {sum(map(int, length))}, but rows are {len(columns)}"
        )
    labels = {name: _labels(arrays, name, len(length)) for name in _LABELS}
    rates = _rates(arrays, len(length))
    for i, end in enumerate(np.cumsum(length)):
        part = columns[end - length[i] : end]
        label = {name: values[i] for name, values in labels.items()}
        yield _Ink(str(i), functools.partial(make, part, rates[i]), False, **_checked(label))


def _columns(arrays: Arrays, names: Iterable[str]) -> np.ndarray:
    """float64 `[N, 3]` or, with times, `[N, 4]`, of arrays `[N]` or `[N, D]`."""
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
    if len(rows) and rows[-1, 2] == 2:
        rows = np.concatenate([rows[:-1], [[*rows[-1, :2], 1.0]]])
    strokes = rows_to_strokes(rows)
    if rate is None:
        return strokes
    ends = np.cumsum([len(stroke) for stroke in strokes])
    times = np.split(np.arange(ends[-1]) / rate, ends[:-1])
    return [np.column_stack(pair) for pair in zip(strokes, times, strict=True)]


def _cut_points(columns: np.ndarray, rate: float | None) -> list[np.ndarray]:
    """Of columns x, y, pen and perhaps t."""
    if rate is not None and columns.shape[1] == 3:
        columns = np.column_stack([columns, np.arange(len(columns)) / rate])
    return cut(np.delete(columns, 2, axis=1), columns[:, 2])


def _rates(arrays: Arrays, count: int) -> list[float | None]:
    if "points_per_second" not in arrays:
        return [None] * count
    rates = np.broadcast_to(arrays["points_per_second"], (count,)).astype(np.float64)
    if not (np.isfinite(rates) & (rates > 0)).all():
        raise ValueError("`points_per_second` must be above 0")
    return rates.tolist()


def _labels(arrays: Arrays, name: str, count: int) -> list[str]:
    if name not in arrays:
        return [""] * count
    values = np.atleast_1d(arrays[name])
    if values.shape != (count,) or values.dtype.kind not in "Uiu":
        raise ValueError(
            f"`{name}` must have a text for each of the {count} sequences, found {values.dtype} "
            f"{values.shape}"
        )
    return [str(value) for value in values]


def _checked(label: Mapping[str, str]) -> dict[str, str]:
    """Labels with the name of the split as it is here."""
    split = label["split"].strip().lower()
    if split and split not in _SPLITS:
        raise ValueError(f"split must be one of {list(_SPLITS)}, found {split!r}")
    return {**label, "split": _SPLITS.get(split, "")}


# --- tables ---------------------------------------------------------------------------------------


def _read_table(path: Path) -> Iterator[_Ink]:
    header, rows = _read_rows(path)
    places = {name: i for i, name in enumerate(header)}

    def value(row: tuple[int, list[str]], name: str) -> str:
        return row[1][places[name]] if name in places else ""

    names: set[str] = set()
    for name, group in groupby(rows, lambda row: value(row, "sequence")):
        part = list(group)
        if name in names:
            raise ValueError(f"sequence {name!r} begins again in line {part[0][0]}")
        names.add(name)
        label = _checked({key: value(part[0], key) for key in _LABELS})
        yield _Ink(name, functools.partial(_table_strokes, part, places), False, **label)


def _read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and the number and the values of each line below it."""
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


def _table_strokes(
    rows: Sequence[tuple[int, list[str]]], places: Mapping[str, int]
) -> list[np.ndarray]:
    names = [name for name in ("x", "y", "pen", "t") if name in places]
    labels = [places[name] for name in _LABELS if name in places]
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
    return _cut_points(columns, None)


# --- InkML ----------------------------------------------------------------------------------------

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


def _read_inkml(path: Path) -> Iterator[_Ink]:
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
    yield _Ink("", strokes, shape.y_down, text, writer)


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
