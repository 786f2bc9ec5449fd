"""Loading of .keras files that nobody vouches for."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import tensorflow as tf

from vrnn_tf import files
from vrnn_tf.model.vrnn import VRNN

_WEIGHTS = "model.weights.h5"
_UNSAVED_BYTES = 2**20  # of variables that have no place in the file: what metrics sum


def load_model(path: str | Path) -> VRNN:
    """A model from a .keras file, which runs no code of the file and needs no more memory than it.

    Raises:
        ValueError: if it is damaged, holds another model, or declares more than it holds; names it.
    """
    path = Path(path)
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path} is not a model that can be loaded: a .keras file is a zip archive. It is "
            "damaged; restore it, or train again."
        )
    try:
        with tf.variable_creator_scope(_Budget(_weight_bytes(path) + _UNSAVED_BYTES).create):
            model = keras.saving.load_model(path, safe_mode=True)
    except Exception as error:  # of any kind: Keras calls whatever the configuration names
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"{path} is not a model that can be loaded: {lines[0]:.500}") from None
    if not isinstance(model, VRNN):
        raise ValueError(f"{path} must hold a VRNN. Received a {type(model).__name__}.")
    return model


def _weight_bytes(path: Path) -> int:
    """The bytes of all arrays in the file of weights, none of which can be larger than it."""
    with zipfile.ZipFile(path) as archive:
        files.check_zip(archive, path.stat().st_size)
        content = archive.read(_WEIGHTS)  # whole, which compares it with its checksum
    found: list[int] = []
    with h5py.File(io.BytesIO(content), "r") as weights:
        weights.visititems(
            lambda _, item: found.append(item.nbytes if isinstance(item, h5py.Dataset) else 0)
        )
    files.check_expansion(len(content), sum(found))
    return sum(found)


class _Budget:
    """Refuses to make variables that are larger, all together, than what the file holds."""

    def __init__(self, limit: int):
        self._limit = self._left = limit

    def create(self, next_creator, **arguments: Any):
        value = arguments["initial_value"]
        if callable(value):
            with tf.Graph().as_default():  # tells the shape without making the numbers
                value = value()
        self._left -= math.prod(value.shape) * value.dtype.size
        if self._left < 0:
            raise ValueError(
                f"its configuration asks for more than the {self._limit} bytes of its weights"
            )
        return next_creator(**arguments)
