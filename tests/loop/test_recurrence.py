"""Recurrence against `keras.layers.RNN` over the same cell, and which cells fall back to it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tiny_models
from vrnn_tf import Recurrence, VRNNCell
from vrnn_tf.core.gaussian import GaussianNetwork
from vrnn_tf.core.networks import FeedForward

MASK = np.array([[1, 1, 1, 0, 0], [0, 1, 0, 1, 1], [1, 1, 1, 1, 1]], bool)
LIKELIHOODS = {
    "gmm": {"likelihood": {"name": "gmm", "event_size": 2, "num_components": 2}},
    "bernoulli": {"likelihood": {"name": "bernoulli", "event_size": 3}},
    "categorical": {
        "likelihood": {"name": "categorical", "num_classes": 5},
        "embedding_size": 3,
    },
    "discretized_logistic_mixture": {
        "likelihood": {
            "name": "discretized_logistic_mixture",
            "event_size": 2,
            "num_components": 2,
            "num_levels": 16,
        }
    },
}
CASES = {**tiny_models.CASES, **LIKELIHOODS}


def make(name, plain, **arguments):
    case = {**CASES[name], **arguments}
    if callable(case.get("recurrent_cell")):
        case["recurrent_cell"] = case["recurrent_cell"]()
    model = tiny_models.make(**case)
    model.recurrence.plain = plain
    return model


def run(model, inputs, jit=False):
    """Outputs and gradients of a training batch."""
    weights = model.trainable_variables

    @tf.function(jit_compile=jit)
    def function(inputs):
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            loss = tf.add_n(model.losses)
        return outputs, tape.gradient(loss, weights)

    return function(inputs)


QUICK = ("lstm", "mixed_stack", "residual_smoothing", "no_latent")


@pytest.mark.parametrize(
    ("name", "mask"),
    [pytest.param(name, MASK, marks=() if name in QUICK else pytest.mark.slow) for name in CASES]
    + [("lstm", None), ("residual", None)],
    ids=lambda value: value if isinstance(value, str) else "whole" if value is None else "masked",
)
def test_outputs_and_gradients_equal_the_plain_ones(name, mask):
    fast, plain = make(name, False), make(name, True)
    assert fast.recurrence.plain_reason is None
    x = tiny_models.observations(fast)
    inputs = {"x": x} if mask is None else {"x": x, "mask": mask}
    (outputs, gradients), (expected, expected_gradients) = run(fast, inputs), run(plain, inputs)
    seen = MASK | (mask is None)
    for key in expected:
        np.testing.assert_allclose(
            outputs[key][seen], expected[key][seen], rtol=1e-5, atol=1e-6, err_msg=key
        )
    tiny_models.assert_gradients_equal(gradients, expected_gradients, fast)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "gru", "mixed_stack", "residual", "no_latent"])
def test_they_are_equal_under_xla(name):
    fast, plain = make(name, False), make(name, True)
    inputs = {"x": tiny_models.observations(fast), "mask": MASK}
    (outputs, gradients), (expected, expected_gradients) = (
        run(fast, inputs, True),
        run(plain, inputs),
    )
    for key in ("log_likelihood", "kl"):
        np.testing.assert_allclose(outputs[key], expected[key], rtol=1e-5, atol=1e-6)
    tiny_models.assert_gradients_equal(gradients, expected_gradients, fast)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("lstm", "mixed_bfloat16"),
        pytest.param("residual", "mixed_float16", marks=pytest.mark.slow),
        pytest.param("gru", "mixed_bfloat16", marks=pytest.mark.slow),
        pytest.param("stack", "mixed_float16", marks=pytest.mark.slow),
    ],
)
def test_they_are_equal_in_mixed_precision(name, policy):
    fast, plain = (make(name, plain, dtype=policy) for plain in (False, True))
    inputs = {"x": tiny_models.observations(fast), "mask": MASK}
    (outputs, gradients), (expected, expected_gradients) = run(fast, inputs), run(plain, inputs)
    tolerance = 0.1 if policy == "mixed_bfloat16" else 0.02  # 8 and 11 bits, sums in another order
    np.testing.assert_allclose(
        outputs["log_likelihood"], expected["log_likelihood"], rtol=tolerance, atol=tolerance
    )
    tiny_models.assert_gradients_equal(gradients, expected_gradients, fast, tolerance)


@pytest.mark.parametrize("training", [False, True])
def test_states_are_carried_alike(training):
    fast, plain = (make("mixed_stack", plain) for plain in (False, True))
    x = tiny_models.observations(fast)
    random = np.random.default_rng(0)
    core = [random.normal(size=(3, size)).astype("float32") for size in fast.cell.state_size[1:]]
    h = core[2]  # of the last cell, a GRU
    results = []
    for model in (fast, plain):
        states = [tf.constant(value) for value in (h, *core)]
        with tf.GradientTape() as tape:
            tape.watch(states)
            outputs, last = model.observe(
                x, tf.constant(MASK), np.arange(3, dtype="int32"), states, training=training
            )
            loss = tf.add_n([tf.reduce_sum(value**2) for value in last])
            loss += tf.reduce_sum(outputs["log_likelihood"])
        gradients = tape.gradient(loss, states)
        gradients[3:] = [gradients[3] + (0.0 if gradients[0] is None else gradients[0])]
        results.append([*last, *gradients[1:]])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_gradients_flow_to_the_sequences_alike():
    fast, plain = (make("residual", plain) for plain in (False, True))
    size = fast.phi_x.output_size + fast.latent_size
    sequences = tf.constant(np.random.default_rng(0).normal(size=(3, 5, size)), tf.float32)
    found = []
    for model in (fast, plain):
        with tf.GradientTape() as tape:
            tape.watch(sequences)
            packed, *_ = model.recurrence(sequences, training=True)
            loss = tf.reduce_sum(packed**2)
        found.append(tape.gradient(loss, sequences))
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-5)
    assert np.all(np.any(found[0] != 0.0, axis=(0, 1)))  # the noise too has one


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit_ends_with_the_same_weights(jit_compile):
    histories, weights = [], []
    for plain in (False, True):
        model = make("lstm", plain)
        model.compile(keras.optimizers.Adam(0.01, global_clipnorm=1.0), jit_compile=jit_compile)
        x = tiny_models.observations(model, batch=4)
        mask = np.concatenate([MASK, MASK[:1]])
        fitted = model.fit({"x": x, "mask": mask}, epochs=3, batch_size=2, shuffle=False, verbose=0)
        histories.append(fitted.history["elbo"])
        weights.append(model.get_weights())
    np.testing.assert_allclose(*histories, rtol=1e-4)
    for found, expected in zip(*weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_weights_without_bias():
    def core(kind):
        return kind(4, use_bias=False)

    for kind in (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell):
        cell = VRNNCell(core(kind))
        sequences = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
        expected = keras.layers.RNN(cell, return_sequences=True)(sequences)
        found = Recurrence(cell, return_sequences=True)(sequences, training=True)
        np.testing.assert_allclose(found, expected, atol=1e-6)


# --- who falls back ------------------------------------------------------------------------------


class OwnCell(VRNNCell):
    """A cell that a user changed."""


class OwnLSTMCell(keras.layers.LSTMCell):
    """A core that a user changed."""


def cell_of(core=None, phi_z=None, body=None, cell=VRNNCell, **arguments):
    body = FeedForward([keras.layers.Dense(4)]) if body is None else body
    phi_z = FeedForward([keras.layers.Dense(3)]) if phi_z is None else phi_z
    core = keras.layers.LSTMCell(4) if core is None else core
    return cell(core, GaussianNetwork(body, 2, 1e-4), phi_z=phi_z, latent_size=2, **arguments)


def dense(**arguments):
    return FeedForward([keras.layers.Dense(4, **arguments)])


FALLS_BACK = {
    "plain": (cell_of, {"plain": True}, "plain=True"),
    "unroll": (cell_of, {"unroll": True}, "unroll=True"),
    "backwards": (cell_of, {"go_backwards": True}, "go_backwards=True"),
    "zeros": (cell_of, {"zero_output_for_mask": True}, "zero_output_for_mask=True"),
    "cell": (lambda: cell_of(cell=OwnCell), {}, "OwnCell is a subclass of VRNNCell"),
    "core": (lambda: cell_of(OwnLSTMCell(4)), {}, "the core has a OwnLSTMCell"),
    "reset_before": (
        lambda: cell_of(keras.layers.GRUCell(4, reset_after=False)),
        {},
        "the core has a GRUCell with reset_after=False",
    ),
    "phi_z": (lambda: cell_of(phi_z=keras.layers.Dense(3)), {}, "phi_z is not made of Dense"),
    "network": (
        lambda: cell_of(body=keras.Sequential([keras.layers.Dense(4)])),
        {},
        "posterior is not made of Dense",
    ),
    "empty": (
        lambda: cell_of(keras.layers.LSTMCell(1), body=FeedForward([])),
        {},
        "posterior has no layer",
    ),
    "layer": (
        lambda: cell_of(
            body=FeedForward([keras.layers.Dense(4), keras.layers.LayerNormalization()])
        ),
        {},
        "posterior is not made of Dense",
    ),
    "activation": (
        lambda: cell_of(body=dense(activation=keras.layers.PReLU())),
        {},
        "posterior is not made of Dense",
    ),
    "regularizer": (
        lambda: cell_of(body=dense(activity_regularizer="l2")),
        {},
        "posterior is not made of Dense",
    ),
}


@pytest.mark.parametrize("name", FALLS_BACK)
def test_what_is_not_known_runs_step_by_step(name):
    make_cell, arguments, reason = FALLS_BACK[name]
    cell = make_cell()
    layer = Recurrence(cell, return_sequences=True, **arguments)
    assert layer.plain_reason is not None
    assert layer.plain_reason.startswith(reason)
    sequences = np.random.default_rng(0).normal(size=(2, 5, 5)).astype("float32")
    arguments.pop("plain", None)
    expected = keras.layers.RNN(cell, return_sequences=True, **arguments)(sequences, training=True)
    np.testing.assert_array_equal(layer(sequences, training=True), expected)


def test_a_cell_that_is_known_does_not():
    layer = Recurrence(cell_of())
    assert layer.plain_reason is None


def test_it_comes_back_from_a_file_and_may_be_exported(tmp_path):
    sequences = np.random.default_rng(0).normal(size=(2, 5, 5)).astype("float32")
    x = keras.Input((None, 5))
    model = keras.Model(x, Recurrence(cell_of(), return_sequences=True)(x))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(sequences, np.ones((2, 5, 14), "float32"), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(sequences), model(sequences))
    assert loaded.layers[1].plain_reason is None
    model.export(tmp_path / "saved", verbose=False)
    served = tf.saved_model.load(tmp_path / "saved")
    np.testing.assert_allclose(served.serve(sequences), model(sequences), atol=1e-6)


def test_another_cell_is_refused():
    with pytest.raises(ValueError, match="`cell` must be a VRNNCell. Received <LSTMCell.*RNN"):
        Recurrence(keras.layers.LSTMCell(4))
