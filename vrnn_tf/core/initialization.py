"""Initial weights: every initialiser has a seed of its own, and one seed fixes all of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
from keras import ops

from vrnn_tf.validation import check_choice, check_integer

RECURRENT_CELLS = {
    "lstm": keras.layers.LSTMCell,
    "gru": keras.layers.GRUCell,
    "simple_rnn": keras.layers.SimpleRNNCell,
}


@keras.saving.register_keras_serializable(package="vrnn_tf")
class OrthogonalPerGate(keras.initializers.Initializer):
    """Initialises a recurrent kernel `[units, gates * units]` with one orthogonal matrix a gate.

    Args:
        seed: an integer.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def __call__(self, shape, dtype=None):
        units, columns = shape
        gates = [
            keras.initializers.Orthogonal(seed=self.seed + gate)((units, units), dtype=dtype)
            for gate in range(columns // units)
        ]
        return ops.concatenate(gates, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


@dataclasses.dataclass
class Initialization:
    """Hands out initialisers. Each has a seed of its own, so that one seed fixes all weights.

    Attributes:
        scheme: "glorot" (Keras's defaults) or "paper". With "paper" W ~ U(-0.08, 0.08), each gate
            of a recurrent kernel is orthogonal and the forget bias is 0.
        seed: the integer that all seeds are counted from.
        max_norm: the largest norm of a column of a non-recurrent kernel (1.9365 in the paper's
            code), or None.
        dtype: the dtype policy of the layers. None stands for the global one.
    """

    scheme: str
    seed: int
    max_norm: float | None = None
    dtype: keras.DTypePolicy | str | None = None

    def __post_init__(self):
        check_choice("initialization", self.scheme, ("glorot", "paper"))
        self._next_seed = self.seed * 1000

    def _seed(self) -> int:
        self._next_seed += 10  # OrthogonalPerGate uses up to four
        return self._next_seed

    def kernel(self) -> dict[str, Any]:
        """The keyword arguments of a `Dense` layer that concern its kernel and its dtype."""
        uniform = keras.initializers.RandomUniform(-0.08, 0.08, seed=self._seed())
        glorot = keras.initializers.GlorotUniform(seed=self._seed())
        constraint = None
        if self.max_norm is not None:
            constraint = keras.constraints.MaxNorm(self.max_norm, axis=0)
        return {
            "kernel_initializer": uniform if self.scheme == "paper" else glorot,
            "kernel_constraint": constraint,
            "dtype": self.dtype,
        }

    def recurrent_cell(self, kind: str, units: int) -> keras.Layer:
        """A Keras recurrent cell."""
        cell = RECURRENT_CELLS[check_choice("recurrent_cell", kind, RECURRENT_CELLS)]
        if self.scheme == "paper":
            recurrent: keras.initializers.Initializer = OrthogonalPerGate(self._seed())
        else:
            recurrent = keras.initializers.Orthogonal(seed=self._seed())
        arguments: dict[str, Any] = {**self.kernel(), "recurrent_initializer": recurrent}
        if kind == "lstm":
            arguments["unit_forget_bias"] = self.scheme != "paper"
        return cell(check_integer("recurrent_units", units, 1), **arguments)
