"""The metrics of a VRNN: nats a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from vrnn_tf import replicas
from vrnn_tf.model.non_finite import finite_or_zero


class NatsPerSequence(keras.metrics.Metric):
    """Nats summed over every step of every sequence, divided by the number of sequences."""

    def __init__(self, name: str):
        super().__init__(name=name)
        zeros = {
            "initializer": "zeros",
            "aggregation": "only_first_replica",
        }  # it gets sums over all replicas
        self.total = self.add_variable((), name="total", **zeros)
        self.sequences = self.add_variable((), name="sequences", **zeros)

    def update_state(self, nats, sequences):
        """Adds the `nats` of a batch in which `sequences` sequences begin."""
        self.total.assign_add(nats)
        self.sequences.assign_add(sequences)

    def result(self):
        return ops.divide_no_nan(self.total, self.sequences)


def update_metrics(
    metrics: Mapping[str, NatsPerSequence],
    values: Mapping[str, Any],
    sequences,
    finite_only: bool,
) -> None:
    """Adds a batch to metrics, the rows of all replicas together.

    Args:
        metrics: `{name: metric}`.
        values: nats under the same names, scalars.
        sequences: how many sequences begin in the batch.
        finite_only: whether values that are not finite count nothing.
    """
    nats = ops.stack([values[name] for name in metrics])
    numbers = ops.ones_like(nats) * sequences
    if finite_only:
        numbers = ops.where(ops.isfinite(nats), numbers, 0.0)
        nats = finite_or_zero(nats)
    totals = replicas.total(ops.stack([nats, numbers]))
    for i, metric in enumerate(metrics.values()):
        metric.update_state(totals[0, i], totals[1, i])


def count_sequences(mask, reset) -> keras.KerasTensor:
    """How many sequences begin in a batch: rows that hold a step, and that start, if stateful."""
    begins = ops.any(mask, axis=-1)
    if reset is not None:
        begins = ops.logical_and(begins, reset)
    return ops.sum(ops.cast(begins, "float32"))
