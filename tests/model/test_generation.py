"""Generation against training: what is sampled scores as it was sampled, however it is drawn."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import reference
import tiny_models
from vrnn_tf import rng
from vrnn_tf.model import generation

REPLAYED = ["lstm", "gru", "stack", "mixed_stack", "residual", "standard_normal", "no_latent"]


def options_of(model, batch, **values):
    defaults = generation.option_defaults(model.likelihood, model.latent_size)
    return {name: ops.full((batch,), v) for name, v in {**defaults, **values}.items()}


def integers(*values):
    return ops.convert_to_tensor(np.array(values, "int32"))


def generate(model, seeds, steps, max_steps, start=None, states=None, **options):
    """x and length as NumPy arrays."""
    batch = len(seeds)
    x, length = generation.generate(
        model,
        model.cell.get_initial_state(batch) if states is None else states,
        integers(*seeds),
        integers(*(start or [0] * batch)),
        integers(*steps),
        options_of(model, batch, **options),
        max_steps,
    )
    return ops.convert_to_numpy(x), ops.convert_to_numpy(length)


def sample_with_latents(model, seeds, steps):
    """x, z, h_{t-1}, prior and raw parameters of the steps of `step_from_noise`, stacked."""
    batch = len(seeds)
    numbers = ops.convert_to_tensor(np.tile(np.arange(steps, dtype="int32"), (batch, 1)))
    noise = generation.draw_noise(model, integers(*seeds), numbers)
    states, made = model.cell.get_initial_state(batch), []
    for t in range(steps):
        h_tm1, step, z, phi_z = states[0], {}, None, None
        if model.latent_size:
            size = rng.normal_noise_size(model.latent_size)
            prior = model.cell.prior(h_tm1)
            z = prior.loc + prior.scale * rng.normal(noise[:, t, :size], model.latent_size)
            phi_z = model.cell.phi_z(z)
            step = {"prior_loc": prior.loc, "prior_scale": prior.scale, "z": z}
        raw = model.decode(phi_z, h_tm1)
        x, states = generation.step_from_noise(model, states, noise[:, t], options_of(model, batch))
        made.append({"x": x, "h_tm1": h_tm1, "raw_parameters": raw, **step})
    return {name: np.stack([m[name] for m in made], axis=1) for name in made[0]}, states


@pytest.mark.parametrize("name", REPLAYED)
def test_a_sampled_sequence_replayed_through_training_is_the_same(name, monkeypatch):
    model = tiny_models.make_case(name)
    sampled, states = sample_with_latents(model, seeds=(5, 6), steps=4)
    if model.latent_size:
        # The noise with which the posterior gives the z that the prior gave.
        loop, eps = reference.LoopVRNN(model), np.zeros((2, 4, model.latent_size))
        for t in range(4):
            phi_x = loop.dense(model.phi_x.layers, sampled["x"][:, t].astype("float64"))
            loc, scale = loop.posterior(phi_x, sampled["h_tm1"][:, t])
            eps[:, t] = (sampled["z"][:, t] - loc) / scale
        noise = ops.convert_to_tensor(eps.astype("float32"))
        monkeypatch.setattr(type(model), "posterior_noise", lambda *_: noise)
    x, mask = ops.convert_to_tensor(sampled["x"]), ops.ones((2, 4), dtype="bool")
    replayed, replayed_states = model.observe(x, mask, integers(5, 6))
    for key in set(sampled) - {"x"}:
        np.testing.assert_allclose(replayed[key], sampled[key], rtol=1e-4, atol=1e-5, err_msg=key)
    for actual, expected in zip(replayed_states, states, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    for t in range(4):
        expected = reference.log_density(
            model.likelihood, sampled["raw_parameters"][:, t], sampled["x"][:, t]
        )
        np.testing.assert_allclose(replayed["log_likelihood"][:, t], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["lstm", "mixed_stack", "no_latent"])
def test_generate_is_repeated_step(name):
    model = tiny_models.make_case(name)
    x, length = generate(model, (3, 4, 5), steps=(5, 5, 5), max_steps=5)
    states = model.cell.get_initial_state(3)
    for t in range(5):
        expected, states = generation.step(
            model, states, integers(3, 4, 5), integers(t, t, t), options_of(model, 3)
        )
        np.testing.assert_allclose(x[:, t], expected, atol=1e-6)
    np.testing.assert_array_equal(length, 5)


def test_a_sequence_depends_on_its_seed_alone():
    model = tiny_models.make_case("lstm")
    x, _ = generate(model, (3, 4, 3), steps=(6, 6, 6), max_steps=6)
    np.testing.assert_allclose(x[0], x[2], atol=1e-6)
    assert np.all(np.any(x[0] != x[1], axis=-1))
    alone, _ = generate(model, (4,), steps=(6,), max_steps=6)
    np.testing.assert_allclose(alone[0], x[1], atol=1e-6)
    longer, length = generate(model, (3, 4, 3), steps=(6, 6, 6), max_steps=9)
    np.testing.assert_allclose(longer[:, :6], x, atol=1e-6)
    np.testing.assert_array_equal(longer[:, 6:], 0.0)
    np.testing.assert_array_equal(length, 6)


def test_every_row_has_its_own_number_of_steps():
    model = tiny_models.make_case("lstm")
    whole, _ = generate(model, (1, 2, 3, 4), steps=(4, 4, 4, 4), max_steps=4)
    x, length = generate(model, (1, 2, 3, 4), steps=(2, 0, 9, -1), max_steps=4)
    np.testing.assert_array_equal(length, [2, 0, 4, 0])
    for row, end in enumerate(length):
        np.testing.assert_array_equal(x[row, :end], whole[row, :end])
        np.testing.assert_array_equal(x[row, end:], 0.0)


@pytest.mark.parametrize(
    ("likelihood", "more"),
    [
        ({"name": "categorical", "num_classes": 3, "end_class": 2}, {"embedding_size": 2}),
        ({"name": "bivariate_gmm", "num_components": 2, "end_of_sequence": True}, {}),
    ],
    ids=["categorical", "bivariate_gmm"],
)
def test_a_sequence_that_ends_itself(likelihood, more):
    model = tiny_models.make(likelihood, **more)
    seeds = tuple(range(8))
    x, length = generate(model, seeds, steps=(12,) * 8, max_steps=12)
    assert length.min() < 12 and len(set(length)) > 2
    for row, end in zip(x, length, strict=True):
        assert not np.any(row[: end - 1, -1] == 2)
        assert row[end - 1, -1] == 2 or end == 12
        np.testing.assert_array_equal(row[end:], 0.0)
    # A neighbour that ends early does not disturb a row that goes on.
    row = int(np.argmax(length))
    alone, alone_length = generate(model, (row,), steps=(12,), max_steps=12)
    assert alone_length[0] == length[row]
    np.testing.assert_allclose(alone[0], x[row], atol=1e-6)


def test_priming_is_observing_and_goes_on_where_it_ended():
    model = tiny_models.make_case("lstm")
    prefix, seeds = tiny_models.observations(model, batch=1)[0], integers(7, 8)
    primed = model.generate(2, 4, seed=7, prime=prefix)
    twice = np.stack([prefix, prefix])
    _, states = model.observe(twice, ops.ones((2, 5), dtype="bool"), seeds)
    for t in range(4):
        x, states = generation.step(
            model, states, seeds, integers(5 + t, 5 + t), options_of(model, 2)
        )
        for row in (0, 1):
            np.testing.assert_allclose(primed[row][t], x[row], atol=1e-6)
    unprimed = model.generate(2, 4, seed=7)
    assert not np.allclose(primed[0], unprimed[0])


def test_observing_in_two_parts_is_observing_once():
    model = tiny_models.make_case("lstm")
    x, seeds = tiny_models.observations(model, batch=2), integers(7, 8)
    whole, expected = model.observe(x, ops.ones((2, 5), dtype="bool"), seeds)
    _, states = model.observe(x[:, :2], ops.ones((2, 2), dtype="bool"), seeds)
    rest, states = model.observe(
        x[:, 2:], ops.ones((2, 3), dtype="bool"), seeds, states, start=integers(2, 2)
    )
    for key, value in rest.items():
        np.testing.assert_allclose(value, whole[key][:, 2:], rtol=1e-5, atol=1e-5, err_msg=key)
    for state, value in zip(states, expected, strict=True):
        np.testing.assert_allclose(state, value, atol=1e-6)


def test_temperature_zero_is_the_mode_whatever_the_seed():
    model = tiny_models.make(tiny_models.FEATURES)
    cold = {"temperature": 0.0, "latent_temperature": 0.0}
    first = model.generate(1, 4, seed=1, **cold)[0]
    np.testing.assert_array_equal(model.generate(1, 4, seed=2, **cold)[0], first)
    loop, h = reference.LoopVRNN(model), np.zeros((1, 4))
    states = loop.initial_states(1)
    for t in range(4):
        z, _ = loop.prior(h)
        x = loop.decode(z, h)[:, :2]  # the mean
        np.testing.assert_allclose(first[t], x[0], rtol=1e-4, atol=1e-5)
        h, states = loop.recur(loop.dense(model.phi_x.layers, x), z, h, states)
    # The temperature of x alone leaves the noise of z.
    assert not np.allclose(model.generate(1, 4, seed=1, temperature=0.0)[0], first)


def test_options_have_their_effect():
    model = tiny_models.make_case("lstm")
    assert list(generation.option_defaults(model.likelihood, 2)) == [
        "temperature",
        "latent_temperature",
        "pen_bias",
    ]
    assert "latent_temperature" not in generation.option_defaults(model.likelihood, 0)
    up, down = (model.generate(1, 5, pen_bias=bias)[0][:, 2] for bias in (50.0, -50.0))
    np.testing.assert_array_equal(up, 1.0)
    np.testing.assert_array_equal(down, 0.0)


def test_generate_counts_seeds_up_and_cuts_to_length():
    model = tiny_models.make_case("end_of_sequence")
    sequences = model.generate(3, 8, seed=4)
    again = [model.generate(1, 8, seed=seed)[0] for seed in (4, 5, 6)]
    for sequence, expected in zip(sequences, again, strict=True):
        assert sequence.dtype == np.float32 and sequence.shape[1] == 3
        np.testing.assert_allclose(sequence, expected, atol=1e-6)
    assert len(model.generate(1, 2, seed=2**40 + 2**31 - 1)) == 1


def test_no_steps_are_empty_sequences():
    for sequence in tiny_models.make().generate(2, 0):
        assert sequence.shape == (0, 2)


def test_generating_changes_nothing_in_the_model():
    model = tiny_models.make()
    before = [np.array(weight) for weight in model.weights]
    model.generate(1, 2, prime=np.zeros((2, 2)))
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_sequences": 0}, "`num_sequences` must be an integer >= 1. Received 0"),
        ({"num_steps": -1}, "`num_steps` must be an integer >= 0. Received -1"),
        ({"seed": 0.5}, "`seed` must be an integer"),
        ({"temperature": -0.1}, "`temperature` must be a number >= 0.0. Received -0.1"),
        ({"temperature": np.nan}, "`temperature` must be a number"),
        ({"latent_temperature": -1}, "`latent_temperature` must be a number >= 0"),
        ({"pen_bias": 1.0}, r"must be one of \['temperature', 'latent_temperature'\].*'pen_bias'"),
        ({"temprature": 1.0}, "Received 'temprature'. Did you mean 'temperature'"),
        ({"prime": np.zeros(2)}, r"`prime` must be one sequence \[T, 2\].*Received shape \(2,\)"),
        ({"prime": np.zeros((1, 3, 2))}, r"Received shape \(1, 3, 2\)"),
        ({"prime": np.zeros((3, 1))}, r"\[T, 2\] \(real features\).*Received shape \(3, 1\)"),
        ({"prime": np.zeros((0, 2))}, r"at least one step. Received shape \(0, 2\)"),
        ({"prime": np.full((3, 2), np.inf)}, "`prime` must be finite"),
    ],
    ids=str,
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny_models.make().generate(**{"num_steps": 2, **arguments})


def test_a_graph_generates_what_eager_mode_does():
    model = tiny_models.make_case("end_of_sequence")

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32)])
    def graph(seeds):
        batch = ops.shape(seeds)[0]
        full = {name: ops.full((batch,), v.numpy()[0]) for name, v in options.items()}
        zeros, steps = ops.zeros_like(seeds), ops.zeros_like(seeds) + 6
        states = model.cell.get_initial_state(batch)
        return generation.generate(model, states, seeds, zeros, steps, full, max_steps=6)

    options = options_of(model, 1)
    x, length = generate(model, (1, 2, 3), steps=(6, 6, 6), max_steps=6)
    graph_x, graph_length = graph(integers(1, 2, 3))
    np.testing.assert_array_equal(graph_length, length)
    np.testing.assert_allclose(graph_x, x, atol=1e-5)
