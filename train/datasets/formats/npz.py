"""Reads the arrays of .npz files. Nothing is unpickled, not even an object array."""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from vrnn_tf import files

from .pickled_arrays import FIX, read_pickle

_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises. RuntimeError says that a member is encrypted.
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError)


def read_npz(
    path: str | Path, names: Collection[str] | None = None
) -> dict[str, np.ndarray | list[np.ndarray]]:
    """Reads the members of an .npz file. An object array becomes a list of arrays.

    Args:
        path: the file.
        names: which members to read; None for all.

    Raises:
        ValueError: if a member is damaged, or holds anything but numbers and text.
    """
    arrays: dict[str, np.ndarray | list[np.ndarray]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            files.check_zip(archive, Path(path).stat().st_size)
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if info.filename.endswith(".npy") and (names is None or name in names):
                    arrays[name] = _read_member(archive, info)
    except _DAMAGED as error:
        raise ValueError(f"is a damaged .npz file: {error}") from None
    return arrays


def read_object_arrays(
    path: str | Path, names: Collection[str] | None = None
) -> dict[str, list[np.ndarray]]:
    """Reads members as `read_npz` does. An array `[N, ...]` becomes the list of its N rows."""
    return {
        name: list(np.atleast_1d(value)) if isinstance(value, np.ndarray) else value
        for name, value in read_npz(path, names).items()
    }


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    try:
        if info.compress_type not in _PACKED:
            raise ValueError("is packed in a way that NumPy does not know")
        return _read_npy(archive.read(info))
    except (ValueError, *_DAMAGED) as error:
        raise ValueError(f"{info.filename} {error}") from None


def _read_npy(content: bytes) -> np.ndarray | list[np.ndarray]:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    else:
        raise ValueError(f"is of the unknown version {version}")
    body = content[stream.tell() :]
    if dtype == np.dtype(object):
        return read_pickle(body)
    if dtype.hasobject:
        raise ValueError(f"holds {dtype}, which is not a plain array of numbers; {FIX}")
    sizes_exist = all(0 <= n <= len(content) for n in shape)
    if not sizes_exist or math.prod(shape) * dtype.itemsize != len(body):
        raise ValueError(f"declares {shape} of {dtype} but has {len(body)} bytes")
    stream.seek(0)
    return np.load(stream, allow_pickle=False)
