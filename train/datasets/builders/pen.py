"""The parent of data sets of handwriting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from vrnn_tf.media import Strokes

from .builder import Builder


class PenBuilder(Builder, skip_registration=True):
    """A data set of handwriting. Records hold x `[T, 3]` with columns (dx, dy, pen), y up.

    Attributes:
        UNIT: the unit of the offsets, for people.
    """

    KIND = "strokes"
    UNIT = "units of the pen's recorder, y up"

    def features(self) -> dict[str, Any]:
        return {
            "x": tfds.features.Tensor(shape=(None, 3), dtype=np.float32, encoding="zlib"),
            "text": tfds.features.Text(),
            "writer": tfds.features.Text(),
        }

    def sequences(self, record: Mapping[str, Any]) -> list[np.ndarray]:
        return [record["x"]]

    def medium(self) -> Strokes:
        return Strokes(self.UNIT)
