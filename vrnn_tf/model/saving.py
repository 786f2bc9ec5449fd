"""Loads .keras files without trusting them."""

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
_UNSAVED_BYTES = 2**20  # what variables may take that are not in the file, such as those of metrics


def load_model(path: str | Path) -> VRNN:
    """Loads a model from a .keras file.

    It runs no code from the file, and takes no more memory than the weights in the file need.

    Raises:
        ValueError: if the file does not exist, is damaged, holds another kind of model, or declares
            more than it holds. The message names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} does not exist. Name a .keras file.")
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
    """The bytes of all arrays in the file of weights."""
    with zipfile.ZipFile(path) as archive:
        files.check_zip(archive, path.stat().st_size)
        content = archive.read(_WEIGHTS)  # reading all of it compares it with its checksum
    sizes: list[int] = []
    with h5py.File(io.BytesIO(content), "r") as weights:
        weights.visititems(
            lambda _, item: sizes.append(item.nbytes if isinstance(item, h5py.Dataset) else 0)
        )
    files.check_expansion(len(content), sum(sizes))
    return sum(sizes)


class _Budget:
    """Refuses to make variables that together are larger than what the file holds."""

    def __init__(self, limit: int):
        self._limit = self._left = limit

    def create(self, next_creator, **arguments: Any):
        value = arguments["initial_value"]
        if callable(value):
            with tf.Graph().as_default():  # gives the shape without making the numbers
                value = value()
        self._left -= math.prod(value.shape) * value.dtype.size
        if self._left < 0:
            raise ValueError(
                f"its configuration asks for more than the {self._limit} bytes of its weights"
            )
        return next_creator(**arguments)
