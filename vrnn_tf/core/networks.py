"""The layers that phi_x, phi_z, prior, posterior and decoder (Eqs. 5-9) are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from vrnn_tf.core.initialization import Initialization
from vrnn_tf.packing import PackedConstant, Packing

SCALE_BIAS = 0.6  # the paper's code starts every scale near softplus(0.6) = 1.04


@keras.saving.register_keras_serializable(package="vrnn_tf")
class FeedForward(keras.layers.Layer):
    """Layers one after the other, over the last axis of any tensor. No layers are the identity.

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
            build_once(layer, input_shape)
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
class SymbolEmbedding(keras.layers.Layer):
    """Symbol numbers `[..., 1]` to vectors `[..., size]`: the first layer of phi_x for text.

    Args:
        num_symbols: size of the alphabet.
        size: length of a vector.
        seed: fixes the initial vectors, which are uniform.
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
        sizes = {"num_symbols": self.num_symbols, "size": self.size}
        return {**super().get_config(), **sizes, "seed": self.seed}


def build_once(layer: keras.Layer, input_shape) -> None:
    """Builds a layer unless it is built: a deserialised layer arrives with its weights."""
    if not layer.built:
        layer.build(input_shape)
