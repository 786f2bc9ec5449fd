"""Networks keep their shapes and their configurations."""

import keras
import numpy as np
import pytest

from vrnn_tf.core import networks
from vrnn_tf.core.gaussian import GaussianNetwork, gaussian_packing
from vrnn_tf.core.initialization import Initialization
from vrnn_tf.core.networks import FeedForward
from vrnn_tf.packing import Packing

SHAPES = [(2, 5), (2, 7, 5)]


def restored(layer, build_shape):
    """`layer` from its configuration alone, with its weights."""
    config = keras.saving.serialize_keras_object(layer)
    for _ in range(2):  # reading a configuration leaves it as it was
        copy = keras.saving.deserialize_keras_object(config)
    if not copy.built:
        copy.build(build_shape)
    copy.set_weights(layer.get_weights())
    return copy


def features(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def feed_forward(widths=(4, 3)):
    return FeedForward(networks.hidden_layers(widths, "tanh", Initialization("glorot", 0)))


@pytest.mark.parametrize("shape", SHAPES)
def test_feed_forward_is_its_layers_in_a_row(shape):
    network = feed_forward()
    x = features(shape)
    first, second = network.layers
    result = network(x)
    hidden = np.tanh(x @ np.asarray(first.kernel) + np.asarray(first.bias))
    expected = np.tanh(hidden @ np.asarray(second.kernel) + np.asarray(second.bias))
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert network.output_size == 3
    assert network.compute_output_shape(shape) == result.shape == (*shape[:-1], 3)
    assert len(network.trainable_variables) == 4


def test_no_layers_are_the_identity():
    network = FeedForward([])
    x = features((2, 7, 5))
    np.testing.assert_array_equal(network(x), x)
    assert network.output_size == 5
    assert network.compute_output_shape((None, None, 5)) == (None, None, 5)


def gaussian_network():
    packing = gaussian_packing(2)
    output = networks.packed_output(packing, ("raw_scale",), Initialization("glorot", 0))
    return GaussianNetwork(FeedForward([*feed_forward().layers, output]), 2, min_scale=0.25)


@pytest.mark.parametrize("shape", SHAPES)
def test_gaussian_network_has_positive_scales(shape):
    network = gaussian_network()
    x = features(shape)
    gaussian = network(x)
    raw = np.asarray(network.body(x), np.float64)
    np.testing.assert_allclose(gaussian.loc, raw[..., :2], atol=1e-6)
    np.testing.assert_allclose(gaussian.scale, np.log1p(np.exp(raw[..., 2:])) + 0.25, atol=1e-6)
    assert network(1e6 * x).scale.numpy().min() >= 0.25


def test_scales_start_near_one():
    network = gaussian_network()
    gaussian = network(np.zeros((1, 5), "float32"))
    np.testing.assert_allclose(gaussian.loc, 0, atol=1e-7)
    np.testing.assert_allclose(gaussian.scale, np.log1p(np.exp(0.6)) + 0.25, rtol=1e-6)


def test_packed_output_starts_the_named_scales_alone():
    packing = Packing({"logits": 2, "raw_scale": 3, "loc": 1})
    layer = networks.packed_output(packing, ("raw_scale",), Initialization("paper", 0))
    layer.build((None, 4))
    np.testing.assert_allclose(layer.bias, [0, 0, 0.6, 0.6, 0.6, 0])


@pytest.mark.parametrize("shape", [(4, 1), (2, 7, 1)])
def test_embedding_looks_symbols_up(shape):
    embedding = networks.SymbolEmbedding(num_symbols=6, size=3, seed=2)
    symbols = np.random.default_rng(0).integers(0, 6, shape)
    result = embedding(symbols.astype("float32"))
    np.testing.assert_array_equal(result, np.asarray(embedding.table)[symbols[..., 0]])
    assert embedding.compute_output_shape(shape) == result.shape == (*shape[:-1], 3)


def test_embedding_seed():
    tables = []
    for seed in (0, 0, 1):
        embedding = networks.SymbolEmbedding(6, 3, seed=seed)
        embedding.build((None, 1))
        tables.append(np.asarray(embedding.table))
    np.testing.assert_array_equal(tables[0], tables[1])
    assert (tables[0] != tables[2]).all()


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (feed_forward, (2, 5)),
        (feed_forward, (2, 7, 5)),
        (gaussian_network, (2, 5)),
        (gaussian_network, (2, 7, 5)),
        (lambda: networks.SymbolEmbedding(6, 3, seed=2), (2, 7, 1)),
    ],
)
def test_networks_survive_their_configuration(make, shape):
    network = make()
    x = np.abs(features(shape))
    expected = network(x)
    copy = restored(network, shape)
    assert copy.get_config() == network.get_config()
    for a, b in zip(keras.tree.flatten(copy(x)), keras.tree.flatten(expected), strict=True):
        np.testing.assert_array_equal(a, b)
