"""Pen strokes."""

from __future__ import annotations

import dataclasses

import numpy as np

from vrnn_tf.media import drawing
from vrnn_tf.media.medium import Medium, register


@register
@dataclasses.dataclass(frozen=True)
class Strokes(Medium):
    """Pen strokes, x `[T, 3]`: (dx, dy, pen), y up; pen is 1 on the last point of a stroke.

    Args:
        unit: the unit of the offsets, for people.

    Example:

    >>> import numpy as np
    >>> from vrnn_tf import media
    >>> strokes = media.Strokes(unit="pixels")
    >>> x = np.array([[3, 4, 0], [5, -2, 1], [2, 2, 1]])
    >>> strokes.marks(x).tolist()  # where the pen lifts
    [1, 2]
    """

    unit: str = "units of the pen's recorder, y up"

    kind = "strokes"
    suffixes = (".png", ".svg")
    normalization = "paper"
    temperature = 0.5

    def __post_init__(self):
        if not isinstance(self.unit, str):
            raise ValueError(f"`unit` must be a text. Received {self.unit!r}.")

    @property
    def event_size(self) -> int:
        return 3

    @property
    def units(self) -> str:
        return self.unit

    @property
    def normalized_features(self) -> tuple[int, ...]:
        return (0, 1)

    def check(self, x):
        wrong = x[~np.isin(x[:, 2], (0, 1, 2)), 2]
        if wrong.size:
            raise ValueError(
                "The third column, pen, must be 0 or 1, or 2 at the end of a line. Received "
                f"{wrong[0]:g}."
            )

    def plot(self, axes, x):
        for stroke in drawing.to_polylines(x):
            axes.plot(*stroke.T, linewidth=0.8, color="black", solid_capstyle="round")
        axes.set_aspect("equal")
        axes.set_axis_off()

    def marks(self, x):
        return np.flatnonzero(x[:, 2] > 0.5)

    def _save(self, path, sequences):
        drawing.save(path, sequences)
