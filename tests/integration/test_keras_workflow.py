"""fit, evaluate, predict, save and load, as Keras documents them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tiny_models

MASK = np.arange(5) < np.array([[3], [5], [4], [5], [1], [2]])


def compiled(model, **options):
    model.compile(keras.optimizers.Adam(0.01), **{"run_eagerly": True, **options})
    return model


def fit(model, data, **options):
    return model.fit(data, **{"shuffle": False, "verbose": 0, "batch_size": 3, **options}).history


@pytest.fixture
def x():
    return tiny_models.observations(tiny_models.make(), batch=6)


def test_arrays_dictionaries_and_datasets_are_the_same_data(x):
    whole = {"x": x, "mask": np.ones((6, 5), bool)}
    batches = tf.data.Dataset.from_tensor_slices(whole).batch(3)
    histories = [
        fit(compiled(tiny_models.make()), x),
        fit(compiled(tiny_models.make()), whole),
        fit(compiled(tiny_models.make()), batches, batch_size=None),
        fit(compiled(tiny_models.make()), batches.map(lambda row: row["x"]), batch_size=None),
    ]
    assert all(history == histories[0] for history in histories)
    assert set(histories[0]) == {"loss", "elbo", "nll", "kl"}


@pytest.mark.parametrize(
    "other",
    [
        {"run_eagerly": True},
        pytest.param({"run_eagerly": False, "jit_compile": True}, marks=pytest.mark.slow),
    ],
)
def test_training_is_the_same_eagerly_in_a_graph_and_under_xla(x, other):
    data = {"x": x, "mask": MASK}
    models = [
        compiled(tiny_models.make(recurrent_cell="gru"), **mode)
        for mode in ({"run_eagerly": False}, other)
    ]
    graph, history = [fit(model, data, epochs=2) for model in models]
    assert graph["loss"][1] < graph["loss"][0]
    assert [model.jit_compile for model in models] == [False, other.get("jit_compile", False)]
    for name, values in graph.items():
        np.testing.assert_allclose(history[name], values, rtol=2e-5, err_msg=name)


def test_validation_and_early_stopping_read_the_bound(x):
    model = compiled(tiny_models.make())
    stop = keras.callbacks.EarlyStopping("val_elbo", mode="max", patience=0, min_delta=1e9)
    history = fit(model, x, validation_data=x[:2], epochs=5, callbacks=[stop])
    assert len(history["val_elbo"]) == 2
    expected = model.evaluate(x[:2], verbose=0, return_dict=True)["elbo"]
    np.testing.assert_allclose(history["val_elbo"][-1], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "name",
    [
        "mixed_stack",
        pytest.param("no_latent", marks=pytest.mark.slow),
        pytest.param("end_of_sequence", marks=pytest.mark.slow),
    ],
)
def test_a_loaded_model_predicts_generates_and_goes_on_training_the_same(name, tmp_path):
    model = compiled(tiny_models.make_case(name, kl_warmup_steps=8))
    data = {"x": tiny_models.observations(model, batch=6), "mask": MASK}
    fit(model, data)
    model.generate(1, 2)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    outputs = loaded.predict(data, verbose=0)
    for key, value in model.predict(data, verbose=0).items():
        np.testing.assert_array_equal(outputs[key], value, err_msg=key)
    np.testing.assert_array_equal(loaded.generate(1, 3)[0], model.generate(1, 3)[0])
    # Moments of the optimizer, noise and KL weight all go on where they were.
    assert fit(loaded, data) == fit(model, data)
    for actual, expected in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_how_a_model_was_compiled_comes_back(x, tmp_path):
    model = tiny_models.make()
    model.compile(keras.optimizers.SGD(0.25, clipnorm=5.0), jit_compile=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.optimizer, keras.optimizers.SGD)
    assert float(loaded.optimizer.learning_rate) == 0.25 and loaded.optimizer.clipnorm == 5.0
    assert loaded.jit_compile is True
    uncompiled = tiny_models.make()
    uncompiled.save(tmp_path / "uncompiled.keras")
    assert keras.models.load_model(tmp_path / "uncompiled.keras").compiled is False


def test_carried_states_survive_saving(tmp_path):
    model = tiny_models.make(stateful_batch_size=2)
    x = tiny_models.observations(model, batch=2)
    model({"x": x, "reset": np.ones(2)}, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    following = {"x": x, "reset": np.zeros(2)}
    expected = model(following, training=True)["log_likelihood"]
    np.testing.assert_array_equal(loaded(following, training=True)["log_likelihood"], expected)


def test_weights_go_through_a_file(x, tmp_path):
    model = tiny_models.make()
    model.save_weights(tmp_path / "model.weights.h5")
    other = tiny_models.make(seed=1)
    for weight in other.trainable_weights:
        weight.assign(weight + 1.0)
    other.load_weights(tmp_path / "model.weights.h5")
    for actual, expected in zip(other.weights, model.weights, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_a_layer_of_a_functional_model_contributes_its_bound(x, tmp_path):
    inputs = {
        "x": keras.Input((None, 2), name="x"),
        "mask": keras.Input((None,), name="mask", dtype="bool"),
    }
    vrnn = tiny_models.make()
    features = keras.layers.GlobalAveragePooling1D()(vrnn(inputs)["h_tm1"])
    model = keras.Model(inputs, keras.layers.Dense(1)(features))
    data, y = {"x": x, "mask": MASK}, np.ones((6, 1), "float32")
    model.compile(keras.optimizers.Adam(0.01), "mse", run_eagerly=True)
    bound = compiled(tiny_models.make()).evaluate(data, verbose=0, return_dict=True)["loss"]
    error = np.mean((model.predict(data, verbose=0) - y) ** 2)
    loss = model.evaluate(data, y, verbose=0)
    np.testing.assert_allclose(loss, bound + error, rtol=1e-5)
    history = model.fit(data, y, epochs=2, shuffle=False, verbose=0).history["loss"]
    assert history[1] < history[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(data, verbose=0), model.predict(data, verbose=0))
