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

    Example:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from vrnn_tf.train.datasets.builders.reading import Item
    >>> class Squares(PenBuilder, skip_registration=True):
    ...     SUMMARY = "One square a file, as lines of dx,dy,pen"
    ...     LAYOUT = "Name a folder with train.csv and validation.csv."
    ...     SUFFIXES = (".csv",)
    ...
    ...     def splits(self, folder):
    ...         names = ("train", "validation")
    ...         return {name: [Item(folder / f"{name}.csv", name)] for name in names}
    ...
    ...     def read(self, item):
    ...         x = np.loadtxt(item.path, delimiter=",", dtype="float32")
    ...         yield "", {"x": x, "text": "", "writer": ""}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("train", "validation"):
    ...         _ = (Path(folder) / f"{name}.csv").write_text("1,0,0\\n0,1,0\\n-1,0,0\\n0,-1,1\\n")
    ...     splits = Squares.load(data_dir=folder, prepared_dir=Path(folder) / "prepared")
    >>> splits.train[0].shape
    (4, 3)
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
