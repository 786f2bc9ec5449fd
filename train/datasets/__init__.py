"""Data sets in raw units, one file each.

A module of this folder that stands in `MODULES` offers `UNITS`, `NORMALIZED_FEATURES` and
`load(num_train, num_validation, seed, **options) -> Splits`.
"""

from __future__ import annotations

import dataclasses
import importlib
from types import ModuleType

import numpy as np

from vrnn_tf.validation import check_choice

MODULES = {"synthetic_handwriting": "synthetic_handwriting"}


@dataclasses.dataclass(frozen=True, eq=False)
class Splits:
    """Training and validation sequences, arrays `[T_i, D]` in raw units."""

    train: list[np.ndarray]
    validation: list[np.ndarray]


def get(name: str) -> ModuleType:
    """The module of the data set called `name`.

    Raises:
        ValueError: if there is none; lists the valid names.
    """
    module = MODULES[check_choice("dataset", name, MODULES)]
    return importlib.import_module(f".{module}", __name__)
