"""Files: written so that no reader sees half of one, and read without trust in their content."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

MAX_EXPANSION = 200  # a file may declare content of this many times its size; texts reach 50
UNSUSPICIOUS_BYTES = 2**26  # any file may declare this much content
_DEPTH = 50  # levels of JSON
_YOUNG = 60.0  # seconds for which a new folder is left alone


@contextlib.contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path in the same folder that replaces `path` when the block succeeds.

    The suffix is kept, because writers such as Keras choose their format by it. If the block
    raises, `path` stays as it was and the temporary file is removed.

    Raises:
        OSError: if the folder cannot be made or written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        sync(temporary)
        temporary.chmod(0o644)  # mkstemp's files are private
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path, prefix: str) -> Iterator[Path]:
    """Yields a temporary folder beside `path` that becomes `path` when the block succeeds.

    If another process was first, its folder stays. If the block raises, the temporary folder is
    removed. If the process is killed, the next call removes it, on systems that can lock folders.

    Args:
        path: a folder that does not exist yet.
        prefix: the beginning of the temporary folder's name.

    Raises:
        OSError: if the folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f"{glob.escape(prefix)}*"):
        _remove_abandoned(leftover)
    temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=path.parent))
    lock = _lock(temporary)  # the system releases it when the process ends, whatever ends it
    try:
        yield temporary
        temporary.chmod(0o755)  # mkdtemp's folders are private
        try:
            os.replace(temporary, path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _remove_abandoned(folder: Path) -> None:
    """Removes a folder of `atomic_folder` whose process is gone."""
    with contextlib.suppress(OSError):  # another process has removed it, or it is not ours
        if time.time() - folder.stat().st_mtime < _YOUNG:
            return  # its process may not have locked it yet
        lock = _lock(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Locks a folder until the returned handle is closed; None if another process holds it."""
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def sync(path: str | os.PathLike) -> None:
    """Forces a file, or the names in a folder, onto the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def leftovers(path: str | os.PathLike) -> list[Path]:
    """Returns what `atomic` was writing for `path` when its process was killed."""
    path = Path(path)
    pattern = f".{glob.escape(path.stem)}-*{glob.escape(path.suffix)}"
    return list(path.parent.glob(pattern))


def sha256(path: str | os.PathLike) -> str:
    """Returns the hexadecimal digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_expansion(packed: int, unpacked: int) -> None:
    """Raises ValueError if a file of `packed` bytes declares implausibly many bytes of content."""
    if unpacked > max(MAX_EXPANSION * packed, UNSUSPICIOUS_BYTES):
        raise ValueError(
            f"it declares {unpacked} bytes in a file of {packed}, more than {MAX_EXPANSION} times "
            "as many"
        )


def check_zip(archive: zipfile.ZipFile, size: int) -> None:
    """Raises ValueError if an archive of `size` bytes cannot hold all the members it declares."""
    members = archive.infolist()
    if sum(member.compress_size for member in members) > size:
        raise ValueError(f"it declares more than its {size} bytes")
    check_expansion(size, sum(member.file_size for member in members))


def write_json(path: str | os.PathLike, value: Any) -> Path:
    """Writes `value` as indented JSON, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    return Path(path)


def parse_json(text: str) -> Any:
    """Parses a JSON text; raises ValueError if it is none or nests too deeply."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(f"it nests more than {_DEPTH} levels") from None
    level = [value]
    for _ in range(_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    if level:  # messages and copies go through values recursively
        raise ValueError(f"it nests more than {_DEPTH} levels")
    return value


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        ValueError: if the file is missing or does not hold a JSON object; names the file.
    """
    try:
        value = parse_json(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"Cannot read {path}: {error.strerror}.") from None
    except ValueError as error:  # UnicodeDecodeError is one
        raise ValueError(f"{path} is not valid JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} must hold a JSON object. Received a {type(value).__name__}.")
    return value
