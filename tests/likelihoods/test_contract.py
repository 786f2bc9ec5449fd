"""One contract for every likelihood: exact densities, samples of them, and gradients that last.

Each case of the table in likelihood_cases.py holds a likelihood and a reference, which is the same
distribution in float64. The suite fails if a registered likelihood has no case.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from likelihood_cases import CASES, assert_mean, every_case, sample
from likelihood_references import split
from vrnn_tf import likelihoods


def test_no_likelihood_is_missing():
    assert {case.likelihood.name for case in CASES} == set(likelihoods.names())


# --- densities ------------------------------------------------------------------------------------


@every_case
def test_the_density_has_the_total_one(case):
    raw = case.raw(1, seed=1)
    log_prob = np.asarray(case.likelihood.log_prob(raw, case.grid), np.float64)
    assert log_prob.shape == (len(case.grid),)
    np.testing.assert_allclose(np.exp(log_prob).sum() * case.cell, 1.0, atol=2e-5)


@every_case
def test_log_prob_against_scipy(case):
    raw, x = case.raw(3, 5), case.observations(3, 5)
    log_prob = case.likelihood.log_prob(raw, x)
    assert log_prob.dtype == tf.float32
    assert log_prob.shape == (3, 5)
    expected = [
        [case.reference_of(r).log_prob(np.float64(e)) for r, e in zip(*rows, strict=True)]
        for rows in zip(raw, x, strict=True)
    ]
    # A level of 16-bit audio is 3e-5 wide: float32 knows its place, in scales, to some 1e-7.
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5, atol=2e-5)


@every_case
def test_only_densities_exceed_one(case):
    likelihood = case.likelihood
    parts = split(likelihood, case.raw(1)[0])
    narrow = {name: np.full_like(parts[name], -9.0) for name in likelihood.scale_names}
    raw = np.concatenate(list({**parts, **narrow}.values())).astype("float32")[None]
    mode = likelihood.sample(raw, np.full((1, likelihood.noise_size), 0.5, "float32"), 0.0)
    is_narrow = getattr(likelihood, "min_scale", 0.0) < 0.1
    assert (likelihood.log_prob(raw, mode)[0] > 0.1) == (likelihood.is_density and is_narrow)


@every_case
def test_the_distribution_is_over_one_step(case):
    distribution = case.likelihood.distribution(tf.constant(case.raw(2, 7)))
    assert distribution.batch_shape == (2, 7)
    assert distribution.event_shape == (case.likelihood.event_size,)


@every_case
def test_log_prob_is_float32_for_half_precision(case):
    raw, x = tf.cast(case.raw(4), "bfloat16"), case.observations(4)
    log_prob = case.likelihood.log_prob(raw, x)
    assert log_prob.dtype == tf.float32
    np.testing.assert_array_equal(log_prob, case.likelihood.log_prob(tf.cast(raw, "float32"), x))


@every_case
def test_gradient_against_central_differences(case):
    """The differences are those of the float64 reference, which shares no code with the density."""
    raw, x = case.raw(seed=2), case.observations(seed=2)
    variable = tf.Variable(raw)
    with tf.GradientTape() as tape:
        log_prob = case.likelihood.log_prob(variable, x)
    gradient = tape.gradient(log_prob, variable)
    step = 1e-5
    expected = [
        (
            case.reference_of(raw + step * direction).log_prob(np.float64(x))
            - case.reference_of(raw - step * direction).log_prob(np.float64(x))
        )
        / (2 * step)
        for direction in np.eye(case.size)
    ]
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4)


def extreme_rows(case):
    """Every combination of extremes, of one sign in all components and of alternating signs."""
    for values in itertools.product(*[(0.5, *extreme) for extreme in case.extremes.values()]):
        chosen = dict(zip(case.extremes, values, strict=True))
        for sign in (1, -1):
            yield np.concatenate(
                [
                    chosen[name] * np.where(np.arange(size) % 2, sign, 1)
                    for name, size in case.likelihood.packing.sizes.items()
                ]
            )


@every_case
def test_extreme_parameters_and_observations_stay_finite(case):
    assert set(case.extremes) == set(case.likelihood.packing.sizes)
    rows = np.array(list(extreme_rows(case)), np.float32)
    far = case.grid if case.far is None else case.far
    x = np.concatenate([case.observations(2), far.astype(np.float32)])
    raw = tf.Variable(np.repeat(rows, len(x), axis=0))
    with tf.GradientTape() as tape:
        log_prob = case.likelihood.log_prob(raw, np.tile(x, (len(rows), 1)))
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tape.gradient(log_prob, raw)).all()
    if not case.num_real:
        assert (log_prob.numpy() <= 1e-6).all()  # a probability


@every_case
def test_no_floor_under_the_density(case):
    """However far an observation is, its density is that of the reference, not of a constant."""
    far = (case.grid if case.far is None else case.far)[:64]
    raw = case.raw(seed=5)
    expected = case.reference_of(raw).log_prob(far)
    assert expected.max() < (case.far_log_prob if case.num_real else 0.0)
    np.testing.assert_allclose(case.likelihood.log_prob(raw[None], far), expected, rtol=1e-4)


# --- samples --------------------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_have_the_moments_of_the_density(case, temperature):
    raw = case.raw(seed=4)
    values = sample(case, temperature, raw)
    reference = case.reference_of(raw).tempered(temperature)
    mean, covariance = reference.moments()
    assert_mean(values, mean)
    centred = values - mean
    assert_mean(centred[:, :, None] * centred[:, None, :], covariance)
    if not case.num_real and len(case.grid) < 100:
        is_event = (np.abs(values[:, None, :] - case.grid) < 1e-6).all(axis=-1)
        assert is_event.any(axis=-1).all()
        assert_mean(is_event.astype(float), np.exp(reference.log_prob(case.grid)))


@every_case
def test_samples_at_temperature_zero_are_the_mode(case):
    for seed in range(8):
        raw = case.raw(seed=seed)
        values = np.asarray(
            case.likelihood.sample(np.tile(raw, (50, 1)), case.noise(50, seed=seed), 0.0)
        )
        np.testing.assert_array_equal(values, np.tile(values[0], (50, 1)))
        np.testing.assert_allclose(values[0], case.reference_of(raw).mode(), atol=1e-6)


@every_case
@pytest.mark.parametrize("leading", [(4,), (2, 4)])
def test_temperatures_may_differ_between_rows(case, leading):
    temperatures = np.array([0.0, 0.5, 1.0, 1.7], np.float32)
    raw, noise = case.raw(*leading), case.noise(*leading)
    together = np.asarray(case.likelihood.sample(raw, noise, tf.constant(temperatures[:, None])))
    assert together.shape == (*leading, case.likelihood.event_size)
    for i, temperature in enumerate(temperatures):
        alone = case.likelihood.sample(raw, noise, float(temperature))
        np.testing.assert_allclose(together[..., i, :], np.asarray(alone)[..., i, :], atol=1e-6)


@every_case
def test_samples_are_the_same_in_a_graph(case):
    raw, noise = case.raw(2, 7), case.noise(2, 7)
    signature = [tf.TensorSpec((None, None, a.shape[-1]), tf.float32) for a in (raw, noise)]
    traced = tf.function(case.likelihood.sample, input_signature=signature)(raw, noise)
    assert traced.shape == (2, 7, case.likelihood.event_size)
    np.testing.assert_allclose(traced, case.likelihood.sample(raw, noise), atol=1e-6)


@every_case
def test_a_sample_uses_all_its_noise_and_no_more(case):
    size = case.likelihood.noise_size
    raw = case.raw(2000)
    for wrong in (size - 1, size + 1):
        with pytest.raises(ValueError, match=rf"`noise` must be \[..., {size}\].*, {wrong}\)"):
            case.likelihood.sample(raw, np.full((2000, wrong), 0.5, np.float32))
    noise = case.noise(2000)
    values = np.asarray(case.likelihood.sample(raw, noise))
    unused = []
    for i in range(size):
        changed = noise.copy()
        changed[:, i] = 1.0 - changed[:, i]
        if np.array_equal(case.likelihood.sample(raw, changed), values):
            unused.append(i)
    # An odd number of normal variables leaves half a Box-Muller pair, whose angle counts.
    assert not unused


@every_case
def test_samples_of_half_precision_parameters_are_float32(case):
    raw, noise = tf.cast(case.raw(4), "bfloat16"), case.noise(4)
    values = case.likelihood.sample(raw, noise)
    assert values.dtype == tf.float32
    np.testing.assert_array_equal(values, case.likelihood.sample(tf.cast(raw, "float32"), noise))
