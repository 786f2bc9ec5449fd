"""The hands of writers."""

from __future__ import annotations

import dataclasses

import numpy as np

from .fonts import FONT_FACTS


@dataclasses.dataclass(frozen=True)
class Hand:
    """The constant traits of a writer. Lengths are in x-heights.

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


def draw_hand(rng: np.random.Generator, fonts: tuple[str, ...]) -> Hand:
    """Draws the traits of a writer, who has one of the fonts."""
    font = fonts[rng.integers(len(fonts))]
    joined = FONT_FACTS[font].joined
    return Hand(
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
