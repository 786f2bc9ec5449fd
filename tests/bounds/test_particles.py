"""IWAE and FIVO against a NumPy particle filter, each other and exact likelihoods."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import multivariate_normal

import reference
import tiny_models
from vrnn_tf import VRNN, bounds, evaluate_bound, rng
from vrnn_tf.bounds import Bound

SEEDS = np.array([7, -3, 11], np.int32)
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 1, 1, 0]], bool)


def noise(model, number, steps):
    """float64 `[B, N, T, Z]`: particle n of a sequence draws from a seed of its own."""
    seeds = rng.particle_seeds(tf.constant(SEEDS), number)
    size = rng.normal_noise_size(model.latent_size)
    uniforms = rng.uniform(seeds, tf.range(steps), size, rng.POSTERIOR)
    eps = np.array(rng.normal(uniforms, model.latent_size), np.float64)
    return eps.reshape(len(SEEDS), number, steps, -1)


def resampling_noise(bound, steps):
    size = bound.num_samples if bound.resampling == "multinomial" else 1
    return np.array(rng.uniform(tf.constant(SEEDS), tf.range(steps), size, rng.RESAMPLING))


def particle_bound(model, x, bound, mask=MASK):
    return np.array(
        tf.function(bounds.particle_bound, autograph=False)(
            model, tf.constant(x), tf.constant(mask), tf.constant(SEEDS), bound
        )
    )


@pytest.mark.parametrize(
    "name",
    [
        "lstm",
        "smoothing",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("gru", "stack", "standard_normal")),
    ],
)
def test_iwae_is_the_mean_of_importance_weights(name):
    model = tiny_models.make_case(name)
    x = tiny_models.observations(model)
    expected = reference.LoopVRNN(model).particle_bound(x, noise(model, 4, 5), MASK)
    np.testing.assert_allclose(particle_bound(model, x, Bound("iwae", 4)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("resampling", "threshold"), itertools.product(bounds.RESAMPLING, (0.4, 1.0))
)
def test_fivo_is_the_particle_filter(resampling, threshold):
    model = tiny_models.make_case("lstm")
    x = tiny_models.observations(model)
    bound = Bound("fivo", 5, resampling, threshold)
    expected = reference.LoopVRNN(model).particle_bound(
        x,
        noise(model, 5, 5),
        MASK,
        resampling_noise(bound, 5),
        systematic=resampling == "systematic",
        threshold=threshold,
    )
    actual = particle_bound(model, x, bound)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    assert np.abs(actual - particle_bound(model, x, Bound("iwae", 5))).max() > 1e-4


def test_one_sample_is_the_elbo_with_a_sampled_kl():
    model = tiny_models.make_case("residual")
    x = tiny_models.observations(model)
    outputs, _ = reference.LoopVRNN(model).run(x, noise(model, 1, 5)[:, 0], MASK)
    z, p, q = (
        outputs["z"],
        (outputs["prior_loc"], outputs["prior_scale"]),
        (outputs["posterior_loc"], outputs["posterior_scale"]),
    )
    ratio = (reference.norm.logpdf(z, *p) - reference.norm.logpdf(z, *q)).sum(axis=-1)
    expected = (outputs["log_likelihood"] + np.where(MASK, ratio, 0.0)).sum(axis=1)
    for bound in (Bound("iwae", 1), Bound("fivo", 1, ess_threshold=1.0)):
        np.testing.assert_allclose(particle_bound(model, x, bound), expected, rtol=1e-5)


def test_fivo_that_never_resamples_is_iwae():
    model = tiny_models.make_case("gru")
    x = tiny_models.observations(model)
    never = particle_bound(model, x, Bound("fivo", 6, ess_threshold=0.0))
    np.testing.assert_array_equal(never, particle_bound(model, x, Bound("iwae", 6)))


@pytest.mark.parametrize("bound", [Bound("iwae", 3), Bound("fivo", 3, ess_threshold=0.8)], ids=str)
def test_chunks_add_up_to_the_whole(bound):
    model = tiny_models.make_case("lstm")
    x = tiny_models.observations(model)
    whole, last = bounds.particle_filter(model, x, MASK, tf.constant(SEEDS), bound)
    nats, particles, start = 0.0, None, 0
    for steps in (2, 1, 2):
        now = slice(start, start + steps)
        more, particles = bounds.particle_filter(
            model,
            x[:, now],
            MASK[:, now],
            tf.constant(SEEDS),
            bound,
            particles,
            tf.fill([3], start),
        )
        nats, start = nats + more, start + steps
    np.testing.assert_allclose(nats, whole, rtol=1e-5)
    for a, b in zip(particles, last, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_stateful_model_carries_its_particles(jit_compile):
    bound = {"name": "fivo", "num_samples": 3}
    model = tiny_models.make_case("lstm", bound=bound, stateful_batch_size=3)
    x = tiny_models.observations(model, steps=6)
    model.compile(keras.optimizers.SGD(0.0), jit_compile=jit_compile)
    seeds = rng.sequence_seeds(model.seed, tf.constant(0), np.arange(3, dtype=np.int32))
    whole = bounds.particle_bound(model, x, np.ones((3, 6), bool), seeds, model.bound)
    again = bounds.particle_bound(model, x[:, 3:], np.ones((3, 3), bool), seeds, model.bound)
    first, second = (
        {"x": x[:, now], "reset": np.full(3, float(now.start == 0))}
        for now in (slice(0, 3), slice(3, 6))
    )
    for _ in range(2):  # a reset forgets what was carried
        shown = model.evaluate(((c,) for c in (first, second)), verbose=0, return_dict=True)["fivo"]
        assert shown == pytest.approx(np.mean(whole), rel=1e-5)
    anew = model.test_on_batch({**second, "reset": np.ones(3)}, return_dict=True)["fivo"]
    assert anew == pytest.approx(np.mean(again), rel=1e-5)
    carried = [np.array(v) for v in model.carried["training"]]
    model.train_on_batch(first)
    assert all(np.any(a != v) for a, v in zip(carried, model.carried["training"], strict=True))


def test_what_is_masked_and_who_is_beside_changes_nothing():
    model = tiny_models.make_case("lstm")
    x, bound = tiny_models.observations(model), Bound("fivo", 4, ess_threshold=1.0)
    expected = particle_bound(model, x, bound)
    spoiled = np.where(MASK[..., None], x, np.nan).astype("float32")
    np.testing.assert_array_equal(particle_bound(model, spoiled, bound), expected)
    for i, seed in enumerate(SEEDS):
        alone = bounds.particle_bound(
            model, x[i : i + 1], MASK[i : i + 1], tf.constant([seed]), bound
        )
        np.testing.assert_allclose(alone, expected[i : i + 1], rtol=1e-5)


@pytest.mark.parametrize(
    "plain", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["fast", "plain"]
)
@pytest.mark.parametrize("bound", [Bound("iwae", 3), Bound("fivo", 3, "multinomial", 1.0)], ids=str)
def test_gradients_are_central_differences(bound, plain):
    model = tiny_models.make_case("gru")
    model.recurrence.plain = plain
    x = tiny_models.observations(model)
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(
            bounds.particle_bound(model, x, MASK, tf.constant(SEEDS), bound, training=True)
        )
    gradients = tape.gradient(value, model.trainable_variables)
    loop, eps = reference.LoopVRNN(model), noise(model, 3, 5)
    uniforms = resampling_noise(bound, 5) if bound.name == "fivo" else None
    generator, h = np.random.default_rng(0), 1e-6
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        array, direction = loop.value(weight), generator.normal(size=weight.shape)
        values = []
        for sign in (1.0, -1.0):
            array += sign * h * direction
            values.append(loop.particle_bound(x, eps, MASK, uniforms).sum())
            array -= sign * h * direction
        slope = (values[0] - values[1]) / (2.0 * h)
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=2e-3, atol=2e-4)


def filtered(model, x, bound, jit=False):
    """Bound, particles and gradients of both halves of x, the second with the first's particles."""
    weights = model.trainable_variables

    @tf.function(jit_compile=jit, autograph=False)
    def function(x, mask):
        with tf.GradientTape() as tape:
            first, particles = bounds.particle_filter(
                model, x[:, :2], mask[:, :2], SEEDS, bound, kl_weight=0.7, training=True
            )
            second, particles = bounds.particle_filter(
                model,
                x[:, 2:],
                mask[:, 2:],
                SEEDS,
                bound,
                particles,
                tf.fill([3], 2),
                training=True,
            )
            slopes = [tf.cast(tf.range(3), value.dtype) + 1.0 for value in (first, second)]
            loss = tf.reduce_sum(slopes[0] * first + slopes[1] * second)
            loss += tf.add_n([tf.reduce_sum(tf.cast(p, "float32")) for p in particles])
        return [first, second, *particles], tape.gradient(loss, weights)

    return function(tf.constant(x), tf.constant(MASK))


@pytest.mark.parametrize(
    ("name", "jit", "arguments"),
    [
        ("residual", False, {"dropout": 0.3}),
        pytest.param("lstm", False, {"dtype": "mixed_bfloat16"}, marks=pytest.mark.slow),
        *(
            pytest.param(name, jit, {}, marks=pytest.mark.slow)
            for name, jit in [
                ("mixed_stack", False),
                ("gru", False),
                ("simple_rnn", False),
                ("standard_normal", False),
                ("lstm", True),
                ("residual_smoothing", True),
            ]
        ),
    ],
    ids=str,
)
def test_the_fast_loop_is_the_plain_one(name, jit, arguments):
    bound = Bound("fivo", 4, "multinomial", 0.9)
    model = tiny_models.make_case(name, **arguments)
    x = tiny_models.observations(model)
    assert model.recurrence.hoisted(model.decoder) is not None
    found, gradients = filtered(model, x, bound, jit)
    model.recurrence.plain = True
    expected, expected_gradients = filtered(model, x, bound)
    tolerance = 3e-2 if arguments.get("dtype") else 1e-5
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            tf.cast(a, "float32"), tf.cast(b, "float32"), rtol=tolerance, atol=tolerance
        )
    tiny_models.assert_gradients_equal(gradients, expected_gradients, model, tolerance)


@pytest.mark.slow
def test_xla_differentiates_it_without_training_too():
    model = tiny_models.make_case("lstm")
    x, seeds = tf.constant(tiny_models.observations(model)), tf.constant(SEEDS)

    def gradients(x):
        with tf.GradientTape() as tape:
            nats = bounds.particle_bound(model, x, tf.constant(MASK), seeds, Bound("fivo", 3))
        return tape.gradient(nats, model.trainable_variables)

    found = tf.function(gradients, jit_compile=True, autograph=False)(x)
    tiny_models.assert_gradients_equal(found, gradients(x), model)


def test_what_the_fast_loop_does_not_know_is_trained_too():
    bound = Bound("fivo", 3)
    nade = {"name": "nade", "event_size": 3, "units": 4}
    model = tiny_models.make_case("lstm", likelihood=nade)  # the density has weights itself
    _, gradients = filtered(model, tiny_models.observations(model), bound)
    assert all(np.any(tf.convert_to_tensor(gradient)) for gradient in gradients)
    model = tiny_models.make_case("lstm")
    model.decoder.layers[-1].enable_lora(1)
    assert model.recurrence.hoisted(model.decoder) is None
    _, gradients = filtered(model, tiny_models.observations(model), bound)
    assert not any(gradient is None for gradient in gradients)


# --- a linear-Gaussian model, whose exact likelihood the Kalman filter knows ----------------------

DECAY, STATE_SCALE, NOISE_SCALE = 0.9, 0.6, 0.7


def inverse_softplus(value):
    return np.log(np.expm1(value))


def linear_gaussian_model(proposal_bias=0.3):
    """z_t ~ N(0.9 z_{t-1}, 0.6^2), x_t ~ N(z_t, 0.7^2), with a posterior that is a little wrong."""
    model = VRNN(
        {"name": "gaussian", "event_size": 1},
        latent_size=1,
        recurrent_units=None,
        recurrent_cell=keras.layers.SimpleRNNCell(1, activation="linear"),
        hidden_units=(),
    )
    scale = inverse_softplus(STATE_SCALE - reference.MIN_SCALE)
    noise_scale = inverse_softplus(NOISE_SCALE - reference.MIN_SCALE)
    # The best proposal given z_{t-1}: precisions add up.
    variance = 1.0 / (STATE_SCALE**-2 + NOISE_SCALE**-2)
    proposal = inverse_softplus(1.3 * np.sqrt(variance) - reference.MIN_SCALE)
    core, decoder = model.cell.core, model.decoder.layers[0]
    prior, posterior = (
        network.body.layers[0]
        for network in (model.cell.prior_network, model.cell.posterior_network)
    )
    core.kernel.assign([[0.0], [1.0]])  # h_t = z_t
    core.recurrent_kernel.assign([[0.0]])
    prior.kernel.assign([[DECAY, 0.0]])
    prior.bias.assign([0.0, scale])
    posterior.kernel.assign(
        [[variance / NOISE_SCALE**2, 0.0], [DECAY * variance / STATE_SCALE**2, 0.0]]
    )
    posterior.bias.assign([proposal_bias, proposal])
    decoder.kernel.assign([[1.0, 0.0], [0.0, 0.0]])
    decoder.bias.assign([0.0, noise_scale])
    return model


def exact_log_likelihood(x):
    """x `[B, T, 1]`: its joint Gaussian."""
    steps = np.arange(x.shape[1])
    start = STATE_SCALE**2 * (1.0 - DECAY ** (2.0 * (steps + 1))) / (1.0 - DECAY**2)
    lag = np.abs(steps[:, None] - steps)
    covariance = np.minimum.outer(start, start) * DECAY**lag + NOISE_SCALE**2 * np.eye(len(steps))
    return multivariate_normal.logpdf(x[..., 0], None, covariance)


def simulate(number, steps, seed=0):
    generator, z, x = np.random.default_rng(seed), np.zeros(number), []
    for _ in range(steps):
        z = DECAY * z + STATE_SCALE * generator.normal(size=number)
        x.append(z + NOISE_SCALE * generator.normal(size=number))
    return np.stack(x, axis=1)[..., None].astype("float32")


def test_bounds_grow_with_the_samples_to_the_exact_likelihood():
    model, x = linear_gaussian_model(), simulate(64, 12)
    exact = exact_log_likelihood(x).mean()
    means = {
        (name, number): evaluate_bound(model, x, name, number, repeats=4)
        for name in ("iwae", "fivo")
        for number in (1, 8, 512)
    }
    for name in ("iwae", "fivo"):
        one, few, many = (means[name, number].nats_per_sequence for number in (1, 8, 512))
        assert one.mean + 3.0 * one.noise_error < few.mean
        assert few.mean < many.mean < exact + 4.0 * many.noise_error
        assert abs(many.mean - exact) < 4.0 * many.noise_error + 0.02
    # The particle filter needs fewer samples.
    assert means["fivo", 8].nats_per_sequence.mean > means["iwae", 8].nats_per_sequence.mean
    elbo = evaluate_bound(model, x, repeats=4).nats_per_sequence
    one = means["iwae", 1].nats_per_sequence
    assert abs(elbo.mean - one.mean) < 4.0 * np.hypot(elbo.noise_error, one.noise_error)


# --- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "jit_compile"),
    [
        ("fivo", False),
        pytest.param("iwae", False, marks=pytest.mark.slow),
        pytest.param("fivo", True, marks=pytest.mark.slow),
    ],
)
def test_fit_maximises_it(name, jit_compile, tmp_path):
    bound = {"name": name, "num_samples": 3}
    model = tiny_models.make_case("gru", bound=bound)
    x = tiny_models.observations(model, batch=8)
    model.compile(keras.optimizers.Adam(0.02), jit_compile=jit_compile)
    before = evaluate_bound(model, x, name, 3).nats_per_sequence.mean
    history = model.fit(x, epochs=30, batch_size=8, verbose=0, validation_data=(x,)).history
    assert set(history) == {"loss", name, "val_loss", f"val_{name}"}
    after = evaluate_bound(model, x, name, 3).nats_per_sequence.mean
    assert after > before + 1.0
    np.testing.assert_allclose(history["loss"], -np.array(history[name]), rtol=1e-5)
    model.save(tmp_path / "m.keras")
    copy = keras.saving.load_model(tmp_path / "m.keras")
    assert copy.bound == model.bound == Bound(name, 3)


def test_the_first_loss_is_the_bound_and_the_warm_up_weighs_the_ratio():
    model = tiny_models.make_case("lstm", bound={"name": "iwae", "num_samples": 4})
    x = tiny_models.observations(model)
    model.compile(keras.optimizers.SGD(0.0))
    seeds = np.array(rng.sequence_seeds(model.seed, tf.constant(0), np.arange(3, dtype=np.int32)))
    expected = -np.mean(
        bounds.particle_bound(model, x, np.ones((3, 5), bool), tf.constant(seeds), model.bound)
    )
    assert model.train_on_batch(x)[0] == pytest.approx(expected, rel=1e-5)
    warming = tiny_models.make_case("lstm", bound=model.bound, kl_warmup_steps=10**9)
    warming.compile(keras.optimizers.SGD(0.0))
    weightless = bounds.particle_bound(
        warming, x, np.ones((3, 5), bool), tf.constant(seeds), model.bound, kl_weight=1e-9
    )
    assert warming.train_on_batch(x)[0] == pytest.approx(-np.mean(weightless), rel=1e-4)
    assert warming.test_on_batch(x)[0] == pytest.approx(expected, rel=1e-5)  # without warm-up


def test_evaluation_shows_the_bound_whatever_the_weight_in_training():
    model = tiny_models.make_case("gru", bound={"name": "fivo", "num_samples": 3}, kl_weight=0.2)
    x = tiny_models.observations(model)
    model.compile(keras.optimizers.SGD(0.0))
    seeds, whole = (
        rng.sequence_seeds(model.seed, tf.constant(0), np.arange(3, dtype=np.int32)),
        np.ones((3, 5), bool),
    )
    expected = np.mean(bounds.particle_bound(model, x, whole, seeds, model.bound))
    shown = model.test_on_batch(x, return_dict=True)["fivo"]
    assert shown == pytest.approx(expected, rel=1e-5)
    assert model.train_on_batch(x, return_dict=True)["fivo"] != pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"bound": "iwea"},
        {"bound": {"name": "elbo", "num_samples": 3}},
        {"bound": {"name": "fivo", "num_samples": 0}},
        {"bound": {"name": "fivo", "ess_threshold": 1.5}},
        {"bound": {"name": "fivo", "resample": "never"}},
        {"bound": "iwae", "latent_size": 0},
        {"bound": "iwae", "free_nats": 1.0},
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(wrong):
    with pytest.raises(ValueError, match="bound|num_samples|ess_threshold"):
        VRNN({"name": "bernoulli", "event_size": 2}, **wrong)


def test_bad_data_is_refused():
    model = tiny_models.make_case("residual")
    x = tiny_models.observations(model)
    with pytest.raises(ValueError, match="whole sequences"):
        evaluate_bound(model, {"x": x, "reset": np.ones(3)})
    with pytest.raises(ValueError, match="at least one sequence"):
        evaluate_bound(model, [])
    for nothing in (x[:, :0], {"x": x, "mask": np.zeros((3, 5))}):
        with pytest.raises(ValueError, match="at least one sequence"):
            evaluate_bound(model, nothing)
    with pytest.raises(ValueError, match="repeats"):
        evaluate_bound(model, x, repeats=0)
