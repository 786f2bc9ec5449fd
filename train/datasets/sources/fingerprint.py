"""Short hashes that change when options or files change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from .folders import is_archive, visible_files


def digest(*parts: Any) -> str:
    """Twelve hexadecimal digits made from JSON-able parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:12]


def fingerprint(source: Path, suffixes: Collection[str]) -> str | None:
    """A digest of the names, sizes and times of files; None if `source` does not exist.

    Args:
        source: a file, or a folder whose archives and files with one of `suffixes` matter.
        suffixes: in lower case.
    """
    if not source.exists():
        return None
    if source.is_file():
        stat = source.stat()
        return digest(source.name, stat.st_size, stat.st_mtime_ns)
    relevant = [p for p in visible_files(source) if p.suffix.lower() in suffixes or is_archive(p)]
    stats = [(p, p.stat() if p.exists() else p.lstat()) for p in relevant]  # links may lead nowhere
    return digest([(str(p.relative_to(source)), s.st_size, s.st_mtime_ns) for p, s in stats])
