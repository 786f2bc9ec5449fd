"""Leaving out batches whose gradient is not finite, so that NaN reaches no weight."""

from __future__ import annotations

import functools

import keras
from keras import ops


def skip_non_finite(model: keras.Model, skipped: keras.metrics.Metric) -> None:
    """Makes a compiled model apply, and the mean of its loss count, only what is finite.

    The optimizer and the tracker of the loss keep their classes' methods, so that compiling twice
    with one optimizer changes nothing more.

    Args:
        model: whose optimizer and loss tracker are changed.
        skipped: counts the batches that are left out.
    """
    optimizer, tracker = model.optimizer, model._loss_tracker
    optimizer.build(model.trainable_variables)
    apply = functools.partial(type(optimizer).apply, optimizer)
    update = functools.partial(type(tracker).update_state, tracker)

    def apply_finite(gradients, trainable_variables=None):
        finite = ops.all(ops.stack([ops.all(ops.isfinite(g)) for g in gradients]))
        ops.cond(finite, lambda: apply(gradients, trainable_variables), lambda: None)
        skipped.update_state(ops.where(finite, 0.0, 1.0))

    def update_finite(loss, sample_weight):
        weight = ops.where(ops.isfinite(loss), ops.cast(sample_weight, "float32"), 0.0)
        update(finite_or_zero(loss), weight)

    optimizer.apply, tracker.update_state = apply_finite, update_finite


def finite_or_zero(x):
    """x, with zero in place of NaN and infinity."""
    return ops.where(ops.isfinite(x), x, ops.zeros_like(x))
