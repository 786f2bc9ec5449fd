"""p(x_t | z_<=t, x_<t), Eq. (6): the families of densities that a decoder can parameterise.

Every file of this folder is imported, and the families in it register themselves. Their classes can
be imported from here by name, although no list holds these names.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from vrnn_tf.likelihoods.likelihood import (
    LARGEST,
    MAX_CORRELATION,
    MIN_SCALE,
    Likelihood,
    classes,
    describing,
    get,
    names,
    register,
)

__all__ = [
    "LARGEST",
    "MAX_CORRELATION",
    "MIN_SCALE",
    "Likelihood",
    "classes",
    "describing",
    "get",
    "names",
    "register",
]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def __getattr__(name: str) -> Any:
    """Returns the registered class called `name`, for example `Gaussian`."""
    for cls in classes():
        if cls.__name__ == name:
            return cls
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
