"""Text."""

from __future__ import annotations

import dataclasses

import numpy as np

from vrnn_tf import files
from vrnn_tf.media.medium import Medium, register


@register
@dataclasses.dataclass(frozen=True)
class Text(Medium):
    """Characters, x `[T, 1]`: their places in `charset`.

    Args:
        charset: every character once.

    Example:

    >>> from vrnn_tf import media
    >>> text = media.Text(charset="abn")
    >>> text.encode("banana").ravel().tolist()
    [1.0, 0.0, 2.0, 0.0, 2.0, 0.0]
    >>> text.decode(text.encode("banana"))
    'banana'
    """

    charset: str = ""

    kind = "text"
    suffixes = (".txt",)

    def __post_init__(self):
        if not isinstance(self.charset, str) or len(set(self.charset)) != len(self.charset):
            raise ValueError(f"`charset` must hold every character once. Received {self}.")
        if len(self.charset) < 2:
            raise ValueError(f"`charset` must hold at least two characters. Received {self}.")

    @property
    def event_size(self) -> int:
        return 1

    @property
    def units(self) -> str:
        return f"place in a set of {len(self.charset)} characters"

    def likelihood_arguments(self):
        return {"num_classes": len(self.charset)}

    def check(self, x):
        self.decode(x)

    def encode(self, text: str) -> np.ndarray:
        """Turns characters into float32 `[T, 1]`.

        Raises:
            ValueError: if a character is not in `charset`; names it.
        """
        place = {character: i for i, character in enumerate(self.charset)}
        try:
            return np.array([place[c] for c in text], np.float32).reshape(-1, 1)
        except KeyError as error:
            raise ValueError(
                f"The character {error} is not one of the {len(self.charset)} that the model "
                f"knows: {self.charset!r}. Leave it out."
            ) from None

    def decode(self, x: np.ndarray) -> str:
        """Turns places `[T, 1]` into characters; raises ValueError if a number is no place."""
        places = np.asarray(x).reshape(-1)
        if not np.isin(places, np.arange(len(self.charset))).all():
            raise ValueError(f"Characters must be whole numbers from 0 to {len(self.charset) - 1}.")
        return "".join(self.charset[int(i)] for i in places)

    def _save(self, path, sequences):
        with files.atomic(path) as temporary:
            divider = "\n\n" + "-" * 40 + "\n\n"
            text = divider.join(self.decode(x) for x in sequences) + "\n"
            temporary.write_text(text, encoding="utf-8")

    def plot(self, axes, x):
        for step, character in enumerate(self.decode(x)):
            axes.text(step, 0.5, repr(character)[1:-1], ha="center", fontsize=6)
        axes.set_xlim(0, max(len(x) - 1, 1))
        axes.set_axis_off()
