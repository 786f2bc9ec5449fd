"""VRNN against a NumPy loop, and what must hold of its masks, metrics, states and errors."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import reference
import tiny_models
from vrnn_tf import VRNN, rng

# Row 0 is padded, row 1 has a hole and begins late, row 2 is whole.
MASK = np.array([[1, 1, 1, 0, 0], [0, 1, 0, 1, 1], [1, 1, 1, 1, 1]], bool)
LATENT_OUTPUTS = {"prior_loc", "prior_scale", "posterior_loc", "posterior_scale", "z"}


def compile_eager(model, learning_rate=0.0):
    model.compile(keras.optimizers.SGD(learning_rate), run_eagerly=True)
    return model


def train_step(model, inputs):
    """The logs of one training batch, metrics of that batch alone."""
    model.reset_metrics()
    return model.train_on_batch(inputs, return_dict=True)


def losses(model, inputs, training=True):
    model(inputs, training=training)
    return sum(float(loss) for loss in model.losses)


def loss_and_gradients(model, inputs):
    model.training_calls.assign(0)
    with tf.GradientTape() as tape:
        model(inputs, training=True)
        loss = tf.add_n(model.losses)
    return loss, tape.gradient(loss, model.trainable_variables)


# --- against the NumPy loop ----------------------------------------------------------------------


@pytest.mark.parametrize("name", tiny_models.CASES)
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_outputs_equal_the_loop(name, mask):
    model = tiny_models.make_case(name)
    x = tiny_models.observations(model)
    inputs = x if mask is None else {"x": x, "mask": mask}
    outputs = tiny_models.numpy(model(inputs))
    noise = tiny_models.posterior_noise(model, 3, 5) if model.latent_size else None
    expected, _ = reference.LoopVRNN(model).run(x, noise, mask)
    assert set(outputs) == set(expected)
    assert LATENT_OUTPUTS.issubset(outputs) or not model.latent_size
    seen = MASK | (mask is None)
    for key, value in expected.items():
        np.testing.assert_allclose(outputs[key][seen], value[seen], rtol=2e-5, atol=2e-5)
    np.testing.assert_array_equal(outputs["log_likelihood"][~seen], 0.0)
    np.testing.assert_array_equal(outputs["kl"][~seen], 0.0)


@pytest.mark.parametrize("name", ["lstm", "stack"])
def test_graph_with_unknown_sizes_equals_the_loop(name):
    model = tiny_models.make_case(name)
    x = tiny_models.observations(model)
    signature = [tf.TensorSpec((None, None, x.shape[-1])), tf.TensorSpec((None, None), tf.bool)]
    graph = tf.function(lambda x, mask: model({"x": x, "mask": mask}), input_signature=signature)
    expected, _ = reference.LoopVRNN(model).run(x, tiny_models.posterior_noise(model, 3, 5), MASK)
    for key, value in tiny_models.numpy(graph(x, MASK)).items():
        np.testing.assert_allclose(value[MASK], expected[key][MASK], rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    "name", ["lstm", "gru", "simple_rnn", "stack", "residual", "standard_normal", "no_latent"]
)
def test_gradients_equal_central_differences_of_the_loop(name):
    model = tiny_models.make_case(name, kl_weight=0.7)
    x = tiny_models.observations(model)
    loss, gradients = loss_and_gradients(model, {"x": x, "mask": MASK})
    loop = reference.LoopVRNN(model)
    noise = tiny_models.posterior_noise(model, 3, 5) if model.latent_size else None
    np.testing.assert_allclose(loss, loop.loss(x, noise, MASK, 0.7), rtol=1e-5)
    generator, epsilon = np.random.default_rng(0), 1e-5
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        value = loop.value(variable)
        for flat in generator.choice(value.size, min(3, value.size), replace=False):
            entry = np.unravel_index(flat, value.shape)
            kept = value[entry]
            difference = 0.0
            for sign in (1.0, -1.0):
                value[entry] = kept + sign * epsilon
                difference += sign * loop.loss(x, noise, MASK, 0.7) / (2.0 * epsilon)
            value[entry] = kept
            actual = keras.ops.convert_to_numpy(gradient)[entry]
            np.testing.assert_allclose(
                actual, difference, rtol=1e-4, atol=2e-5, err_msg=f"{variable.path} {entry}"
            )


def test_evaluate_is_the_mean_over_the_sequences_of_unequal_batches():
    model = compile_eager(tiny_models.make_case("lstm", kl_weight=0.5))
    x = tiny_models.observations(model, batch=5)
    mask = np.concatenate([MASK, MASK[:2]])
    expected = {"nll": 0.0, "kl": 0.0}
    loop = reference.LoopVRNN(model)
    for rows in (slice(0, 2), slice(2, 4), slice(4, 5)):
        noise = tiny_models.posterior_noise(model, len(x[rows]), 5)
        outputs, _ = loop.run(x[rows], noise, mask[rows])
        expected["nll"] -= outputs["log_likelihood"].sum() / 5
        expected["kl"] += outputs["kl"].sum() / 5
    expected["elbo"] = -expected["nll"] - expected["kl"]
    expected["loss"] = expected["nll"] + 0.5 * expected["kl"]
    inputs = {"x": x, "mask": mask}
    logs = model.evaluate(inputs, batch_size=2, verbose=0, return_dict=True)
    assert logs.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(logs[key], value, rtol=1e-5, err_msg=key)
    again = model.evaluate(inputs, batch_size=2, verbose=0, return_dict=True)
    assert logs == again


def test_training_draws_new_noise_for_every_batch_and_warms_up_linearly():
    model = compile_eager(tiny_models.make_case("lstm", kl_weight=0.5, kl_warmup_steps=4))
    x = tiny_models.observations(model)
    loop = reference.LoopVRNN(model)
    noise = tiny_models.posterior_noise(model, 3, 5)
    expected = loop.loss(x, noise, kl_weight=0.5)  # evaluation has the whole weight at once
    np.testing.assert_allclose(losses(model, x, training=False), expected, rtol=1e-5)
    weights = (0.125, 0.25, 0.375, 0.5, 0.5)
    for call, weight in enumerate(weights):
        logs = train_step(model, x)
        outputs, _ = loop.run(x, tiny_models.posterior_noise(model, 3, 5, call))
        np.testing.assert_allclose(logs["kl"], outputs["kl"].sum() / 3, rtol=1e-5)
        np.testing.assert_allclose(logs["nll"], -outputs["log_likelihood"].sum() / 3, rtol=1e-5)
        np.testing.assert_allclose(logs["loss"], logs["nll"] + weight * logs["kl"], rtol=1e-6)


# --- metrics -------------------------------------------------------------------------------------


def test_weights_of_the_loss_do_not_touch_the_metrics():
    plain = compile_eager(tiny_models.make())
    x = tiny_models.observations(plain)
    expected = plain.test_on_batch(x, return_dict=True)
    weighted = compile_eager(tiny_models.make(kl_weight=0.1, free_nats=0.2))
    logs = weighted.test_on_batch(x, return_dict=True)
    for name in ("elbo", "nll", "kl"):
        assert logs[name] == expected[name]
    assert logs["loss"] != expected["loss"]


def test_free_nats_cost_a_floor_at_every_observed_step():
    model = tiny_models.make(free_nats=0.2, kl_weight=0.5)
    x = tiny_models.observations(model)
    outputs = tiny_models.numpy(model({"x": x, "mask": MASK}))
    kl = outputs["kl"][MASK]
    assert kl.min() < 0.2 < kl.max()
    expected = 0.5 * np.maximum(kl, 0.2).sum() / 3 - outputs["log_likelihood"].sum() / 3
    np.testing.assert_allclose(sum(model.losses), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "bound", ["elbo", pytest.param({"name": "iwae", "num_samples": 2}, marks=pytest.mark.slow)]
)
def test_dropout_takes_a_share_of_phi_x_away_in_training_alone(bound, monkeypatch):
    model = tiny_models.make(hidden_units=40, dropout=0.3, bound=bound)
    plain = tiny_models.make(hidden_units=40, bound=bound)
    x = tiny_models.observations(model, batch=4, steps=50)
    np.testing.assert_array_equal(model(x)["kl"], plain(x)["kl"])
    model(x, training=True)
    plain(x, training=True)
    assert float(sum(model.losses)) != pytest.approx(float(sum(plain.losses)), rel=1e-4)

    seeds = rng.sequence_seeds(model.seed, 1, np.arange(4, dtype=np.int32))
    uniforms = np.array(rng.uniform(seeds, np.arange(50, dtype="int32"), 40, rng.DROPOUT))
    gone = uniforms < 0.3
    assert abs(gone.mean() - 0.3) < 6 * np.sqrt(0.3 * 0.7 / gone.size)
    assert len({row.tobytes() for row in gone.reshape(-1, 40)}) == 4 * 50  # anew at each step
    left = np.where(gone, 0.0, np.array(plain.phi_x(x)) / 0.7).astype("float32")
    monkeypatch.setattr(plain, "encode", lambda *_: (left, left))
    for each in (model, plain):
        each(x, training=True)
    assert float(sum(model.losses)) == pytest.approx(float(sum(plain.losses)), rel=1e-5)


def test_predict_does_not_touch_the_metrics():
    model = compile_eager(tiny_models.make())
    x = tiny_models.observations(model)
    before = model.test_on_batch(x, return_dict=True)
    model.predict(x, verbose=0)
    assert {name: float(m.result()) for name, m in model.metric_of.items()} == {
        name: before[name] for name in ("elbo", "nll", "kl")
    }


def test_a_model_without_latent_variable_has_no_kl():
    model = compile_eager(tiny_models.make_case("no_latent"))
    logs = model.test_on_batch(tiny_models.observations(model), return_dict=True)
    assert logs["kl"] == 0.0
    assert logs["loss"] == logs["nll"] == -logs["elbo"]


# --- causality -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lstm", "stack", "residual", "no_latent"])
def test_the_future_changes_nothing_before_it(name):
    model = tiny_models.make_case(name)
    x = tiny_models.observations(model)
    changed = x.copy()
    changed[:, 2:] = tiny_models.observations(model, seed=1)[:, 2:]
    before, after = (tiny_models.numpy(model(value)) for value in (x, changed))
    for key in before:
        np.testing.assert_array_equal(before[key][:, :2], after[key][:, :2], err_msg=key)
    # Eqs. (5) and (7): prior and h_{t-1} do not see x_t either, but the step after does.
    for key in {"prior_loc", "prior_scale", "h_tm1"} & set(before):
        np.testing.assert_array_equal(before[key][:, 2], after[key][:, 2], err_msg=key)
        assert np.all(np.any(before[key][:, 3] != after[key][:, 3], axis=-1))
    if not model.latent_size:
        np.testing.assert_array_equal(before["raw_parameters"][:, 2], after["raw_parameters"][:, 2])


def test_no_gradient_flows_from_an_output_to_the_future():
    model = tiny_models.make()
    x = tf.constant(tiny_models.observations(model))
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = model(x)
        past = tf.add_n([tf.reduce_sum(value[:, :3]) for value in outputs.values()])
    gradient = tape.gradient(past, x).numpy()
    np.testing.assert_array_equal(gradient[:, 3:], 0.0)
    assert np.all(gradient[:, :3] != 0.0)


# --- masks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", [np.nan, np.inf, 1e30])
def test_padding_content_changes_nothing(padding):
    model = tiny_models.make_case("lstm")
    x = np.where(MASK[..., None], tiny_models.observations(model), 0.0).astype("float32")
    dirty = np.where(MASK[..., None], x, padding).astype("float32")
    clean_loss, clean_gradients = loss_and_gradients(model, {"x": x, "mask": MASK})
    loss, gradients = loss_and_gradients(model, {"x": dirty, "mask": MASK})
    np.testing.assert_array_equal(loss, clean_loss)
    for actual, expected in zip(gradients, clean_gradients, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_padding_content_changes_nothing_observed():
    model = tiny_models.make_case("lstm")
    x = np.where(MASK[..., None], tiny_models.observations(model), 0.0).astype("float32")
    dirty = np.where(MASK[..., None], x, np.nan).astype("float32")
    seeds, results = np.arange(3, dtype="int32"), []
    for padded in (x, dirty):
        with tf.GradientTape() as tape:
            outputs, states = model.observe(tf.constant(padded), tf.constant(MASK), seeds)
            total = tf.reduce_sum(outputs["log_likelihood"]) - tf.reduce_sum(outputs["kl"])
        gradients = tape.gradient(total, model.trainable_variables)
        results.append([*outputs.values(), *states, *gradients])
    for clean, actual in zip(*results, strict=True):
        np.testing.assert_array_equal(actual, clean)


@pytest.mark.parametrize("name", ["lstm", "stack"])
def test_a_padded_batch_equals_its_sequences_one_by_one(name):
    model = tiny_models.make_case(name)
    x, lengths = tiny_models.observations(model), (3, 1, 5)
    mask = np.arange(5) < np.array(lengths)[:, None]
    seeds = np.array([3, 1, 4], "int32")
    outputs, states = model.observe(x, keras.ops.convert_to_tensor(mask), seeds)
    for i, end in enumerate(lengths):
        row, whole = slice(i, i + 1), np.ones((1, end), bool)
        alone, last = model.observe(x[row, :end], keras.ops.convert_to_tensor(whole), seeds[row])
        for key in outputs:
            np.testing.assert_allclose(outputs[key][row, :end], alone[key], atol=1e-6)
        for state, expected in zip(states, last, strict=True):
            np.testing.assert_allclose(state[row], expected, atol=1e-6)


def test_rows_without_observations_do_not_count():
    model = compile_eager(tiny_models.make())
    x = tiny_models.observations(model, batch=4)
    mask = np.concatenate([MASK, np.zeros((1, 5), bool)])
    expected = model.test_on_batch({"x": x[:3], "mask": MASK}, return_dict=True)
    model.reset_metrics()
    logs = model.test_on_batch({"x": x, "mask": mask}, return_dict=True)
    for key, value in expected.items():
        np.testing.assert_allclose(logs[key], value, rtol=1e-6)
    model.reset_metrics()
    empty = model.test_on_batch({"x": x, "mask": np.zeros_like(mask)}, return_dict=True)
    assert set(empty.values()) == {0.0}


def test_a_hole_in_the_mask_holds_the_state():
    model = tiny_models.make_case("no_latent")
    x = tiny_models.observations(model, batch=1)
    mask = np.array([[1, 1, 0, 0, 1]], bool)
    h_tm1 = model({"x": x, "mask": mask})["h_tm1"]
    expected = model(x[:, [0, 1, 4]])["h_tm1"]
    np.testing.assert_allclose(h_tm1[:, 4], expected[:, 2], atol=1e-6)
    assert np.any(np.abs(expected[:, 2]) > 1e-3)


@pytest.mark.filterwarnings("ignore:Layer .* does not support masking")  # hands none on, rather
@pytest.mark.parametrize("dtype", ["bool", "int32", "float32"])
def test_a_mask_may_be_numbers_and_may_be_an_argument(dtype):
    model = tiny_models.make()
    x = tiny_models.observations(model)
    expected = losses(model, {"x": x, "mask": MASK}, training=False)
    assert losses(model, {"x": x, "mask": MASK.astype(dtype)}, training=False) == expected
    model(x, mask=keras.ops.convert_to_tensor(MASK.astype(dtype)))
    assert sum(float(loss) for loss in model.losses) == expected


# --- long sequences in chunks --------------------------------------------------------------------

# Two rows of a stream: sequences of 6 and 3 steps above, of 3 and 6 below, in chunks of 3 steps.
RESETS = np.array([[1, 1], [0, 1], [1, 0]], "float32")


def chunked(x):
    return [{"x": x[:, 3 * i : 3 * i + 3], "reset": RESETS[i]} for i in range(3)]


def stateful(name="no_latent", **arguments):
    return compile_eager(tiny_models.make_case(name, stateful_batch_size=2, **arguments))


def stream_log_likelihood(model, x):
    """Summed over the four whole sequences of the stream."""
    loop = reference.LoopVRNN(model)
    parts = [x[:1, :6], x[:1, 6:], x[1:, :3], x[1:, 3:]]
    return sum(loop.run(part, None)[0]["log_likelihood"].sum() for part in parts)


def test_chunks_have_the_log_likelihood_of_the_whole_sequences():
    model = stateful()
    x = tiny_models.observations(model, batch=2, steps=9)
    expected = stream_log_likelihood(model, x) / 4
    chunks = np.stack(np.split(x, 3, axis=1))
    batches = tf.data.Dataset.from_tensor_slices({"x": chunks, "reset": RESETS})
    logs = model.evaluate(batches, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["elbo"], expected, rtol=1e-5)
    assert float(model.metric_of["elbo"].sequences) == 4.0  # each once, however many its chunks
    history = model.fit(batches, validation_data=batches, shuffle=False, verbose=0).history
    np.testing.assert_allclose(history["elbo"], [expected], rtol=1e-5)
    np.testing.assert_allclose(history["val_elbo"], [expected], rtol=1e-5)


def test_chunks_evaluate_with_the_noise_of_the_whole_sequence():
    x = tiny_models.observations(tiny_models.make(), batch=2, steps=6)
    whole, model = tiny_models.make(), stateful("simple_rnn", recurrent_cell="lstm")
    expected = tiny_models.numpy(whole(x))
    for i, reset in enumerate(([1, 1], [0, 0])):
        steps = slice(3 * i, 3 * i + 3)
        chunk = tiny_models.numpy(model({"x": x[:, steps], "reset": np.array(reset)}))
        for key, value in expected.items():
            np.testing.assert_allclose(
                chunk[key], value[:, steps], rtol=1e-5, atol=1e-6, err_msg=key
            )


def test_training_goes_on_from_the_state_of_the_chunk_before():
    model = stateful("lstm")
    x = tiny_models.observations(model, batch=2, steps=9)
    first, second, _ = chunked(x)
    model(first, training=True)
    h = [np.array(value) for value in model.carried["training"]]
    outputs = model(second, training=True)
    np.testing.assert_array_equal(outputs["h_tm1"][0, 0], h[1][0])
    assert np.all(h[1][0] != 0.0)
    np.testing.assert_array_equal(outputs["h_tm1"][1, 0], 0.0)  # the row that is reset, alone


def test_a_reset_forgets_a_state_that_is_not_finite():
    model = stateful()
    x = tiny_models.observations(model, batch=2, steps=3)
    for state in model.carried["evaluation"][1:]:
        state.assign(np.full(state.shape, np.nan))
    outputs = tiny_models.numpy(model({"x": x, "reset": np.ones(2)}))
    assert np.isfinite(outputs["log_likelihood"]).all()


def test_evaluation_does_not_disturb_the_training_states():
    x = tiny_models.observations(stateful(), batch=2, steps=9)
    first, second, third = chunked(x)
    undisturbed, model = stateful(), stateful()
    undisturbed(first, training=True)
    model(first, training=True)
    model.evaluate(third, batch_size=2, verbose=0)
    expected = undisturbed(second, training=True)["log_likelihood"]
    np.testing.assert_array_equal(model(second, training=True)["log_likelihood"], expected)


# --- precision and seeds -------------------------------------------------------------------------


def test_mixed_precision_trains_with_densities_in_float32():
    arguments = {"likelihood": tiny_models.STROKES, "recurrent_units": (4, 3)}
    model = tiny_models.make(**arguments, dtype="mixed_bfloat16")
    x = tiny_models.observations(model)
    parts = [layer for layer in model._flatten_layers() if layer.trainable_weights]
    assert {layer.compute_dtype for layer in parts} == {"bfloat16"}
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    outputs = model(x)
    assert {value.dtype for value in outputs.values()} == {tf.float32}
    exact = tiny_models.make(**arguments)(x)
    difference = np.abs(outputs["log_likelihood"] - exact["log_likelihood"])
    assert 0.0 < difference.max() < 0.2
    compile_eager(model, learning_rate=0.01)
    first, *_, last = (train_step(model, x)["loss"] for _ in range(3))
    assert last < first
    sample = model.generate(2, 3, prime=x[0])
    assert np.isfinite(sample).all() and sample[0].dtype == np.float32


@pytest.mark.parametrize("likelihood", ["bivariate_gmm", "categorical"])
def test_the_seed_fixes_weights_and_noise(likelihood):
    arguments = {"latent_size": 2, "recurrent_units": 4, "hidden_units": 3}
    if likelihood == "categorical":
        likelihood = {"name": "categorical", "num_classes": 5}
        arguments["embedding_size"] = 3
    histories, weights = [], []
    for seed in (7, 7, 8):
        model = compile_eager(VRNN(likelihood, seed=seed, **arguments), learning_rate=0.01)
        x = tiny_models.observations(model)
        weights.append([np.array(weight) for weight in model.trainable_weights])
        histories.append([train_step(model, x)["loss"] for _ in range(2)])
    assert histories[0] == histories[1]
    assert not set(histories[0]) & set(histories[2])
    for first, second, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)
        # Only a bias may start the same under another seed.
        assert first.ndim == 1 or np.any(first != other)


@pytest.mark.parametrize("seed", [-1, 2**31 - 1])
def test_extreme_seeds(seed):
    model = VRNN(tiny_models.FEATURES, 2, 3, hidden_units=2, seed=seed)
    assert np.isfinite(model(tiny_models.observations(model))["kl"]).all()


# --- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", tiny_models.CASES)
def test_configuration_round_trip(name):
    model = tiny_models.make_case(name)
    config = model.get_config()
    VRNN.from_config(config)  # must leave the configuration as it was
    copy = VRNN.from_config(config)
    copy.set_weights(model.get_weights())
    x = tiny_models.observations(model)
    outputs = copy(x)
    for key, value in model(x).items():
        np.testing.assert_array_equal(outputs[key], value)
    parsed = keras.models.model_from_json(model.to_json())
    assert parsed.to_json() == model.to_json()


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_from_config_leaves_its_argument_as_it_was(dtype):
    config = tiny_models.make_case("stack", dtype=dtype).get_config()
    assert isinstance(config["dtype"], dict)  # which the constructor does not take
    before = json.dumps(config)
    VRNN.from_config(config)
    assert json.dumps(config) == before


def test_the_seed_decides_the_weights_of_the_likelihood():
    likelihood = {"name": "nade", "event_size": 4, "units": 3}
    arguments = {"latent_size": 2, "recurrent_units": 4, "hidden_units": 3}
    models = [VRNN(likelihood, **arguments, seed=seed) for seed in (5, 5, 6)]
    weights = [model.likelihood.layer.get_weights() for model in models]
    for a, b, c in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.isclose(a, c).any()


def test_an_optimizer_that_is_compiled_twice_skips_a_batch_once():
    model = tiny_models.make(skip_non_finite=True)
    optimizer = keras.optimizers.SGD(1e-3)
    for _ in range(2):
        model.compile(optimizer)
    x = tiny_models.observations(model)
    x[0, 0] = 1e38  # its square is infinite
    history = model.fit(x, verbose=0).history
    assert history["skipped"] == [1.0]
    assert np.isfinite(history["loss"]).all()


def test_every_argument_survives_the_configuration():
    arguments = {
        "likelihood": {"name": "bivariate_gmm", "num_components": 3, "end_of_sequence": True},
        "latent_size": 3,
        "recurrent_units": (5, 4),
        "recurrent_cell": "gru",
        "hidden_units": {"phi_x": (2, 3), "prior": 4},
        "activation": "tanh",
        "prior": "standard_normal",
        "posterior": "residual",
        "initialization": "paper",
        "max_norm": 1.5,
        "min_scale": 0.01,
        "kl_weight": 0.5,
        "kl_warmup_steps": 10,
        "free_nats": 0.1,
        "dropout": 0.2,
        "stateful_batch_size": 2,
        "seed": 3,
    }
    model = VRNN(**arguments)
    config = keras.models.model_from_json(model.to_json()).get_config()
    likelihood = config.pop("likelihood")
    assert likelihood == {**arguments.pop("likelihood"), "min_scale": 1e-4}
    widths = config.pop("hidden_units")
    expected = {"phi_x": (2, 3), "phi_z": (150,), "prior": (4,)}
    expected |= {"posterior": (150,), "decoder": (150,)}
    assert {name: tuple(value) for name, value in widths.items()} == expected
    del arguments["hidden_units"]
    assert tuple(config.pop("recurrent_units")) == arguments.pop("recurrent_units")
    assert {name: config[name] for name in arguments} == arguments


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"likelihood": "bivariate_gm"}, "`likelihood` must be one of .*Did you mean 'bivariate_g"),
        ({"prior": "gaussian"}, "`prior` must be one of .*'standard_normal'.*Received 'gaussian'"),
        ({"posterior": "forgetful"}, "`posterior` must be one of .*'residual'"),
        ({"initialization": "he"}, "`initialization` must be one of .*'paper'"),
        ({"recurrent_cell": "LSTM"}, "`recurrent_cell` must be one of .*'lstm'.*Received 'LSTM'"),
        ({"activation": "reluu"}, "activation function.*reluu"),
        ({"latent_size": -1}, "`latent_size` must be an integer >= 0. Received -1"),
        ({"latent_size": 2.0}, "`latent_size` must be an integer"),
        ({"recurrent_units": -3}, r"`recurrent_units\[0\]` must be an integer >= 1. Received -3"),
        ({"recurrent_units": 0}, r"`recurrent_units\[0\]` must be an integer >= 1. Received 0"),
        ({"recurrent_units": ()}, "at least one cell"),
        ({"recurrent_units": None, "recurrent_cell": []}, "at least one cell"),
        ({"recurrent_cell": keras.layers.GRUCell(3)}, "`recurrent_units` goes with a .*by name"),
        ({"hidden_units": {"encoder": 3}}, "`hidden_units` must be one of .*Received 'encoder'"),
        ({"hidden_units": {"prior": 0}}, r"`hidden_units\['prior'\]\[0\]` must be an integer >= 1"),
        ({"max_norm": 0.0}, "`max_norm` must be a number > 0"),
        ({"min_scale": 0.0}, "`min_scale` must be a number > 0"),
        ({"kl_weight": -1.0}, "`kl_weight` must be a number >= 0"),
        ({"kl_warmup_steps": -1}, "`kl_warmup_steps` must be an integer >= 0"),
        ({"free_nats": -0.1}, "`free_nats` must be a number >= 0"),
        ({"dropout": -0.1}, "`dropout` must be a number >= 0"),
        ({"dropout": 1.0}, "`dropout` must be below 1. Received 1.0"),
        ({"stateful_batch_size": 0}, "`stateful_batch_size` must be an integer >= 1"),
        ({"seed": 0.5}, "`seed` must be an integer"),
        ({"embedding_size": 4}, "`embedding_size` goes with .*categorical.*Received.*=4"),
        ({"likelihood": {"name": "categorical", "num_classes": 3}}, "`embedding_size` goes with"),
    ],
    ids=str,
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny_models.make(**arguments)


LSTM_WITH_DROPOUT = keras.layers.LSTMCell(3, dropout=0.1)


@pytest.mark.parametrize(
    ("core", "message"),
    [
        (LSTM_WITH_DROPOUT, "must not have dropout.*dropout=0.1"),
        (keras.layers.GRUCell(3, recurrent_dropout=0.1), "must not have dropout"),
        (keras.layers.LSTM(3), "must be a Keras recurrent cell.*Pass the cell"),
        (keras.layers.Dense(3), "must be a Keras recurrent cell"),
        (
            keras.layers.StackedRNNCells([keras.layers.LSTMCell(3), LSTM_WITH_DROPOUT]),
            "must not have dropout.*dropout=0.1",
        ),
        (keras.layers.LSTMCell(3, dtype="mixed_bfloat16"), "must compute in float32"),
    ],
)
def test_wrong_cores(core, message):
    with pytest.raises(ValueError, match=message):
        tiny_models.make(recurrent_units=None, recurrent_cell=core)


X = np.zeros((3, 5, 2), "float32")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (X[0], r"`x` must be \[B, T, 2\] \(real features\). Received shape \(5, 2\). Add the axis"),
        (X[..., :1], r"`x` must be \[B, T, 2\].*Received shape \(3, 5, 1\)"),
        ({"x": X, "mask": np.ones((3, 5, 1))}, r"`mask` must be \[B, T\].*shape \(3, 5, 1\)"),
        ({"x": X, "mask": np.ones((3, 4))}, r"`mask` must be.*\(3, 4\) for x of shape \(3, 5, 2\)"),
        ({"x": X, "mask": np.ones((1, 5))}, r"`mask` must be.*\(1, 5\)"),
        ({"x": X, "lengths": np.ones(3)}, r"dictionary of \['mask', 'x'\]. Received .*'lengths'"),
        ({"mask": np.ones((3, 5))}, r"dictionary of \['mask', 'x'\]. Received \['mask'\]"),
        ({"x": X, "reset": np.ones(3)}, "`reset` needs stateful_batch_size"),
    ],
)
def test_wrong_inputs(inputs, message):
    with pytest.raises(ValueError, match=message):
        tiny_models.make()(inputs)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": X[:2]}, r"stateful_batch_size=2 needs 'reset' \[2\].*Received \['x'\]"),
        ({"x": X, "reset": np.ones(3)}, r"x \[2, T, D\].*Received .*\(3, 5, 2\)"),
        ({"x": X[:2], "reset": np.ones(1)}, r"reset of shape \(1,\)"),
    ],
)
def test_wrong_inputs_of_a_stateful_model(inputs, message):
    with pytest.raises(ValueError, match=message):
        tiny_models.make(stateful_batch_size=2)(inputs)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_observation_that_is_not_finite_is_reported(value):
    model = tiny_models.make()
    x = X.copy()
    x[1, 2, 0] = value
    with pytest.raises(tf.errors.InvalidArgumentError, match="`x` must be finite wherever `mask`"):
        model(x)
    mask = np.ones((3, 5), bool)
    mask[1, 2] = False
    assert np.isfinite(losses(model, {"x": x, "mask": mask}))


def test_targets_and_sample_weights_are_refused():
    model = compile_eager(tiny_models.make())
    with pytest.raises(ValueError, match="trained on x alone.*Received targets"):
        model.fit(X, X, verbose=0)
    weighted = tf.data.Dataset.from_tensors((X, None, np.ones(3, "float32")))
    with pytest.raises(ValueError, match="or sample weights"):
        model.evaluate(weighted, verbose=0)
    for name, value in {"sample_weight": np.ones(3), "class_weight": {0: 1.0}}.items():
        with pytest.raises(ValueError, match=f"Received targets or sample weights .`{name}`"):
            model.fit(X, **{name: value}, verbose=0)


@pytest.mark.parametrize("x", [X.astype(str), X.astype("complex64")])
def test_what_is_no_real_number_is_refused(x):
    with pytest.raises(ValueError, match="`x` must hold real numbers. Received dtype"):
        tiny_models.make()(x)
