"""Sets whole groups aside for a split where a data set comes without such a split."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from typing import TypeVar

from vrnn_tf.validation import check_number

from .report import printable

Key = TypeVar("Key", bound=Hashable)


def check_fraction(name: str, value: float) -> float:
    """Returns `value` if it lies strictly between 0 and 1; raises ValueError otherwise."""
    number = check_number(name, value, 0.0, strict=True)
    if number >= 1.0:
        raise ValueError(f"`{name}` must lie between 0 and 1. Received {value!r}.")
    return number


def carve(sizes: Mapping[Key, int], fraction: float) -> set[Key]:
    """Chooses whole groups (writers, speakers, forms) for validation.

    Groups are taken in the order of a hash of their names until they hold at least `fraction` of
    the examples. The choice depends neither on the order of the files nor on a seed, and it never
    leaves training empty.

    Args:
        sizes: `{group: number of examples}`.
        fraction: how much of the examples to choose, between 0 and 1.

    Raises:
        ValueError: if there are fewer than two groups.
    """
    if len(sizes) < 2:
        raise ValueError(
            "A validation split needs at least two groups (files, writers or speakers). Received "
            f"{len(sizes)}. Add another."
        )
    ordered = sorted(
        sizes, key=lambda group: hashlib.sha256(printable(str(group)).encode()).digest()
    )
    wanted = fraction * sum(sizes.values())
    chosen: set[Key] = set()
    size = 0
    for group in ordered[:-1]:
        if chosen and size >= wanted:
            break
        chosen.add(group)
        size += sizes[group]
    return chosen
