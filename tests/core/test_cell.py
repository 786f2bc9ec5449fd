"""VRNNCell alone, inside `keras.layers.RNN`, and the errors of its constructor."""

import keras
import numpy as np
import pytest

import tiny_models
from vrnn_tf import VRNNCell
from vrnn_tf.core.cell import core_output_size
from vrnn_tf.core.gaussian import GaussianNetwork

FEATURES, LATENT = 3, 2


def make_cell(core=None, **arguments):
    parts = {
        "posterior_network": GaussianNetwork(keras.layers.Dense(2 * LATENT), LATENT, 1e-4),
        "phi_z": keras.layers.Dense(5),
        "latent_size": LATENT,
    }
    return VRNNCell(keras.layers.LSTMCell(4) if core is None else core, **{**parts, **arguments})


def inputs(batch=2, steps=4, size=FEATURES + LATENT):
    return np.random.default_rng(0).normal(size=(batch, steps, size)).astype("float32")


@pytest.mark.parametrize(
    ("core", "size", "state_sizes"),
    [
        (lambda: keras.layers.LSTMCell(4), 4, [4, 4]),
        (lambda: keras.layers.GRUCell(4), 4, [4]),
        (
            lambda: keras.layers.StackedRNNCells(
                [keras.layers.LSTMCell(4), keras.layers.GRUCell(3)]
            ),
            3,
            [4, 4, 3],
        ),
    ],
)
def test_sizes(core, size, state_sizes):
    cell = make_cell(core())
    assert core_output_size(cell.core) == cell.hidden_size == size
    assert cell.state_size == [size, *state_sizes]
    assert cell.output_size == 5 * LATENT + size
    states = cell.get_initial_state(7)
    assert [tuple(state.shape) for state in states] == [(7, s) for s in cell.state_size]
    assert not any(np.any(state) for state in states)


def test_without_a_latent_variable_the_output_is_the_h_before_the_step():
    cell = VRNNCell(keras.layers.GRUCell(4))
    h_tm1 = keras.layers.RNN(cell, return_sequences=True)(inputs(size=FEATURES))
    expected = keras.layers.RNN(cell.core, return_sequences=True)(inputs(size=FEATURES))
    np.testing.assert_array_equal(h_tm1[:, 0], 0.0)
    np.testing.assert_allclose(h_tm1[:, 1:], expected[:, :-1], atol=1e-6)


def test_the_output_is_the_stated_function_of_the_noise():
    cell = make_cell()
    x = inputs()
    named = cell.output_packing.unpack(keras.layers.RNN(cell, return_sequences=True)(x))
    expected = named["posterior_loc"] + named["posterior_scale"] * x[..., FEATURES:]
    np.testing.assert_allclose(named["z"], expected, atol=1e-6)
    np.testing.assert_array_equal(named["prior_loc"], 0.0)  # no prior network: N(0, I)
    np.testing.assert_array_equal(named["prior_scale"], 1.0)


def test_it_trains_inside_a_functional_model_and_comes_back_from_a_file(tmp_path):
    x = keras.Input((None, FEATURES + LATENT))
    y = keras.layers.Dense(1)(keras.layers.RNN(make_cell(), return_sequences=True)(x))
    model = keras.Model(x, y)
    model.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=True)
    target = np.ones((2, 4, 1), "float32")
    losses = model.fit(inputs(), target, epochs=3, verbose=0).history["loss"]
    assert losses[0] > losses[1] > losses[2]
    cell_weights = model.layers[1].trainable_variables
    assert len(cell_weights) == 7  # posterior 2, phi_z 2, LSTM 3
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs()), model(inputs()))
    restored = loaded.fit(inputs(), target, verbose=0).history["loss"]
    assert restored == model.fit(inputs(), target, verbose=0).history["loss"]


def test_configuration_can_be_used_twice():
    cell = tiny_models.make_case("residual").cell
    config = cell.get_config()
    first, second = VRNNCell.from_config(config), VRNNCell.from_config(config)
    assert first.core is not second.core
    assert first.residual_posterior and first.latent_size == 2
    serialized = keras.saving.serialize_keras_object(cell)
    for copy in (first, second):
        assert keras.saving.serialize_keras_object(copy)["config"] == serialized["config"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latent_size": 0}, "latent_size = 0 takes neither. Received latent_size=0"),
        ({"posterior_network": None}, "latent_size > 0 needs posterior_network and phi_z"),
        ({"phi_z": None}, "latent_size > 0 needs posterior_network and phi_z"),
        ({"core": keras.layers.LSTM(3)}, "`core` must be a Keras recurrent cell.*Pass the cell"),
        ({"core": keras.layers.GRUCell(3, dropout=0.5)}, "must not have dropout"),
        ({"dtype": "mixed_bfloat16"}, "must compute in bfloat16.*same dtype policy"),
    ],
    ids=str,
)
def test_wrong_parts(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_cell(**arguments)
