"""The handwriting of a user: InkML, arrays and tables, in any mix."""

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

_MAX_POINTS = 1_000_000  # of a resampled stroke; more come from a mistake in the unit of time


@dataclasses.dataclass(frozen=True)
class Options:
    """Choices for the handwriting of a user.

    Args:
        y_axis: which way y grows in the files: "up", "down" or "auto". "auto" is down in InkML
            (unless the file says otherwise) and in sketch-rnn's arrays, and up in other files.
        points_per_second: to how many points a second each stroke is resampled, along straight
            lines between its points. Its two ends stay. The files must have times. None: the points
            are taken as they are.
        validation_fraction: which part of the training sequences is set aside for validation if no
            file names a validation split.

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
    """The handwriting of a user, from a folder or a single file.

    InkML (.inkml, or .xml with the root `ink`): a file is one sequence. It has the points of every
    trace but those of type penUp, with the channels that `traceFormat` declares (X and Y if it is
    not there). y points down unless its channel has the orientation -ve. T is in ms unless its
    `units` are s. Annotations of the types "truth" and "writer" directly below the root are kept.

    .npz with train, valid, test (sketch-rnn's stroke-3, each an object array or one array of
    numbers): each sequence `[T, 3]` has rows (dx, dy, pen). A row moves the pen. The first row
    moves it from the origin, where there is ink. pen is 1 if the pen then lifts. A first row of
    zeros says where the pen starts and does not count. y points down. The splits are kept.

    .npz with flat arrays: all sequences stand one after the other. `length [N]` has the number of
    rows of each; without it there is one sequence. y points up. The file holds either

    - x, y, pen: points; pen is 1 on the last point of a stroke. Optional t, in seconds.
    - x `[sum T, 3]`: rows (dx, dy, pen) as above, as `vrnn generate --out FILE.npz` writes them. A
      pen of 2 in the last row, which ends the sequence, is read as 1.
    - dxy `[sum T, 2]` and pen_up: the same rows in two arrays.

    and optionally, each `[N]`: text, writer, split (train, valid, test), points_per_second.

    Tables (.csv, .tsv, .txt; UTF-8; comma, semicolon or tab): a header names x, y, pen and, if they
    are known, t (seconds), sequence, text, writer, split. Other columns do not matter. A row is a
    point; pen is 1 on the last point of a stroke. The rows of a sequence stand together. Without
    the column "sequence" there is one sequence.

    The last point of a sequence ends a stroke, whatever its pen says. A dot that is written first
    becomes a step of length 0, so that its lift is not lost.

    Sequences without a split are for training. If a file has a validation split, that is used.
    Otherwise whole writers are carved from the training sequences. A file whose writer is not known
    counts as a writer. If everything is from one writer, whole files are carved; from a single
    file, sequences.
    """

    name = "strokes"
    SUMMARY = "Your own handwriting: InkML, .npz or .csv files"
    UNIT = "units of the files, y up"
    LICENSE = "The licence of your files."
    LAYOUT = """Put files of handwriting into a folder, mixed and at any depth, or name one file:

    DIR/anything.inkml     each file is one sequence (also .xml)
    DIR/anything.npz       sequences of offsets (dx, dy, pen) called train, valid, test, like those
                           of sketch-rnn; or points in arrays x, y, pen; or offsets in an array
                           x [N, 3] or in arrays dxy and pen_up. An array length has the number of
                           points or offsets of each sequence
    DIR/anything.csv       a header x,y,pen and, if known, t,sequence,text,writer,split; then a line
                           for each point (also .tsv, .txt; comma, semicolon or tab; decimals with a
                           point)

pen is 1 on the last point of a stroke. t is in seconds.

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
        names_in: dict[str, dict[Item, set[str]]] = {}  # names of sequences by split and file
        for (item, ink), split in zip(sound, self._assign_splits(sound), strict=True):
            names_in.setdefault(split, {}).setdefault(item, set()).add(ink.name)
        return {
            split: [item._replace(details=names) for item, names in items.items()]
            for split, items in names_in.items()
        }

    def _find_sound(self, paths: Sequence[Path], parent: Path) -> list[tuple[Item, Ink]]:
        """Returns the sequences that are sound, with their files, and skips the others.

        All files are read here, so that only sound sequences are carved for validation.
        """
        sound: list[tuple[Item, Ink]] = []
        for path in paths:
            try:
                sequences = self._parse(path)
            except Exception as error:  # whatever a parser raises on a damaged file
                self.skip(path, "", error)
                continue
            for ink, x in sequences:
                if isinstance(x, ValueError):
                    self.skip(path, ink.name, x)
                else:
                    sound.append((Item(path, path.relative_to(parent).as_posix()), ink))
        if not sound:
            place, reason = next(iter(self.info.metadata["skipped"]["files"].items()))
            raise ValueError(
                f"Nothing could be read. The first malformed file or sequence: {place}: {reason}"
            )
        return sound

    def _assign_splits(self, inks: Sequence[tuple[Item, Ink]]) -> list[str]:
        """Returns the split of each sequence."""
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
        """Returns the sequences of a file, each with its x or the reason why it has none.

        The last file is remembered, since each split may read it again.
        """
        if self._last[0] != path:
            readers = {".inkml": read_inkml, ".xml": read_inkml, ".npz": read_arrays}
            inks = readers.get(path.suffix.lower(), read_table)(path)
            sequences = [(ink._replace(strokes=list), self._try(ink)) for ink in inks]
            if not sequences:
                raise ValueError("holds no sequence")
            self._last = (path, sequences)
        return self._last[1]

    def _try(self, ink: Ink) -> np.ndarray | ValueError:
        try:
            return self._to_x(ink)
        except ValueError as error:
            return error

    def _to_x(self, ink: Ink) -> np.ndarray:
        """The offsets `[T, 3]` of a sequence, resampled if the user wants it."""
        strokes = [stroke for stroke in ink.strokes() if len(stroke)]
        rate = self.options.points_per_second
        has_times = bool(strokes) and strokes[0].shape[1] == 3
        if has_times:
            _check_times(np.concatenate(strokes)[:, 2])
        if rate is not None:
            if not has_times:
                raise ValueError("has no times, which points_per_second needs")
            strokes = [_resample(stroke, rate) for stroke in strokes]
        if len(strokes) > 1 and len(strokes[0]) == 1:  # a dot, which would run into the next stroke
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
    """Resamples points `[n, 3]` (x, y, seconds) to `rate` points a second. The ends stay."""
    t = stroke[:, 2]
    if len(t) == 1:
        return stroke
    steps = max(round((t[-1] - t[0]) * rate), 1)
    if steps > _MAX_POINTS:
        raise ValueError(
            f"a stroke of {t[-1] - t[0]:g} s has more than {_MAX_POINTS} points at {rate:g} a "
            "second: is the time in seconds?"
        )
    times = np.linspace(t[0], t[-1], steps + 1)
    inner = [np.interp(times[1:-1], t, stroke[:, axis]) for axis in (0, 1)]
    return np.concatenate([stroke[:1], np.column_stack([*inner, times[1:-1]]), stroke[-1:]])
