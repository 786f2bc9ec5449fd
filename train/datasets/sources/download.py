"""Fetches files whose checksums are known."""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from vrnn_tf import files

_PATIENCE = 20.0  # seconds without a byte, after which a download is given up


def download(sources: Mapping[str, tuple[str, str]], folder: Path) -> None:
    """Fetches files into a folder, except those that it holds already.

    Args:
        sources: `{file name: (url, sha256)}`.
        folder: where the files are put.

    Raises:
        ValueError: if a file cannot be fetched, or its checksum is another one.
    """
    for name, (url, digest) in sources.items():
        path = folder / name
        if not path.is_file() or files.sha256(path) != digest:
            _fetch(url, digest, path)


def _fetch(url: str, digest: str, path: Path) -> None:
    advice = "Fetch it yourself, put it into a folder, and name that with --data-dir."
    try:
        with (
            files.atomic(path) as temporary,
            urllib.request.urlopen(url, timeout=_PATIENCE) as response,
            open(temporary, "wb") as file,
        ):
            shutil.copyfileobj(response, file)
            file.flush()
            if files.sha256(temporary) != digest:
                raise ValueError(f"{url} is not the file that is expected (SHA-256 {digest}).")
    except OSError as error:  # URLError and TimeoutError are subclasses
        raise ValueError(f"{url} cannot be fetched: {error}. {advice}") from None
