"""Handwriting made from stroke fonts: the built-in data set, without network or data files.

Simulated writers write short phrases of common English words with the single-stroke Hershey fonts,
as an electronic whiteboard would record them. Each writer has a hand of their own (joined script or
print, slant, size, spacing, tremor, speed, a drifting baseline), and no two letters of a writer are
alike. The pen moves as hands do: it starts and stops with minimum jerk and slows in bends by the
two-thirds power law. It is sampled at equal steps of time, so points are dense where it is slow.
`synthesis` holds the fonts, the hands, the phrases, the layout and the motion.

The format is that of IAM-OnDB: `x [T, 3]` float32 with columns (dx, dy, pen). Row t moves the pen
by (dx, dy) from where it was; `pen` is 1 if the point reached is the last of its stroke, else 0.
The row after a pen of 1 is the jump to the next stroke. The line starts at the origin with the pen
down, and its last row has pen 1. The unit is that of a whiteboard: a lower-case x is about 100
high. y points up. A typical offset is 10 to 60 units long.

A line is a pure function of (options, index). Any process can read any part of the stream, in any
order.

This is what is not realistic. Every writer knows the same two alphabets, so there are no
allographs, spelling mistakes or corrections, and no ligatures but the join of neighbours. The
traits of a hand are drawn one by one from uniform ranges rather than from people. The words follow
no grammar. The shape of a letter depends on its neighbours only where they join. There is no noise
of a sensor, and no sample is dropped.

The fonts are Dr. A. V. Hershey's (National Bureau of Standards). The package Hershey-Fonts (MIT
licence) holds them.

References:
    Flash and Hogan 1985, The coordination of arm movements (minimum jerk).
    Lacquaniti, Terzuolo and Viviani 1983, The law relating kinematic and figural aspects of drawing
    movements (the two-thirds power law: speed falls as curvature ** (-1/3)).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vrnn_tf import __version__
from vrnn_tf.media import Strokes
from vrnn_tf.validation import check_choice, check_integer, check_number

from .. import store
from . import Splits
from .formats.offsets import strokes_to_rows
from .synthesis.fonts import FONT_FACTS, FONTS
from .synthesis.hands import Hand, draw_hand
from .synthesis.layout import deform, lay_out
from .synthesis.motion import write
from .synthesis.phrases import compose_phrase

UNITS = "whiteboard units: a lower-case x is about 100 high, y up"
MAX_WORDS = 1_000  # of a line
MAX_POINTS_PER_LETTER = 1_000.0
MAX_LINES = 10_000_000  # of a split, which takes hours to draw
MIN_POINTS_PER_LETTER = 4.0  # with fewer, letters cannot be told apart


@dataclasses.dataclass(frozen=True, eq=False)
class Line:
    """One written line.

    Attributes:
        x: `[T, 3]` float32, columns (dx, dy, pen), in whiteboard units with y up; see the module.
        text: What is written.
        writer: The number of the writer, in `[0, num_writers)`.
    """

    x: np.ndarray
    text: str
    writer: int


@dataclasses.dataclass(frozen=True)
class SyntheticHandwriting:
    """An endless, indexable stream of handwritten lines.

    Args:
        seed: Seed of the writers and of the lines, at least 0.
        num_writers: Number of different hands, at least 1. A writer's hand depends on `seed` and
            `fonts` only, so more writers leave the first ones as they are.
        min_words: Fewest words in a line, at least 1.
        max_words: Most words in a line, at least `min_words`.
        points_per_letter: Mean number of points a letter takes, at least 4. Fast and slow writers
            differ from it by about a fifth.
        fonts: The alphabets to write with, from `FONTS`: "scripts" is joined, "rowmans" is print.
            Each writer has one, drawn uniformly.

    Raises:
        ValueError: If an option is out of its range or a font is unknown.

    Example:
        >>> line = SyntheticHandwriting(seed=1).line(0)
        >>> line.x.shape[1], float(line.x[-1, 2])
        (3, 1.0)
    """

    seed: int = 0
    num_writers: int = 64
    min_words: int = 2
    max_words: int = 4
    points_per_letter: float = 16.0
    fonts: tuple[str, ...] = FONTS

    def __post_init__(self):
        check_integer("seed", self.seed, 0)
        check_integer("num_writers", self.num_writers, 1)
        check_integer("min_words", self.min_words, 1)
        check_integer("max_words", self.max_words, self.min_words)
        check_number("points_per_letter", self.points_per_letter, minimum=MIN_POINTS_PER_LETTER)
        for name, most in (("max_words", MAX_WORDS), ("points_per_letter", MAX_POINTS_PER_LETTER)):
            if getattr(self, name) > most:
                raise ValueError(
                    f"`{name}` must be at most {most}. Received {getattr(self, name)!r}."
                )
        if not isinstance(self.fonts, tuple | list) or not self.fonts:
            raise ValueError(
                f"`fonts` must be a non-empty tuple of font names. Received {self.fonts!r}. "
                f'Pass for example fonts=("{FONTS[0]}",).'
            )
        for name in self.fonts:
            check_choice("fonts", name, FONTS)
        object.__setattr__(self, "fonts", tuple(self.fonts))  # a list would not be hashable

    def line(self, index: int) -> Line:
        """Returns line `index`, at least 0; a pure function of the options and `index`.

        Raises:
            ValueError: If `index` is negative or not an integer.
        """
        check_integer("index", index, 0)
        rng = _generator(self.seed, _LINE_STREAM, index)
        writer = int(rng.integers(self.num_writers))
        hand = _draw_hand(self.seed, writer, self.fonts)
        text = compose_phrase(rng, self.min_words, self.max_words)
        time_step = hand.speed * FONT_FACTS[hand.font].letter_time / self.points_per_letter
        strokes = [write(path, hand, time_step, rng) for path in lay_out(text, hand, rng)]
        return Line(strokes_to_rows(deform(strokes, hand, rng)), text, writer)

    def lines(self, start: int, stop: int) -> Iterator[Line]:
        """Yields the lines `start, ..., stop - 1`.

        Raises:
            ValueError: If `start` is negative or `stop` is below `start`.
        """
        check_integer("start", start, 0)
        check_integer("stop", stop, start)
        return map(self.line, range(start, stop))


# Writers and lines draw from different streams, so that neither depends on the other's count.
_LINE_STREAM, _HAND_STREAM = 0, 1


def _generator(seed: int, stream: int, index: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream, index])))


@functools.lru_cache(maxsize=4096)
def _draw_hand(seed: int, writer: int, fonts: tuple[str, ...]) -> Hand:
    return draw_hand(_generator(seed, _HAND_STREAM, writer), fonts)


def load(
    num_train: int,
    num_validation: int,
    seed: int,
    memory: float = math.inf,
    folder: Path | None = None,
    **options: Any,
) -> Splits:
    """Draws lines to train on and further lines to validate on. Both have the same writers.

    Args:
        num_train: how many lines to train on.
        num_validation: how many lines to validate on.
        seed: an integer >= 0.
        memory: how many bytes a split may take in memory.
        folder: where a split is kept that takes more; None to keep everything in memory.
        **options: the other fields of `SyntheticHandwriting`.

    Raises:
        ValueError: if an argument is out of range or an option is unknown.
    """
    for name, count in (("num_train", num_train), ("num_validation", num_validation)):
        if count > MAX_LINES:
            raise ValueError(f"`{name}` must be at most {MAX_LINES}. Received {count}.")
    stream = _make_stream({"seed": seed, **options})

    def draw(start: int, stop: int) -> Sequence[np.ndarray]:
        lines = (line.x for line in stream.lines(start, stop))
        if folder is None:
            return list(lines)
        key = repr((__version__, stream, start, stop))
        digest = hashlib.sha256(key.encode()).hexdigest()[:12]
        return store.collect(lines, memory, folder / f"sequences-{digest}")

    total = num_train + num_validation
    return Splits(draw(0, num_train), draw(num_train, total), [], Strokes(UNITS))


def _make_stream(options: Mapping[str, Any]) -> SyntheticHandwriting:
    names = [field.name for field in dataclasses.fields(SyntheticHandwriting)]
    for name in options:
        check_choice("option of synthetic_handwriting", name, names)
    return SyntheticHandwriting(**options)


class BuiltInHandwriting:
    """The data set as `datasets.get` gives it. It draws the lines when it is loaded."""

    name = "synthetic_handwriting"
    KIND = "strokes"
    SUMMARY = "The built-in data: handwriting made from stroke fonts, without network or files"
    CITATION = ""
    LICENSE = "Hershey fonts: free to use with attribution; package Hershey-Fonts: MIT."
    HOMEPAGE = ""
    LAYOUT = "There is nothing to fetch: the lines are drawn when they are needed."
    DOWNLOADS: dict[str, tuple[str, str]] = {}
    Options = SyntheticHandwriting

    @staticmethod
    def needs() -> str:
        """What a user has to bring, for people."""
        return "nothing"

    @classmethod
    def prepare(
        cls, data_dir=None, prepared_dir=None, strict=False, beam=None, **options
    ) -> BuiltInHandwriting:
        """Checks the arguments. There is nothing to prepare.

        Raises:
            ValueError: if `data_dir` or `beam` is given, or an option is unknown or out of range.
        """
        for name, value in {"data_dir": data_dir, "beam": beam}.items():
            if value is not None:
                raise ValueError(f"{cls.name} reads no files. Received {name}={str(value)!r}.")
        _make_stream(options)
        return cls()

    @classmethod
    def load(
        cls,
        num_train: int | None = None,
        num_validation: int | None = None,
        seed: int = 0,
        test: bool = False,
        data_dir: str | None = None,
        prepared_dir: str | None = None,
        strict: bool = False,
        memory: float = math.inf,
        **options: Any,
    ) -> Splits:
        """Draws the lines, see `load` of this module. There is no test split.

        Args:
            num_train: how many lines to train on; 10,000 if None.
            num_validation: how many further lines to validate on; 500 if None.
            seed: the seed of the writers and of the lines.
            test: not used.
            data_dir: must be None.
            prepared_dir: where a split is kept that takes more than `memory`;
                `$TFDS_DATA_DIR` or ~/tensorflow_datasets if None.
            strict: not used.
            memory: how many bytes a split may take in memory.
            **options: the fields of `SyntheticHandwriting`.

        Raises:
            ValueError: if an argument is out of range or an option is unknown.
        """
        cls.prepare(data_dir, prepared_dir, strict, **options)
        sizes = (num_train or 10_000, num_validation or 500)
        prepared = prepared_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
        folder = Path(prepared).expanduser() / cls.name
        return load(*sizes, **{"seed": seed, **options}, memory=memory, folder=folder)

    @staticmethod
    def facts() -> dict[str, Any]:
        """There is nothing to report of a preparation."""
        return {}
