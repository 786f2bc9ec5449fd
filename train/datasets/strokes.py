"""A user's own handwriting: InkML, arrays and tables, in any mix."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vrnn_tf.validation import check_choice, check_number

from .builders.carving import carve, check_fraction
from .builders.pen import PenBuilder
from .builders.reading import Item
from .formats.ink import Ink
from .formats.ink_arrays import read_arrays
from .formats.ink_tables import read_table
from .formats.inkml import read_inkml
from .formats.offsets import to_offsets
from .sources.folders import files_with

_MOST_POINTS = 1_000_000  # of a stroke after resampling: more is a mistake in the unit of time


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


class StrokeFiles(PenBuilder):
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

    _last: tuple[Path | None, list[tuple[Ink, np.ndarray | ValueError]]] = (None, [])

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

    def _find_sound(self, paths: Sequence[Path], parent: Path) -> list[tuple[Item, Ink]]:
        """The sequences that can be read; the others are skipped here.

        What is carved for validation must not depend on what is malformed, and be sound.
        """
        sound: list[tuple[Item, Ink]] = []
        for path in paths:
            try:
                found = self._parse(path)
            except Exception as error:  # whatever a parser raises on a damaged file
                self.skip(path, "", error)
                continue
            for ink, x in found:
                if isinstance(x, ValueError):
                    self.skip(path, ink.name, x)
                else:
                    sound.append((Item(path, path.relative_to(parent).as_posix()), ink))
        if not sound:
            place, reason = next(iter(self.info.metadata["skipped"]["files"].items()))
            raise ValueError(
                f"Nothing could be read. The first of what is malformed: {place}: {reason}"
            )
        return sound

    def _assign(self, inks: Sequence[tuple[Item, Ink]]) -> list[str]:
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

    def _parse(self, path: Path) -> list[tuple[Ink, np.ndarray | ValueError]]:
        """What a file holds; the last one is remembered, for it may be read for each split."""
        if self._last[0] != path:
            readers = {".inkml": read_inkml, ".xml": read_inkml, ".npz": read_arrays}
            inks = readers.get(path.suffix.lower(), read_table)(path)
            found = [(ink._replace(strokes=list), self._try(ink)) for ink in inks]
            if not found:
                raise ValueError("holds no sequence")
            self._last = (path, found)
        return self._last[1]

    def _try(self, ink: Ink) -> np.ndarray | ValueError:
        try:
            return self._to_x(ink)
        except ValueError as error:
            return error

    def _to_x(self, ink: Ink) -> np.ndarray:
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
