"""Short hashes that tell whether choices or files have changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from .folders import is_archive, visible_files


def digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:12]


def fingerprint(folder: Path, suffixes: Collection[str]) -> str | None:
    """Of names, sizes and times of the files that matter; None if the folder is gone."""
    if not folder.exists():
        return None
    if folder.is_file():
        stat = folder.stat()
        return digest(folder.name, stat.st_size, stat.st_mtime_ns)
    relevant = [p for p in visible_files(folder) if p.suffix.lower() in suffixes or is_archive(p)]
    stats = [(p, p.stat() if p.exists() else p.lstat()) for p in relevant]  # links may lead nowhere
    return digest([(str(p.relative_to(folder)), s.st_size, s.st_mtime_ns) for p, s in stats])
