"""Finds the files in a folder."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")


def visible_files(folder: Path, recursive: bool = True) -> list[Path]:
    """The files below a folder, sorted, without hidden ones.

    Raises:
        ValueError: if the folder does not exist.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder. Name one that exists.")
    files: list[Path] = []
    entered: set[str] = set()  # a link may lead back to a folder above it
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith(".")) * recursive
        if os.path.realpath(parent) in entered:
            folders.clear()
            continue
        entered.add(os.path.realpath(parent))
        paths = [Path(parent, name) for name in sorted(names) if not name.startswith(".")]
        # A link that leads nowhere is kept, so that reading it names it. A pipe would never end.
        files += [path for path in paths if path.is_file() or not path.exists()]
    return files


def files_with(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The visible files below a folder whose lower-case suffix is one of `suffixes`."""
    return [path for path in visible_files(folder) if path.suffix.lower() in suffixes]


def find_missing(folder: Path, needed: Sequence[str], suffixes: Collection[str]) -> str:
    """Says what is not in a folder, for people; "" if nothing is missing.

    Args:
        folder: the folder.
        needed: names of files or folders directly below it.
        suffixes: if given, a file at any depth must have one of them.
    """
    for name in needed:
        if not (folder / name).exists():
            return name
    if suffixes and not files_with(folder, suffixes):
        return f"a file that ends in {', '.join(suffixes)}"
    return ""


def is_archive(path: Path) -> bool:
    """Whether a file has the name of an archive that `archives.unpack_once` opens."""
    return path.name.lower().endswith(_ARCHIVES)
