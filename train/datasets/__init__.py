"""Data sets in raw units, one file each.

`get(name)` gives the class in the file called `name`. It has class attributes for people (`KIND`,
`SUMMARY`, `CITATION`, `LICENSE`, `HOMEPAGE`, `LAYOUT`), frozen `Options`, and `load`. A data set
that reads files is a tfds builder, see `builders.builder.Builder`.

Every file of this folder is a data set. What they share is in the folders: `builders` holds what
they subclass, `sources` finds, unpacks and fetches their files, and `formats` reads them.
`synthesis` makes the built-in handwriting.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any

import numpy as np

from vrnn_tf.media import Medium
from vrnn_tf.validation import check_choice


@dataclasses.dataclass(frozen=True, eq=False)
class Splits:
    """The sequences `[T_i, D]` of a data set in raw units.

    A split is a list, or a `store.Store` if it does not fit in memory.

    Attributes:
        train: sequences to train on.
        validation: sequences to choose a model by.
        test: sequences to report on; empty if the data set has none.
        medium: what the numbers mean.
        facts: JSON-able notes of the preparation, for example what was skipped.
    """

    train: Sequence[np.ndarray]
    validation: Sequence[np.ndarray]
    test: Sequence[np.ndarray]
    medium: Medium
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)


def names() -> list[str]:
    """The names of all data sets: those of the files in this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def get(name: str) -> Any:
    """The class of the data set called `name`.

    Raises:
        ValueError: if there is no such data set; lists the valid names.
    """
    module = importlib.import_module(f".{check_choice('dataset', name, names())}", __name__)
    (cls,) = (value for value in vars(module).values() if _is_data_set(value, module.__name__))
    return cls


def _is_data_set(value: Any, module: str) -> bool:
    """Whether a value is the class of the data set that a module defines."""
    return isinstance(value, type) and value.__module__ == module and hasattr(value, "SUMMARY")
