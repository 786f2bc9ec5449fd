"""Keras's recurrent cells as affine maps, and what lies between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

if TYPE_CHECKING:
    from vrnn_tf.loop.scan import Affine


class _LSTMGates:
    """`keras.layers.LSTMCell`: one map of the input and h gives the gates i, f, g, o."""

    @staticmethod
    def maps(core, inputs, dtype) -> dict[str, Affine]:
        return {"gates": affine(core.kernel, core.bias, inputs, dtype, core.recurrent_kernel)}

    @staticmethod
    def next_states(core, apply, features, states) -> list:
        h, c = states
        i, f, g, o = ops.split(apply("gates", *features, h), 4, axis=-1)
        kept = core.recurrent_activation(f) * c
        c = kept + core.recurrent_activation(i) * core.activation(g)
        return [core.recurrent_activation(o) * core.activation(c), c]


class _GRUGates:
    """`keras.layers.GRUCell`: the reset gate acts on the map of h, so h has a map for itself."""

    @staticmethod
    def maps(core, inputs, dtype) -> dict[str, Affine]:
        bias, recurrent_bias = (None, None) if core.bias is None else (core.bias[0], core.bias[1])
        return {
            "inward": affine(core.kernel, bias, inputs, dtype),
            "across": affine(core.recurrent_kernel, recurrent_bias, None, dtype),
        }

    @staticmethod
    def next_states(core, apply, features, states) -> list:
        (h,) = states
        inward = ops.split(apply("inward", *features), 3, axis=-1)
        across = ops.split(apply("across", h), 3, axis=-1)
        update = core.recurrent_activation(inward[0] + across[0])
        reset = core.recurrent_activation(inward[1] + across[1])
        candidate = core.activation(inward[2] + reset * across[2])
        return [update * h + (1.0 - update) * candidate]


class _SimpleGates:
    """`keras.layers.SimpleRNNCell`: one map of the input and h."""

    @staticmethod
    def maps(core, inputs, dtype) -> dict[str, Affine]:
        return {"h": affine(core.kernel, core.bias, inputs, dtype, core.recurrent_kernel)}

    @staticmethod
    def next_states(core, apply, features, states) -> list:
        return [core.activation(apply("h", *features, *states))]


# A core that should run hoisted needs an entry here: its maps, and its step between them.
GATES: dict[type, Any] = {
    keras.layers.LSTMCell: _LSTMGates,
    keras.layers.GRUCell: _GRUGates,
    keras.layers.SimpleRNNCell: _SimpleGates,
}


def affine(kernel, bias, inputs, dtype, recurrent_kernel=None) -> Affine:
    """The affine map of a kernel, some of whose inputs are there before the loop.

    Args:
        kernel: `[K, N]`.
        bias: `[N]` or None.
        inputs: the first F of the K inputs at every step, `[T, B, F]`. They become the map's
            offset. None: no input is there before the loop.
        dtype: of the map.
        recurrent_kernel: `[H, N]`, for inputs that follow those of `kernel`, or None.
    """
    import tensorflow as tf

    from vrnn_tf.loop.scan import Affine

    weight = ops.cast(kernel, dtype)
    offset = ops.zeros(weight.shape[-1:], dtype) if bias is None else ops.cast(bias, dtype)
    weights = [weight]
    if inputs is not None:
        features = inputs.shape[-1]
        above, below = tf.split(weight, [features, weight.shape[0] - features])
        rows = tf.nn.bias_add(tf.matmul(tf.reshape(inputs, (-1, features)), above), offset)
        offset = tf.reshape(rows, (-1, tf.shape(inputs)[1], weight.shape[-1]))
        weights = [below] if below.shape[0] else []
    if recurrent_kernel is not None:
        weights.append(ops.cast(recurrent_kernel, dtype))
    return Affine(tf.concat(weights, axis=0) if weights else None, offset)


def with_prefix(apply: Callable, prefix: str) -> Callable:
    """`apply` for maps whose names begin with `prefix`."""
    return lambda name, *operands: apply(prefix + name, *operands)
