"""The distributions that tensorflow_probability lacks, against those that it and SciPy have."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from vrnn_tf.distributions import BivariateNormal, DiscretizedLogistic, IndependentBlocks


def test_bivariate_normal_is_multivariate_normal_tril():
    rng = np.random.default_rng(0)
    loc, x = rng.normal(size=(2, 7, 2)).astype(np.float32)
    scale = np.exp(rng.normal(size=(7, 2))).astype(np.float32)
    correlation = np.linspace(-0.95, 0.95, 7, dtype=np.float32)
    tril = np.zeros((7, 2, 2), np.float32)
    tril[:, 0, 0] = scale[:, 0]
    tril[:, 1, 0] = scale[:, 1] * correlation
    tril[:, 1, 1] = scale[:, 1] * np.sqrt(1 - correlation**2)
    ours = BivariateNormal(*map(tf.constant, (loc, scale, correlation)))
    theirs = tfd.MultivariateNormalTriL(loc, tril)
    assert ours.batch_shape == theirs.batch_shape
    assert ours.event_shape == theirs.event_shape
    np.testing.assert_allclose(ours.log_prob(x), theirs.log_prob(x), rtol=1e-5, atol=1e-5)


def logistic_log_mass(level, loc, scale, num_levels):
    """log of the cdf difference in float64, from log tails: exact however far the level is."""
    half = 1.0 / (num_levels - 1)
    sign = 1.0 if level <= loc else -1.0  # by symmetry, always in the lower tail
    low, high = sorted((sign * (level - half - loc), sign * (level + half - loc)))
    low = -np.inf if sign * level == -1.0 else low
    upper = 0.0 if sign * level == 1.0 else scipy.stats.logistic.logcdf(high, scale=scale)
    lower = -np.inf if low == -np.inf else scipy.stats.logistic.logcdf(low, scale=scale)
    return upper + np.log1p(-np.exp(lower - upper))


@pytest.mark.parametrize("num_levels", [2, 5, 256, 65536])
@pytest.mark.parametrize("scale", [1e-3, 0.05, 1.0, 100.0])
@pytest.mark.parametrize("loc", [-30.0, -1.0, -0.2, 0.7, 1.0, 1.5])
def test_discretized_logistic_in_bulk_and_tails(num_levels, scale, loc):
    levels = np.linspace(-1, 1, num_levels)[[0, 1, num_levels // 2, -2, -1]]
    loc, scale = np.float32(loc), np.float32(scale)
    distribution = DiscretizedLogistic(tf.constant(loc), tf.constant(scale), num_levels)
    log_prob = distribution.log_prob(levels.astype(np.float32))
    expected = [
        logistic_log_mass(x, np.float64(loc), np.float64(scale), num_levels) for x in levels
    ]
    assert np.isfinite(expected).all()
    # `distance` is a difference of numbers near 1, divided by the scale.
    rounding = 2e-7 * (1 + abs(loc)) / scale
    np.testing.assert_allclose(log_prob, expected, rtol=2e-5, atol=2e-5 + rounding)


def test_discretized_logistic_tails_fall_by_one_nat_a_scale():
    distribution = DiscretizedLogistic(tf.constant(0.0), tf.constant(1e-3), 201)
    x = np.linspace(0.2, 0.9, 8, dtype=np.float32)
    log_prob = np.asarray(distribution.log_prob(x), np.float64)
    np.testing.assert_allclose(log_prob, -(x - 0.005) / 1e-3, rtol=1e-4)
    np.testing.assert_allclose(log_prob, np.asarray(distribution.log_prob(-x)), rtol=1e-4)


def test_values_between_levels_count_as_the_nearer_one():
    distribution = DiscretizedLogistic(tf.constant(0.1), tf.constant(0.3), 5)
    levels = np.array([-1.0, -0.5, 0.0, 0.5, 1.0], np.float32)
    exact = np.asarray(distribution.log_prob(levels))
    for shift in (-0.24, -0.1, 0.1, 0.24):
        np.testing.assert_array_equal(distribution.log_prob(levels + np.float32(shift)), exact)
    np.testing.assert_array_equal(distribution.log_prob(np.float32([-7, 7])), exact[[0, -1]])


def test_independent_blocks_are_tfd_blockwise():
    rng = np.random.default_rng(0)
    loc, scale = rng.normal(size=(2, 5, 3)).astype(np.float32)
    logits = rng.normal(size=(5, 2)).astype(np.float32)
    blocks = [
        tfd.MultivariateNormalDiag(loc, np.exp(scale)),
        tfd.Independent(tfd.Bernoulli(logits=logits, dtype=tf.float32), 1),
    ]
    ours, theirs = IndependentBlocks(blocks), tfd.Blockwise(blocks)
    assert ours.batch_shape == theirs.batch_shape == (5,)
    assert ours.event_shape == theirs.event_shape == (5,)
    real, bits = rng.normal(size=(4, 5, 3)), rng.integers(0, 2, (4, 5, 2))
    x = np.concatenate([real, bits], axis=-1).astype(np.float32)
    np.testing.assert_allclose(ours.log_prob(x), theirs.log_prob(x), rtol=1e-6)
