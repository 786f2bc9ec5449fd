"""Drawing the particles of a filter anew by their weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keras import ops

from vrnn_tf.bounds.bound import Bound


def resample(log_weights, states: Sequence, uniforms, bound: Bound) -> tuple:
    """Draws the particles of those sequences anew whose effective sample size is low.

    Args:
        log_weights: `[B, N]`, normalised.
        states: each `[B N, size]`, the particles of a sequence side by side.
        uniforms: `[B, N]` for multinomial, `[B, 1]` for systematic resampling.
        bound: says how, and below which effective sample size.

    Returns:
        The weights, equal where particles were drawn, and the states of those that survive.
    """
    number = log_weights.shape[-1]
    needed = _collapsed(log_weights, bound.ess_threshold)
    ancestors = _ancestors(log_weights, uniforms, bound.resampling)
    ancestors = ops.where(needed, ancestors, ops.arange(number, dtype="int32"))
    first = ops.arange(ops.shape(log_weights)[0], dtype="int32") * number
    rows = ops.reshape(ops.expand_dims(first, -1) + ancestors, (-1,))
    equal = ops.full_like(log_weights, -math.log(number))
    return ops.where(needed, equal, log_weights), [ops.take(s, rows, axis=0) for s in states]


def _collapsed(log_weights, threshold: float):
    """Whether the effective sample size of normalised weights `[B, N]` is low: bool `[B, 1]`."""
    size = ops.exp(-ops.logsumexp(2.0 * log_weights, axis=-1, keepdims=True))
    return size <= threshold * log_weights.shape[-1]


def _ancestors(log_weights, uniforms, resampling: str):
    """The particle that each of N new ones goes on from, int32 `[B, N]`.

    Args:
        log_weights: `[B, N]`, normalised.
        uniforms: `[B, N]` for multinomial, `[B, 1]` for systematic resampling.
        resampling: one of `RESAMPLING`.
    """
    number = log_weights.shape[-1]
    if resampling == "systematic":
        uniforms = (ops.arange(number, dtype="float32") + uniforms) / number
    below = ops.cumsum(ops.exp(log_weights), axis=-1)  # [B, N]
    passed = ops.expand_dims(below, -2) <= ops.expand_dims(uniforms, -1)
    count = ops.sum(ops.cast(passed, "int32"), axis=-1)
    return ops.minimum(count, number - 1)  # the last sum may be a little below 1
