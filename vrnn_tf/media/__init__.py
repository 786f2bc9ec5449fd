"""What the numbers of a sequence mean to people: strokes, sound, piano rolls or text.

Every file of this folder is imported, and the media in it register themselves. Their classes can be
imported from here by name, although no list holds these names. TensorFlow is not needed.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from vrnn_tf.media.audio import MAX_RATE
from vrnn_tf.media.figures import save_figure
from vrnn_tf.media.medium import (
    Medium,
    check_suffix,
    classes,
    from_dict,
    kinds,
    register,
)

__all__ = [
    "MAX_RATE",
    "Medium",
    "check_suffix",
    "classes",
    "from_dict",
    "kinds",
    "register",
    "save_figure",
]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def __getattr__(name: str) -> Any:
    """Returns the registered class called `name`, for example `Strokes`."""
    for cls in classes():
        if cls.__name__ == name:
            return cls
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
