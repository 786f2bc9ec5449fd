"""Training on several replicas by tf.distribute, on one machine or many, to the same numbers.

Each replica holds the weights and a share of the rows of every batch: replica r of N the rows
r, r + N, r + 2 N ... A run's numbers do not depend on N, up to rounding: noise belongs to a row of
the whole batch, the loss is averaged over the rows of all replicas, gradients are added up before
their norm is bounded, and states that are carried on are those of all rows.

On other backends than TensorFlow, and without a strategy, there is one replica.
"""

from __future__ import annotations

import functools
import threading
from typing import Any

import keras
from keras import ops


def count() -> int:
    """N, the number of replicas that share a batch."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def rows(num_rows) -> Any:
    """The numbers, in the whole batch, of this replica's rows: int32 `[num_rows]`."""
    numbers = ops.arange(num_rows, dtype="int32")
    if count() == 1:
        return numbers
    return numbers * count() + _context().replica_id_in_sync_group


def total(value) -> Any:
    """The sum of the replicas' values."""
    if count() == 1:
        return value
    return _context().all_reduce("SUM", value)


def all_rows(values) -> Any:
    """The rows `[N B, ...]` of all replicas, in the order of the whole batch, from `[B, ...]`."""
    if count() == 1:
        return values
    number, *shape = values.shape
    own = ops.expand_dims(rows(number), -1)
    return total(ops.scatter(own, values, (count() * number, *shape)))


def own_rows(values) -> Any:
    """The rows of this replica, from those of the whole batch."""
    number = count()
    if number == 1:
        return values
    return ops.take(values, rows(values.shape[0] // number), axis=0)


def _context():
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None:
        raise ValueError(
            "A model that was built under a strategy's scope runs in its `fit` and `evaluate`. "
            "Received a call outside. Save it, and load it without the strategy."
        )
    return context


class ReplicatedModel(keras.Model):
    """A `keras.Model` with what Keras 3.15 lacks to train one that is built under a strategy.

    Without a strategy, or on other backends, it is as any other.
    """

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras builds from the average of the replicas' data, which fails for several workers.
        # Here all is built but the optimizer.
        strategy = self._distribute_strategy
        if strategy is not None and not self.optimizer.built:
            with strategy.scope():
                self.optimizer.build(self.trainable_variables)

    # On one machine a thread traces each replica; they take turns whenever something is summed up,
    # and all of them add to the model's one list of losses.

    def add_loss(self, loss):
        super().add_loss(loss)
        if count() > 1:
            loss.replica_thread = threading.get_ident()

    @property
    def losses(self):
        found = super().losses
        if count() == 1:
            return found
        own = (None, threading.get_ident())
        return [loss for loss in found if getattr(loss, "replica_thread", None) in own]

    def _make_function(self, step_function):
        import tensorflow as tf

        @functools.wraps(step_function)
        def step(data):
            # Keras averages the workers' metrics over axis 0, which scalars lack.
            return {name: tf.reshape(v, [1]) for name, v in step_function(data).items()}

        several = _is_multi_worker(self.distribute_strategy)
        return super()._make_function(step if several else step_function)

    def _sum_before_clipping(self) -> None:
        # Keras bounds the norm of each replica's part of the gradient, and then adds them up.
        if count() == 1 or self.optimizer is None:
            return
        optimizer, clip = self.optimizer, self.optimizer._clip_gradients
        optimizer._clip_gradients = lambda gradients: clip(total(gradients))
        optimizer._all_reduce_sum_gradients = lambda pairs: pairs


def _is_multi_worker(strategy) -> bool:
    return getattr(strategy.extended, "_in_multi_worker_mode", bool)()
