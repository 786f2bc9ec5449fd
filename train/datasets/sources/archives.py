"""Unpacks archives, once and only into a folder of their own."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from vrnn_tf import files

from .fingerprint import digest


def unpack_once(archives: Sequence[Path], parent: Path) -> Path:
    """A folder with what all archives hold; unpacked on the first call, whole or not at all."""
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in archives]
    target = parent / digest(stats)
    if target.is_dir():
        return target
    with files.atomic_folder(target, ".unpacking-") as temporary:
        for path in archives:
            _unpack(path, temporary)
    return target


def _unpack(path: Path, target: Path) -> None:
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                files.check_zip(archive, path.stat().st_size)
                archive.extractall(target)
        else:
            with tarfile.open(path) as tar:
                tar.extractall(target, _plausible(tar, path.stat().st_size), filter="data")
    except Exception as error:  # tarfile, zipfile, zlib and lzma have errors of their own
        raise ValueError(f"{path} cannot be unpacked: {error}. Fetch it again.") from None


def _plausible(archive: tarfile.TarFile, size: int) -> Iterator[tarfile.TarInfo]:
    """The members of an archive of `size` bytes as they come, while they can be in it."""
    declared = 0
    for member in archive:
        declared += member.size
        files.check_expansion(size, declared)
        yield member
