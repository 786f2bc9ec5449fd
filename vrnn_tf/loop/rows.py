"""The rows of a batch: their copies, the particles of a sequence, and their order in time."""

from __future__ import annotations

from keras import ops


def swap_time(x):
    """`[B, T, F]` as `[T, B, F]`, and back."""
    return ops.transpose(x, (1, 0, 2))


def repeat_rows(values, copies: int):
    """`[B, F]` with every row `copies` times, side by side: `[B copies, F]`."""
    if copies == 1:
        return values
    tiled = ops.tile(ops.expand_dims(values, 1), (1, copies, 1))
    return ops.reshape(tiled, (-1, values.shape[-1]))  # XLA cannot differentiate `ops.repeat`
