"""Lays the site out as the checkout is, so that the same relative links work in both.

The site holds the pages of docs/ and those that `nav` of mkdocs.yml lists, wherever they lie in the
checkout. It also holds every file that such a page links to: a source, a picture, another page.
MkDocs then checks that the links lead somewhere and that `nav` lists every page.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")  # [text](target#anchor)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replaces the files of docs/ by pages and linked files under their paths in the checkout."""
    root = Path(config.config_file_path).parent
    theme = [file for file in files if file.src_dir != config.docs_dir]
    pages = [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    waiting = [*_pages(config.nav), *pages, *config.extra_css]
    paths: dict[str, File] = {}
    while waiting:
        path = waiting.pop(0)
        if path in paths or not (root / path).is_file():
            continue  # a page or link that leads nowhere is for MkDocs to report
        paths[path] = File.generated(config, path, abs_src_path=str(root / path))
        if path.endswith(".md"):
            waiting += _linked(root, path)
    return Files([*theme, *paths.values()])


def _pages(nav: Any) -> Iterator[str]:
    """The paths in a `nav`: a string, `{title: nav}` or a list of these."""
    if isinstance(nav, str):
        yield nav
    for item in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _pages(item)


def _linked(root: Path, page: str) -> Iterator[str]:
    """The paths, relative to the checkout, that the links of a page may mean."""
    folder = os.path.dirname(page)
    for target in _LINK.findall((root / page).read_text("utf-8")):
        path = os.path.normpath(os.path.join(folder, target))
        if "://" not in target and not path.startswith(".."):
            yield path
