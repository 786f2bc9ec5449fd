"""The states of a recurrent cell as named tensors: state_0, state_1, ... in the order of the cell.

Runtimes hand named tensors back in an order of their own. TensorFlow sorts the names as text, which
puts state_10 before state_2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_PREFIX = "state_"


def name_states(states: Sequence[Any]) -> dict[str, Any]:
    """Names the states of a cell, or anything else that a cell has once for each state.

    >>> name_states(["h", "c"])
    {'state_0': 'h', 'state_1': 'c'}
    """
    return {f"{_PREFIX}{number}": state for number, state in enumerate(states)}


def list_states(named: Mapping[str, Any]) -> list[Any]:
    """Returns the states among named tensors in the order of the cell.

    >>> list_states({"state_1": "c", "state_0": "h", "x": "strokes"})
    ['h', 'c']
    """
    count = sum(name.startswith(_PREFIX) for name in named)
    return [named[f"{_PREFIX}{number}"] for number in range(count)]
