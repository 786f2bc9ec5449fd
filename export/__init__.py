"""The generation loop as a SavedModel and as a TFLite file.

Python imports `export` and `LiteModel` when they are first used. So a program that runs a file does
not load TensorFlow, and a program that writes one does not load the runtime of TFLite.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .exporter import export
    from .runtime import LiteModel

__all__ = ["LiteModel", "export"]

_HOMES = {"LiteModel": "runtime", "export": "exporter"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
