"""Copies of the rows of a batch: the particles of a sequence."""

from __future__ import annotations

from keras import ops


def repeat_rows(values, copies: int):
    """`[B, F]` with every row `copies` times, side by side: `[B copies, F]`."""
    if copies == 1:
        return values
    tiled = ops.tile(ops.expand_dims(values, 1), (1, copies, 1))
    return ops.reshape(tiled, (-1, values.shape[-1]))  # XLA cannot differentiate `ops.repeat`
