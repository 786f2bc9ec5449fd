"""What a stateful model carries from one batch of chunks to the next.

This is the number of steps so far `[B]` and the states of the cell or, with an IWAE or FIVO bound,
the particles of `bounds.particle_filter`. The variables belong to the model, which saves them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vrnn_tf import replicas
from vrnn_tf.model.non_finite import finite_or_zero

# Arguments of a variable that changes with every batch and is equal on all replicas.
COUNTER: dict[str, Any] = {
    "initializer": "zeros",
    "trainable": False,
    "aggregation": "only_first_replica",
}


def add_carried(model: keras.Model, mode: str, shapes: Sequence[tuple[int, ...]]) -> list:
    """Variables `[steps, *states]` of these shapes for "training" or "evaluation"; [] if none.

    Args:
        model: that owns them.
        mode: begins their names.
        shapes: of the states, `[B, ...]` each.
    """
    if not shapes:
        return []
    steps = model.add_weight(name=f"{mode}_steps", shape=shapes[0][:1], dtype="int32", **COUNTER)
    states = [
        model.add_weight(name=f"{mode}_state_{i}", shape=shape, **COUNTER)
        for i, shape in enumerate(shapes)
    ]
    return [steps, *states]


def read_carried(variables: Sequence, reset) -> tuple[Any, list | None]:
    """The steps so far `[B]` and the states of this replica's rows, zero where `reset` is True.

    Both are None for a model that carries nothing.
    """
    if reset is None:
        return None, None
    start, *states = [
        ops.where(
            ops.reshape(reset, (-1, *[1] * (len(rows.shape) - 1))), ops.zeros_like(rows), rows
        )
        for rows in map(replicas.local_rows, variables)
    ]
    return start, states


def write_carried(variables: Sequence, start, num_steps, states: Sequence, keep_finite: bool):
    """Assigns what the next batch goes on from.

    Args:
        variables: what `add_carried` returned.
        start: the steps before this batch, `[B]`.
        num_steps: the steps of this batch.
        states: after it.
        keep_finite: whether what is not finite becomes zero.
    """
    for variable, value in zip(variables, [start + num_steps, *states], strict=True):
        value = replicas.all_rows(ops.cast(value, variable.dtype))
        if keep_finite:
            value = finite_or_zero(value)
        variable.assign(ops.stop_gradient(value))
