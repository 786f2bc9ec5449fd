"""Handwriting made from stroke fonts: the built-in data set, without network or data files.

Short phrases of common English words are laid out with the single-stroke Hershey fonts and written
by simulated writers, the way an electronic whiteboard would record them. Each writer has a hand of
their own (joined script or print, slant, size, spacing, tremor, speed, a drifting baseline) and no
two letters of a writer are alike. The pen moves as hands do: it starts and stops with minimum jerk
and slows in bends by the two-thirds power law, and it is sampled at equal steps of time, so points
are dense where the pen is slow.

Format, that of IAM-OnDB: `x [T, 3]` float32 with columns (dx, dy, pen). Row t moves the pen by
(dx, dy) from where it was; `pen` is 1 if the point reached is the last of its stroke, else 0. The
row after a pen of 1 is the jump to the next stroke. The line starts at the origin with the pen
down, and its last row has pen 1. Unit: whiteboard units, in which a lower-case x is about 100 high;
y points up. A typical offset is 10 to 60 units long.

A line is a pure function of (options, index), so any part of the stream can be read, in any order
and from any process.

Not realistic: every writer knows the same two alphabets, so allographs, spelling mistakes,
corrections and ligatures beyond the plain join are missing; style is drawn trait by trait from
uniform ranges rather than from people; the words follow no grammar; letter shapes do not depend on
their neighbours except where they join; there is no sensor noise and no dropped sample.

The fonts are Dr. A. V. Hershey's (National Bureau of Standards), read from the package
Hershey-Fonts (MIT licence).

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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import HersheyFonts
import numpy as np

from vrnn_tf import __version__
from vrnn_tf.media import Strokes
from vrnn_tf.validation import check_choice, check_integer, check_number

from .. import store
from . import Splits

UNITS = "whiteboard units: a lower-case x is about 100 high, y up"

X_HEIGHT = 100.0  # whiteboard units, for a writer of size 1
MAX_WORDS = 1_000  # of a line
MAX_POINTS_PER_LETTER = 1_000.0
MAX_LINES = 10_000_000  # of a split; they take hours
MIN_POINTS_PER_LETTER = 4.0  # with fewer, letters cannot be told apart

# Of the package's fonts these two are single-stroke Latin hands ("cursive" and "futural" repeat
# their letters with other punctuation).
FONTS = ("scripts", "rowmans")


@dataclasses.dataclass(frozen=True)
class _FontFacts:
    """What the font file does not say; lengths in font units, y down as in the file.

    Attributes:
        x_line: Height at which a lower-case x ends; the baseline is at 9 in both fonts.
        joined: Whether neighbouring letters are joined.
        delayed: For a character, the stroke (its place in the file) that is written late: the dot
            of an i, the bar of a t.
        letter_time: Mean time to write a letter, in the unit of `_dwell`; measured over the
            word list, so that `points_per_letter` means what it says.
    """

    x_line: float
    joined: bool
    delayed: dict[str, int]
    letter_time: float


_BASELINE = 9.0
_FONT_FACTS = {
    "scripts": _FontFacts(0.0, True, {"i": 0, "j": 0, "t": 2, "x": 1}, 6.5),
    "rowmans": _FontFacts(-5.0, False, {"i": 0, "j": 0}, 5.0),
}

# The rest of this module measures length in x-heights, with y up and the baseline at 0.
_SAMPLE_STEP = 0.04  # spacing of the dense path that stands in for the continuous curve
_JOIN_GAP = 0.6  # a gap up to this is crossed with the pen down, in joined hands
_RETRACE_GAP = 0.12  # how far from a stem a stroke may start and still count as retracing it
_DOT_EXTENT = 0.25  # glyph strokes smaller than this are dots
_TREMOR_STEP = 0.3  # correlation length of the tremor
_RAMP = 0.5  # path length over which the pen gathers its speed
_STRAIGHT = 0.2  # curvature below which the pen runs no faster, 1 / x-height

_SHORT_WORDS = (
    "a an and are as at be but by can for from had has have he her him his if in into is it its me "
    "my no not of off on one or our out over she so than that the their them then there they this "
    "to up us was we were what when where which who will with you your"
)
_LONG_WORDS = (
    "about above across after again air all almost along also always animal answer any apple "
    "around ask autumn away baby back bag ball bank basket beach bear beautiful because bed "
    "before began begin behind best better between big bird black blue boat body book both "
    "bottle box boy branch bread break bridge bright bring brother brown build bus busy butter "
    "buy cabin cake call came camp candle car care carry castle cat catch cause change chair "
    "child choose church circle city class clean clear climb clock close cloud coat coffee cold "
    "colour come common cook cool copy corner could count country cousin cover cow cross crowd "
    "cup cut dance dark daughter day deep desk dinner doctor dog door down draw dream dress "
    "drink drive drop dry dust each early earth east easy eat edge egg eight empty end engine "
    "enjoy enough equal even evening ever every example exit explain eye face fact fall family "
    "far farm fast father feel few field fifty fill find finger finish fire first fish five fix "
    "floor flower fly follow food foot forest forget found four fox fresh friend front fruit "
    "full funny game garden gate gave gentle get girl give glad glass go gold good grass great "
    "green ground group grow guess guitar half hand happy hard hat head hear heart heavy help "
    "here high hill hold holiday home hope horse hot hour house how hundred hurry ice idea "
    "inside island jacket jam job join journey judge juice jump just keep key kind king kitchen "
    "knee knife know lake lamp land language large last late laugh law lazy leaf learn leave "
    "left lemon letter life light like line lion list listen little live long look lost loud "
    "love low lunch machine make man many map market may mean meet middle might milk mind minute "
    "mirror mix money month moon more morning most mother mountain mouth move much music must "
    "name narrow near neck need never new next nice night nine noise north nothing number ocean "
    "often old only open orange other page paint pair paper park part pass path pay peace pencil "
    "people perhaps piano picture piece place plan plant play please pocket point possible power "
    "pretty price pull push put quarter queen question quick quiet quite rabbit rain reach read "
    "ready real reason red rest rice rich right ring river road rock roof room rose round row "
    "run sad sail salt same sand save saw say school sea second see seem sell send seven shadow "
    "shape sharp ship shoe shop short should show side silver simple sing sister sit six size "
    "sky sleep slow small smile snow soap soft some son song soon sound south speak spend spoon "
    "sport spring square stand star start station stay step still stone stop story straight "
    "street strong student sugar summer sun sure swim table take talk tall tea teach tell ten "
    "test thank thing think third thought thousand three through time tired today together "
    "tomorrow took touch town train travel tree true try turn twelve two uncle under until use "
    "usual valley very village visit voice wait walk wall want warm wash watch water wave way "
    "wear weather week well west wet wheel while white why wide wild win wind window wine winter "
    "wish without woman wonder wood word work world would write wrong yard year yellow yes "
    "yesterday young zebra zero"
)
_SHORT_VOCABULARY, _LONG_VOCABULARY = _SHORT_WORDS.split(), _LONG_WORDS.split()


@dataclasses.dataclass(frozen=True, eq=False)
class Line:
    """One written line.

    Attributes:
        x: `[T, 3]` float32, columns (dx, dy, pen), in whiteboard units with y up; see the module.
        text: What is written.
        writer: Who wrote it, in `[0, num_writers)`.
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
            lie about a fifth to either side.
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
        text = _compose_text(rng, self.min_words, self.max_words)
        time_step = hand.speed * _FONT_FACTS[hand.font].letter_time / self.points_per_letter
        strokes = [_write(path, hand, time_step, rng) for path in _lay_out(text, hand, rng)]
        return Line(_to_offsets(_deform(strokes, hand, rng)), text, writer)

    def lines(self, start: int, stop: int) -> Iterator[Line]:
        """Yields the lines `start, ..., stop - 1`.

        Raises:
            ValueError: If `start` is negative or `stop` is below `start`.
        """
        check_integer("start", start, 0)
        check_integer("stop", stop, start)
        return map(self.line, range(start, stop))


# Writers and lines draw from streams of their own, so that neither depends on the other's count.
_LINE_STREAM, _HAND_STREAM = 0, 1


def _generator(seed: int, stream: int, index: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream, index])))


# --- Writers -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Hand:
    """The constant traits of a writer; lengths in x-heights.

    Attributes:
        font: Name of the alphabet.
        size: Factor on everything.
        aspect: Factor on widths.
        slant: Shear dx / dy added to that of the font.
        letter_spacing: Added between letters.
        word_spacing: Width of a blank.
        roundness: Standard deviation of the Gaussian that rounds the font's corners.
        tremor: Standard deviation of the pen's wander about the letter.
        irregularity: Standard deviation of the size, shear and height of letters.
        joining: Probability of running into round letters (a, c, d, ...) without lifting the pen.
        climb: Slope of the baseline.
        drift: Amplitude of the baseline's wave.
        speed: Path travelled in a time step, relative to the mean writer.
    """

    font: str
    size: float
    aspect: float
    slant: float
    letter_spacing: float
    word_spacing: float
    roundness: float
    tremor: float
    irregularity: float
    joining: float
    climb: float
    drift: float
    speed: float


@functools.lru_cache(maxsize=4096)
def _draw_hand(seed: int, writer: int, fonts: tuple[str, ...]) -> _Hand:
    rng = _generator(seed, _HAND_STREAM, writer)
    font = fonts[rng.integers(len(fonts))]
    joined = _FONT_FACTS[font].joined
    return _Hand(
        font=font,
        size=rng.uniform(0.8, 1.25),
        aspect=rng.uniform(0.8, 1.15),
        # The script font leans by itself, at about 0.33.
        slant=rng.uniform(-0.3, 0.2) if joined else rng.uniform(-0.1, 0.35),
        letter_spacing=rng.uniform(-0.05, 0.2) if joined else rng.uniform(-0.15, 0.1),
        word_spacing=rng.uniform(0.9, 1.5),
        roundness=rng.uniform(0.07, 0.14),
        tremor=rng.uniform(0.015, 0.05),
        irregularity=rng.uniform(0.03, 0.08),
        joining=rng.uniform(0.0, 1.0),
        climb=rng.uniform(-0.03, 0.03),
        drift=rng.uniform(0.0, 0.12),
        speed=rng.uniform(0.8, 1.2),
    )


# --- Text --------------------------------------------------------------------------------------


def _compose_text(rng: np.random.Generator, min_words: int, max_words: int) -> str:
    """Draws `min_words` to `max_words` words, at times with a capital, a comma or a full stop."""
    words = []
    for _ in range(rng.integers(min_words, max_words + 1)):
        vocabulary = _SHORT_VOCABULARY if rng.random() < 0.3 else _LONG_VOCABULARY
        words.append(vocabulary[rng.integers(len(vocabulary))])
    if rng.random() < 0.35:
        words[0] = words[0].capitalize()
    for i in range(len(words) - 1):
        if rng.random() < 0.1:
            words[i] += ","
    return " ".join(words) + ("." if rng.random() < 0.25 else "")


# --- Glyphs ------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Glyph:
    """A letter's pen paths, in x-heights with the left margin at x = 0 and the baseline at y = 0.

    Attributes:
        width: Distance to the next letter's left margin.
        strokes: Polylines `[n, 2]`, in writing order.
        delayed: Polylines `[n, 2]` written late: dots and bars.
        lead_in: In joined hands, for the letters that start on the far side of a round bowl, the
            polyline `[n, 2]` by which the pen gets there from the left: back along the bowl.
        joins: Whether neighbours may be joined to it.
    """

    width: float
    strokes: tuple[np.ndarray, ...]
    delayed: tuple[np.ndarray, ...]
    lead_in: np.ndarray | None
    joins: bool


_ROUND_LETTERS = "acdgoq"


@functools.cache
def _load_font(name: str) -> dict[str, _Glyph]:
    facts = _FONT_FACTS[name]
    hershey = HersheyFonts.HersheyFonts()
    hershey.load_default_font(name)
    scale = 1.0 / (_BASELINE - facts.x_line)
    glyphs = {}
    for char, glyph in hershey.all_glyphs.items():
        if not (char.isascii() and (char.isalpha() or char in ",. ")):
            continue
        origin = np.array([glyph.left_offset, _BASELINE])
        strokes = [(np.array(s) - origin) * (scale, -scale) for s in glyph.strokes]
        strokes = [_dot_to_dash(s) for s in strokes]
        delayed = [strokes.pop(facts.delayed[char])] if char in facts.delayed else []
        if facts.joined and char.islower():
            strokes = [np.concatenate(strokes)]  # what looks like lifts in the file are retraced
        else:
            strokes = _join_strokes(strokes)
        lead_in = None
        if facts.joined and char in _ROUND_LETTERS:
            lead_in = strokes[0][np.argmin(strokes[0][:, 0]) - 1 : 0 : -1]
        glyphs[char] = _Glyph(
            width=scale * glyph.char_width,
            strokes=tuple(strokes),
            delayed=tuple(delayed),
            lead_in=lead_in,
            joins=facts.joined and char.isalpha(),
        )
    return glyphs


def _dot_to_dash(stroke: np.ndarray) -> np.ndarray:
    """Replaces the font's little diamonds, which no one draws, by a dab of the pen."""
    if np.ptp(stroke, axis=0).max() > _DOT_EXTENT:
        return stroke
    return stroke.mean(axis=0) + np.array([[-0.02, 0.06], [0.02, -0.06]])


def _join_strokes(strokes: list[np.ndarray]) -> list[np.ndarray]:
    """Joins strokes that a writer makes without lifting the pen.

    These are strokes that start, or end, where the one before ended (the two halves of a v), and
    strokes that start on the straight stem just drawn (the arch of an n).
    """
    joined: list[np.ndarray] = []
    for stroke in strokes:
        if joined:
            end = joined[-1][-1]
            if np.array_equal(stroke[-1], end):
                stroke = stroke[::-1]
            if _distance_to_segment(stroke[0], joined[-1][-2], end) <= _RETRACE_GAP:
                joined[-1] = np.concatenate([joined[-1], stroke])
                continue
        joined.append(stroke)
    return joined


def _distance_to_segment(point: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    along = end - start
    fraction = np.clip((point - start) @ along / (along @ along), 0.0, 1.0)
    return float(np.linalg.norm(point - start - fraction * along))


# --- Layout ------------------------------------------------------------------------------------


def _lay_out(text: str, hand: _Hand, rng: np.random.Generator) -> list[np.ndarray]:
    """Sets `text` as the polylines `[n, 2]` the pen follows, one a stroke, in x-heights."""
    font = _load_font(hand.font)
    strokes: list[np.ndarray] = []
    delayed: list[np.ndarray] = []
    x = 0.0
    pen_is_down = False
    for char in text:
        if char == " ":
            x += hand.word_spacing
            pen_is_down = False
        else:
            glyph = font[char]
            place = _letter_placer(x, hand, rng)
            first, *others = (place(stroke) for stroke in glyph.strokes)
            if glyph.lead_in is not None and pen_is_down and rng.random() < hand.joining:
                first = np.concatenate([place(glyph.lead_in), first])
            if pen_is_down and glyph.joins and _distance(strokes[-1][-1], first[0]) <= _JOIN_GAP:
                # The last point of a letter leads up to the join, too high for the foot of an e.
                before = strokes[-1][:-1] if char == "e" else strokes[-1]
                strokes[-1] = np.concatenate([before, first])
            else:
                strokes.append(first)
            strokes += others
            delayed += [place(stroke) for stroke in glyph.delayed]
            pen_is_down = glyph.joins
            x += hand.aspect * glyph.width + hand.letter_spacing
        if not pen_is_down:
            strokes += delayed
            delayed = []
    return strokes + delayed


def _letter_placer(
    x: float, hand: _Hand, rng: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the affine map, a little different each time, that puts a glyph at `x`."""
    width, height, shear, rise, advance = 1.0 + hand.irregularity * rng.standard_normal(5)
    linear = np.array([[hand.aspect * width, 0.0], [shear - 1.0, height]])
    shift = np.array([x + 0.5 * (advance - 1.0), rise - 1.0])
    return lambda points: points @ linear + shift


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.hypot(*(a - b)))


# --- Motion ------------------------------------------------------------------------------------


def _write(path: np.ndarray, hand: _Hand, time_step: float, rng: np.random.Generator) -> np.ndarray:
    """Moves the pen along a polyline `[n, 2]`; returns its places `[m, 2]` at equal time steps."""
    path = _resample(path)
    path = _smooth(path + _tremor(len(path), hand.tremor, rng), hand.roundness / _SAMPLE_STEP)
    time = np.concatenate([[0.0], np.cumsum(_dwell(path))])
    num_steps = max(1, round(time[-1] / time_step))
    ticks = np.linspace(0.0, time[-1], num_steps + 1)
    return np.stack([np.interp(ticks, time, path[:, i]) for i in range(2)], axis=1)


def _resample(path: np.ndarray) -> np.ndarray:
    """Returns points `[m, 2]`, `_SAMPLE_STEP` apart along the polyline `path` `[n, 2]`."""
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    stops = np.linspace(0.0, length[-1], max(2, round(length[-1] / _SAMPLE_STEP)) + 1)
    return np.stack([np.interp(stops, length, path[:, i]) for i in range(2)], axis=1)


def _tremor(num_points: int, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Returns slow noise `[num_points, 2]` of standard deviation about `scale`."""
    stride = _TREMOR_STEP / _SAMPLE_STEP
    knots = scale * rng.standard_normal((2, int(num_points / stride) + 2))
    places = np.arange(num_points) / stride
    return np.stack([np.interp(places, np.arange(k.size), k) for k in knots], axis=1)


def _smooth(path: np.ndarray, scale: float) -> np.ndarray:
    """Rounds corners of `path` `[n, 2]` by a Gaussian of `scale` samples; end points stay."""
    reach = min(int(3 * scale), len(path) - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / scale) ** 2)
    kernel /= kernel.sum()
    # Reflecting through the end points makes the padded path odd about them: they do not move.
    head = 2 * path[0] - path[reach:0:-1]
    tail = 2 * path[-1] - path[-2 : -reach - 2 : -1]
    padded = np.concatenate([head, path, tail])
    return np.stack([np.convolve(padded[:, i], kernel, mode="valid") for i in range(2)], axis=1)


def _dwell(path: np.ndarray) -> np.ndarray:
    """Returns the time `[n - 1]` the pen spends on each segment of the dense `path` `[n, 2]`.

    Speed is curvature ** (-1/3), the two-thirds power law. Near the ends of the stroke it falls
    with distance ** (2/3), which is how a minimum-jerk movement (distance ~ time ** 3) departs from
    rest. The unit of time is that in which a circle of radius 1 is written at speed 1.
    """
    segments = np.diff(path, axis=0)
    length = np.maximum(np.hypot(*segments.T), 1e-9)  # keeps the direction finite in a cusp
    direction = segments / length[:, None]
    turns = np.hypot(*np.diff(direction, axis=0).T)  # of unit vectors: also right when it reverses
    turns = np.concatenate([turns[:1], turns, turns[-1:]])
    curvature = (turns[:-1] + turns[1:]) / (2.0 * _SAMPLE_STEP)
    speed = np.maximum(curvature, _STRAIGHT) ** (-1.0 / 3.0)
    middle = np.cumsum(length) - 0.5 * length
    from_end = np.minimum(middle, length.sum() - middle)
    return length / (speed * np.minimum(1.0, from_end / _RAMP) ** (2.0 / 3.0))


# --- Line --------------------------------------------------------------------------------------


def _deform(strokes: list[np.ndarray], hand: _Hand, rng: np.random.Generator) -> list[np.ndarray]:
    """Slants the strokes `[n, 2]`, bends their baseline and scales them to whiteboard units."""
    wavelength, phase = rng.uniform(8.0, 25.0), rng.uniform(0.0, 2.0 * np.pi)
    deformed = []
    for stroke in strokes:
        x, y = stroke.T
        baseline = hand.climb * x + hand.drift * np.sin(2.0 * np.pi * x / wavelength + phase)
        deformed.append(X_HEIGHT * hand.size * np.stack([x + hand.slant * y, y + baseline], axis=1))
    return deformed


def _to_offsets(strokes: list[np.ndarray]) -> np.ndarray:
    """Turns strokes `[n, 2]` of absolute points into offsets and pen flags `[T, 3]` float32."""
    points = np.concatenate(strokes)
    pen = np.zeros(len(points))
    pen[np.cumsum([len(stroke) for stroke in strokes]) - 1] = 1.0
    return np.column_stack([np.diff(points, axis=0), pen[1:]]).astype(np.float32)


def load(
    num_train: int,
    num_validation: int,
    seed: int,
    memory: float = math.inf,
    folder: Path | None = None,
    **options: Any,
) -> Splits:
    """Training and validation lines; validation lines have writers in common with training.

    Args:
        num_train: how many lines to train on.
        num_validation: how many further lines to validate on.
        seed: an integer >= 0.
        memory: bytes that a split may take; a larger one is kept in `folder`.
        folder: for what is larger.
        **options: of `SyntheticHandwriting`.

    Raises:
        ValueError: if an option is unknown or out of range.
    """
    known = [field.name for field in dataclasses.fields(SyntheticHandwriting)]
    for name in options:
        check_choice("option of synthetic_handwriting", name, known)
    for name, count in (("num_train", num_train), ("num_validation", num_validation)):
        if count > MAX_LINES:
            raise ValueError(f"`{name}` must be at most {MAX_LINES}. Received {count}.")
    if isinstance(options.get("fonts"), list):
        options["fonts"] = tuple(options["fonts"])
    source = SyntheticHandwriting(seed=seed, **options)

    def draw(start: int, stop: int) -> Sequence[np.ndarray]:
        lines = (line.x for line in source.lines(start, stop))
        if folder is None:
            return list(lines)
        key = repr((__version__, source, start, stop))
        digest = hashlib.sha256(key.encode()).hexdigest()[:12]
        return store.collect(lines, memory, folder / f"sequences-{digest}")

    total = num_train + num_validation
    return Splits(draw(0, num_train), draw(num_train, total), [], Strokes(UNITS))


class BuiltIn:
    """The data set as `datasets.get` gives it: drawn when it is loaded, nothing to prepare."""

    name = "synthetic_handwriting"
    KIND = "strokes"
    SUMMARY = "the built-in data: handwriting made from stroke fonts, without network or files"
    CITATION = ""
    LICENSE = "Hershey fonts: free to use with attribution; package Hershey-Fonts: MIT."
    HOMEPAGE = ""
    LAYOUT = "Nothing to fetch: the lines are drawn when they are needed."
    DOWNLOADS: dict[str, tuple[str, str]] = {}
    Options = SyntheticHandwriting

    @classmethod
    def prepare(
        cls, data_dir=None, prepared_dir=None, strict=False, beam=None, **options
    ) -> BuiltIn:
        """Checks the arguments: there is nothing else to do.

        Raises:
            ValueError: if there is something to read or someone to read it, or an option is unknown
                or out of range.
        """
        for name, value in {"data_dir": data_dir, "beam": beam}.items():
            if value is not None:
                raise ValueError(f"{cls.name} reads no files. Received {name}={str(value)!r}.")
        load(0, 0, **{"seed": 0, **options})
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
        """As `load` of this module; 10,000 and 500 lines unless it is said otherwise.

        Raises:
            ValueError: as `prepare`.
        """
        cls.prepare(data_dir, prepared_dir, strict, **options)
        sizes = (num_train or 10_000, num_validation or 500)
        prepared = prepared_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
        folder = Path(prepared).expanduser() / cls.name
        return load(*sizes, **{"seed": seed, **options}, memory=memory, folder=folder)

    @staticmethod
    def facts() -> dict[str, Any]:
        return {}
