"""Reads a primer, the beginning of a sequence that generation continues."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from vrnn_tf import media
from vrnn_tf.media import Medium


def read_primer(path: Path, medium: Medium) -> np.ndarray:
    """A primer `[T, D]` in raw units, from an .npz file, or from a .txt file for a model of text.

    Raises:
        ValueError: if the file cannot be read or does not hold one sequence of the medium. Another
            shape than `[T, D]` is left to the model, which refuses it.
    """
    if isinstance(medium, media.Text) and path.suffix == ".txt":
        return _read_text(path, medium)
    x = _read_array(path)
    if x.ndim == 2 and x.shape[1] == medium.event_size:
        try:
            medium.check(x)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    return x


def _read_text(path: Path, medium: media.Text) -> np.ndarray:
    from vrnn_tf.train.datasets.text_file import read_text

    try:
        return medium.encode(read_text(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path}: {reason}") from None


def _read_array(path: Path) -> np.ndarray:
    """The array x of an .npz file, float32."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            x, count = arrays["x"], np.size(arrays.get("length", 0))
            if x.dtype.kind not in "biuf":
                raise ValueError(f"numbers of the type {x.dtype}")
            x = x.astype(np.float32)
    except (
        *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError),
        zipfile.BadZipFile,
    ) as error:
        missing = isinstance(error, FileNotFoundError)
        raise ValueError(
            f"{path} must be an .npz file with an array of numbers x [T, D]. "
            f"{'The file does not exist.' if missing else 'Received something else.'}"
        ) from None
    if count > 1:
        raise ValueError(f"{path} must hold one sequence to continue. Received {count}.")
    return x
