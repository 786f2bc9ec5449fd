"""Training on several replicas by tf.distribute, on one machine or many, to the same numbers.

Each replica holds the weights and a share of the rows of every batch: replica r of N has the rows
r, r + N, r + 2 N ... The numbers of a run do not depend on N, up to rounding. Noise belongs to a
row of the whole batch. The loss is averaged over the rows of all replicas. Gradients are added up
before their norm is bounded. The states that are carried on are those of all rows.

There is one replica without a strategy, and on other backends than TensorFlow.
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


def refuse_several(**arguments: bool) -> None:
    """Raises ValueError if an argument is True that goes with one replica, and there are more."""
    for name, value in arguments.items():
        if value and count() > 1:
            raise ValueError(
                f"{name}=True goes with one replica. Received it under a strategy of {count()}. "
                "Leave it out."
            )


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
    places = ops.expand_dims(rows(number), -1)
    return total(ops.scatter(places, values, (count() * number, *shape)))


def local_rows(values) -> Any:
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
    """A `keras.Model` that trains under a strategy, for which Keras 3.15 lacks a few things.

    Without a strategy, or on other backends, it is like any other model.
    """

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras builds from the average of the replicas' data, which fails for several workers.
        # Here only the optimizer is left to build.
        strategy = self._distribute_strategy
        if strategy is not None and not self.optimizer.built:
            with strategy.scope():
                self.optimizer.build(self.trainable_variables)

    # On one machine each replica is traced by a thread. The threads take turns whenever something
    # is summed up, and all of them add to the model's one list of losses.

    def add_loss(self, loss):
        super().add_loss(loss)
        if count() > 1:
            loss.replica_thread = threading.get_ident()

    @property
    def losses(self):
        losses = super().losses
        if count() == 1:
            return losses
        here = (None, threading.get_ident())
        return [loss for loss in losses if getattr(loss, "replica_thread", None) in here]

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
        optimizer = self.optimizer
        # The method of the class: an optimizer that is compiled twice sums its gradients once.
        clip = functools.partial(type(optimizer)._clip_gradients, optimizer)
        optimizer._clip_gradients = lambda gradients: clip(total(gradients))
        optimizer._all_reduce_sum_gradients = lambda pairs: pairs


def _is_multi_worker(strategy) -> bool:
    in_multi_worker_mode = getattr(strategy.extended, "_in_multi_worker_mode", None)
    return in_multi_worker_mode is not None and in_multi_worker_mode()
