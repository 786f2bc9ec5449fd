"""Unpacks archives: once, whole, and into a folder that holds nothing else."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from vrnn_tf import files

from .fingerprint import digest


def unpack_once(archives: Sequence[Path], parent: Path) -> Path:
    """Returns a folder with the contents of all archives. The first call unpacks them.

    Args:
        archives: tar and zip files.
        parent: the folder that gets a folder for these archives.

    Raises:
        ValueError: if one is damaged, declares implausibly many bytes, or has a member that would
            lie outside of the folder. Nothing is left then.
    """
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
    except Exception as error:  # tarfile, zipfile, zlib and lzma each raise errors of their own
        raise ValueError(f"{path} cannot be unpacked: {error}. Fetch it again.") from None


def _plausible(archive: tarfile.TarFile, size: int) -> Iterator[tarfile.TarInfo]:
    """Yields the members of an archive of `size` bytes as long as they can all be in it."""
    declared = 0
    for member in archive:
        declared += member.size
        files.check_expansion(size, declared)
        yield member
