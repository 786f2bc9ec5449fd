"""Steps of a draw, written in operations that every runtime has."""

from __future__ import annotations

from keras import ops


def argmax(tensor):
    """Returns the index of the largest entry of the last axis, int32 `[...]`."""
    # `ops.argmax` tells -0.0 from 0.0 by a bitwise and, which is no TFLite builtin.
    return ops.top_k(tensor, 1)[1][..., 0]


def is_positive(tensor):
    """Returns float32 1 where an entry is above zero, else 0."""
    return ops.cast(tensor > 0.0, "float32")
