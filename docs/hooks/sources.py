"""Shows the folders of the checkout under their installed names to griffe.

Griffe reads sources without importing them. `train/` and `export/` lie beside `vrnn_tf/` in the
checkout and are installed inside it, see setup.py. This hook makes the same tree of links in
build/sources, where mkdocs.yml has griffe look.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
INSTALLED_INSIDE = ("train", "export")


def on_startup(**_: Any) -> None:
    """Makes build/sources/vrnn_tf anew, before mkdocstrings looks for it."""
    package = ROOT / "build" / "sources" / "vrnn_tf"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    for entry in (ROOT / "vrnn_tf").iterdir():
        (package / entry.name).symlink_to(entry)
    for name in INSTALLED_INSIDE:
        (package / name).symlink_to(ROOT / name)
