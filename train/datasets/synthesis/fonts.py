"""The letters of the stroke fonts.

Unless something else is said, lengths are in x-heights, y points up and the baseline is at 0.
"""

from __future__ import annotations

import dataclasses
import functools

import HersheyFonts
import numpy as np

# The fonts of the package that are single-stroke Latin hands. "cursive" and "futural" are too, but
# they repeat the letters of these two with other punctuation.
FONTS = ("scripts", "rowmans")


@dataclasses.dataclass(frozen=True)
class FontFacts:
    """What the font file does not say. Lengths are in font units, with y down as in the file.

    Attributes:
        x_line: Height at which a lower-case x ends. The baseline is at 9 in both fonts.
        joined: Whether neighbouring letters are joined.
        delayed: The place in the file of the stroke of a character that is written late: the dot
            of an i, the bar of a t.
        letter_time: Mean time to write a letter, in the unit of `motion._dwell`. It was measured
            over the word list, so that `points_per_letter` means what it says.
    """

    x_line: float
    joined: bool
    delayed: dict[str, int]
    letter_time: float


_BASELINE = 9.0  # in font units
FONT_FACTS = {
    "scripts": FontFacts(0.0, True, {"i": 0, "j": 0, "t": 2, "x": 1}, 6.5),
    "rowmans": FontFacts(-5.0, False, {"i": 0, "j": 0}, 5.0),
}
_RETRACE_GAP = 0.12  # how far from a stem a stroke may start and still count as retracing it
_DOT_EXTENT = 0.25  # glyph strokes smaller than this are dots
_ROUND_LETTERS = "acdgoq"


@dataclasses.dataclass(frozen=True)
class Glyph:
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


@functools.cache
def load_font(name: str) -> dict[str, Glyph]:
    """The glyphs of the letters, the comma, the full stop and the blank of a font."""
    facts = FONT_FACTS[name]
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
            strokes = [np.concatenate(strokes)]  # where the file lifts the pen, a writer retraces
        else:
            strokes = _join_strokes(strokes)
        lead_in = None
        if facts.joined and char in _ROUND_LETTERS:
            lead_in = strokes[0][np.argmin(strokes[0][:, 0]) - 1 : 0 : -1]
        glyphs[char] = Glyph(
            width=scale * glyph.char_width,
            strokes=tuple(strokes),
            delayed=tuple(delayed),
            lead_in=lead_in,
            joins=facts.joined and char.isalpha(),
        )
    return glyphs


def _dot_to_dash(stroke: np.ndarray) -> np.ndarray:
    """Replaces a dot, which the font draws as a little diamond, by a dab of the pen."""
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
