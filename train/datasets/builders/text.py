"""The parent of data sets of characters."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from vrnn_tf.media import Text
from vrnn_tf.validation import check_integer

from .builder import Builder
from .options import loading

MAX_CHARACTERS = 10_000  # no written language uses so many; such files are no text


@dataclasses.dataclass(frozen=True)
class Options:
    """Choices of a text.

    Args:
        sequence_length: how many characters a training sequence has at most.

    Raises:
        ValueError: if it is not a positive integer.
    """

    sequence_length: int = loading(200)

    def __post_init__(self):
        check_integer("sequence_length", self.sequence_length, 1)


class TextBuilder(Builder, skip_registration=True):
    """A data set of texts. x `[T, 1]` are places in the sorted set of characters of all splits.

    A text is cut into consecutive pieces of `sequence_length` characters. The last piece may be
    shorter. Each piece is a sequence of its own: nothing is carried from one to the next. `read`
    must count the characters.

    Example:

    >>> TextBuilder.Options().sequence_length  # characters
    200
    """

    KIND = "text"
    Options: ClassVar[type] = Options

    def features(self) -> dict[str, Any]:
        return {"text": tfds.features.Text()}

    def sequences(self, record: Mapping[str, Any]) -> list[np.ndarray]:
        x = self.medium().encode(record["text"].decode())
        length = self.options.sequence_length
        return np.split(x, range(length, len(x), length))

    def medium(self) -> Text:
        return Text(self.info.metadata["charset"])

    def counted(self, counts: Counter[str]) -> dict[str, Any]:
        if not 2 <= len(counts) <= MAX_CHARACTERS:
            raise ValueError(
                f"A text must have 2 to {MAX_CHARACTERS} different characters. {self.name} has "
                f"{len(counts)}."
            )
        return {"charset": "".join(sorted(counts))}
