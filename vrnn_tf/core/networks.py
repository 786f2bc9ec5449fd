"""phi_x, phi_z, prior, posterior and decoder (Eqs. 5-9) as plain Keras layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from vrnn_tf.packing import PackedConstant, Packing
from vrnn_tf.validation import check_choice, check_integer

SCALE_BIAS = 0.6  # the paper's code starts every scale near softplus(0.6) = 1.04
RECURRENT_CELLS = {
    "lstm": (keras.layers.LSTMCell, 4),
    "gru": (keras.layers.GRUCell, 3),
    "simple_rnn": (keras.layers.SimpleRNNCell, 1),
}


class DiagonalGaussian(NamedTuple):
    """The parameters of N(loc, diag(scale^2)), each `[..., Z]`."""

    loc: keras.KerasTensor
    scale: keras.KerasTensor


@keras.saving.register_keras_serializable(package="vrnn_tf")
class OrthogonalPerGate(keras.initializers.Initializer):
    """An orthogonal matrix of its own for each gate of a recurrent kernel `[units, gates * units]`.

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
    """Hands out initialisers, each with a seed of its own, so that one seed fixes all weights.

    Attributes:
        scheme: `"glorot"` (Keras's defaults) or `"paper"`: W ~ U(-0.08, 0.08), recurrent kernels
            orthogonal for each gate, forget bias 0.
        seed: the first seed.
        max_norm: the largest norm of a column of a non-recurrent kernel (1.9365 in the paper's
            code), or None.
        dtype: dtype policy of the layers; None for the global one.
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
        """Keyword arguments of a `Dense` layer: its kernel's, and its dtype policy."""
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
        cell, _ = RECURRENT_CELLS[check_choice("recurrent_cell", kind, RECURRENT_CELLS)]
        if self.scheme == "paper":
            recurrent: keras.initializers.Initializer = OrthogonalPerGate(self._seed())
        else:
            recurrent = keras.initializers.Orthogonal(seed=self._seed())
        arguments: dict[str, Any] = {**self.kernel(), "recurrent_initializer": recurrent}
        if kind == "lstm":
            arguments["unit_forget_bias"] = self.scheme != "paper"
        return cell(check_integer("recurrent_units", units, 1), **arguments)


@keras.saving.register_keras_serializable(package="vrnn_tf")
class FeedForward(keras.layers.Layer):
    """Layers in a row, over the last axis of any tensor; no layers are the identity.

    Args:
        layers: Keras layers, each mapping `[..., F]` to `[..., F']`.

    Call arguments:
        features: `[..., F]`.

    Output shape:
        `[..., output_size]`; `output_size` is known once the layer is built.
    """

    def __init__(self, layers: Sequence[keras.Layer], **kwargs):
        super().__init__(**kwargs)
        self.layers = list(layers)

    def build(self, input_shape):
        for layer in self.layers:
            if not layer.built:  # a deserialised layer arrives built
                layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)
        self.output_size = input_shape[-1]

    def call(self, features):
        for layer in self.layers:
            features = layer(features)
        return features

    def compute_output_shape(self, input_shape):
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        return {**super().get_config(), "layers": layers}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FeedForward:
        layers = [keras.saving.deserialize_keras_object(c) for c in config["layers"]]
        return cls(**{**config, "layers": layers})


def hidden_layers(
    widths: Sequence[int], activation: str | Callable, initialization: Initialization
) -> list[keras.Layer]:
    """Dense layers of the given widths."""
    return [
        keras.layers.Dense(width, activation=activation, **initialization.kernel())
        for width in widths
    ]


def packed_output(
    packing: Packing, scale_names: Sequence[str], initialization: Initialization
) -> keras.layers.Dense:
    """The linear layer that ends a network whose output is packed."""
    biases: Mapping[str, float] = dict.fromkeys(scale_names, SCALE_BIAS)
    return keras.layers.Dense(
        packing.size,
        bias_initializer=PackedConstant(packing.sizes, biases),
        **initialization.kernel(),
        name="parameters",
    )


@keras.saving.register_keras_serializable(package="vrnn_tf")
class GaussianNetwork(keras.layers.Layer):
    """phi_prior and phi_enc, Eqs. (5, 9): features to the parameters of a diagonal Gaussian.

    Args:
        body: any layer `[..., F] -> [..., 2 * latent_size]`.
        latent_size: Z.
        min_scale: floor of the scale.

    Call arguments:
        features: `[B, F]`.

    Output shape:
        `DiagonalGaussian(loc, scale)`, each `[B, Z]`, scale = softplus(.) + min_scale.
    """

    def __init__(self, body: keras.Layer, latent_size: int, min_scale: float, **kwargs):
        super().__init__(**kwargs)
        self.body = body
        self.latent_size = latent_size
        self.min_scale = min_scale
        self.packing = gaussian_packing(latent_size)

    def build(self, input_shape):
        if not self.body.built:
            self.body.build(input_shape)

    def call(self, features):
        return self.constrain(self.body(features))

    def constrain(self, raw: keras.KerasTensor) -> DiagonalGaussian:
        """The parameters in the body's output `[..., 2 * latent_size]`: scales are positive."""
        named = self.packing.unpack(raw)
        return DiagonalGaussian(named["loc"], ops.softplus(named["raw_scale"]) + self.min_scale)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "body": keras.saving.serialize_keras_object(self.body),
            "latent_size": self.latent_size,
            "min_scale": self.min_scale,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> GaussianNetwork:
        body = keras.saving.deserialize_keras_object(config["body"])
        return cls(**{**config, "body": body})


def gaussian_packing(latent_size: int) -> Packing:
    """The slices of the raw output of a network that parameterises a Gaussian of z."""
    return Packing({"loc": latent_size, "raw_scale": latent_size})


@keras.saving.register_keras_serializable(package="vrnn_tf")
class SymbolEmbedding(keras.layers.Layer):
    """Symbol numbers `[..., 1]` to vectors `[..., size]`: the first layer of phi_x for text.

    Args:
        num_symbols: size of the alphabet.
        size: length of a vector.
        seed: of the uniform initialisation.
    """

    def __init__(self, num_symbols: int, size: int, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.num_symbols, self.size, self.seed = num_symbols, size, seed

    def build(self, input_shape):
        self.table = self.add_weight(
            name="table",
            shape=(self.num_symbols, self.size),
            initializer=keras.initializers.RandomUniform(-0.05, 0.05, seed=self.seed),
        )

    def call(self, symbols):
        return ops.take(self.table, ops.cast(symbols[..., 0], "int32"), axis=0)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.size)

    def get_config(self) -> dict[str, Any]:
        own = {"num_symbols": self.num_symbols, "size": self.size, "seed": self.seed}
        return {**super().get_config(), **own}
