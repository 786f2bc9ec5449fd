"""Puts the letters of a line where they stand.

Unless something else is said, lengths are in x-heights, y points up and the baseline is at 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .fonts import load_font
from .hands import Hand

X_HEIGHT = 100.0  # whiteboard units, for a writer of size 1
_JOIN_GAP = 0.6  # a gap up to this is crossed with the pen down, in joined hands


def lay_out(text: str, hand: Hand, rng: np.random.Generator) -> list[np.ndarray]:
    """Sets `text` as polylines `[n, 2]` that the pen follows, one for each stroke."""
    font = load_font(hand.font)
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
    x: float, hand: Hand, rng: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the affine map that puts a glyph at `x`. It is a little different each time."""
    width, height, shear, rise, shift = 1.0 + hand.irregularity * rng.standard_normal(5)
    linear = np.array([[hand.aspect * width, 0.0], [shear - 1.0, height]])
    origin = np.array([x + 0.5 * (shift - 1.0), rise - 1.0])
    return lambda points: points @ linear + origin


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.hypot(*(a - b)))


def deform(strokes: list[np.ndarray], hand: Hand, rng: np.random.Generator) -> list[np.ndarray]:
    """Slants the strokes `[n, 2]`, bends their baseline and scales them to whiteboard units."""
    wavelength, phase = rng.uniform(8.0, 25.0), rng.uniform(0.0, 2.0 * np.pi)
    deformed = []
    for stroke in strokes:
        x, y = stroke.T
        baseline = hand.climb * x + hand.drift * np.sin(2.0 * np.pi * x / wavelength + phase)
        deformed.append(X_HEIGHT * hand.size * np.stack([x + hand.slant * y, y + baseline], axis=1))
    return deformed
