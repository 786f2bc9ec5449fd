"""Reads a beginning that generation goes on from."""

from __future__ import annotations

from pathlib import Path

from vrnn_tf import media
from vrnn_tf.media import Medium


def read_sequence(path: Path, medium: Medium):
    """A beginning to go on from, `[T, D]` in raw units: an .npz, or a text for a model of text."""
    import zipfile

    import numpy as np

    if isinstance(medium, media.Text) and path.suffix == ".txt":
        from vrnn_tf.train.datasets.text_file import read_text

        try:
            return medium.encode(read_text(path))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"{path}: {reason}") from None
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
        reason = "it does not exist" if isinstance(error, FileNotFoundError) else "it is not"
        raise ValueError(
            f"{path} must be an .npz file with an array of numbers x [T, D]: {reason}."
        ) from None
    if count > 1:
        raise ValueError(f"{path} must hold one sequence to go on from. Received {count}.")
    if x.ndim == 2 and x.shape[1] == medium.event_size:  # or else the model says what is wrong
        try:
            medium.check(x)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    return x
