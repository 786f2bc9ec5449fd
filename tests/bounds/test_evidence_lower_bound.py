"""KL against closed forms and Monte Carlo; masks hide values and gradients."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from vrnn_tf import bounds
from vrnn_tf.core.gaussian import DiagonalGaussian


def random_gaussian(rng, shape):
    return rng.normal(size=shape), np.exp(rng.normal(scale=0.7, size=shape))


def as_gaussian(loc, scale, dtype="float32"):
    return DiagonalGaussian(tf.cast(loc, dtype), tf.cast(scale, dtype))


def closed_form(q, p):
    """KL of diagonal Gaussians, the formula of Kingma and Welling (2014), App. B, for any prior."""
    (q_loc, q_scale), (p_loc, p_scale) = q, p
    ratio = (q_scale / p_scale) ** 2
    terms = ratio + ((q_loc - p_loc) / p_scale) ** 2 - 1.0 - np.log(ratio)
    return 0.5 * terms.sum(axis=-1)


def test_kl_closed_form():
    rng = np.random.default_rng(0)
    q, p = random_gaussian(rng, (4, 5, 3)), random_gaussian(rng, (4, 5, 3))
    kl = bounds.kl_divergence(as_gaussian(*q), as_gaussian(*p))
    assert kl.shape == (4, 5)
    np.testing.assert_allclose(kl, closed_form(q, p), rtol=2e-5)


def test_kl_is_the_mean_log_ratio():
    rng = np.random.default_rng(1)
    q, p = random_gaussian(rng, (1, 1, 3)), random_gaussian(rng, (1, 1, 3))
    z = rng.normal(*q, size=(200_000, 1, 3))
    ratio = (scipy.stats.norm.logpdf(z, *q) - scipy.stats.norm.logpdf(z, *p)).sum(axis=(1, 2))
    kl = float(bounds.kl_divergence(as_gaussian(*q), as_gaussian(*p))[0, 0])
    assert abs(ratio.mean() - kl) < 6 * ratio.std() / np.sqrt(len(ratio))


def test_kl_of_equals_is_zero_and_no_kl_is_negative():
    rng = np.random.default_rng(2)
    q, p = random_gaussian(rng, (50, 4, 2)), random_gaussian(rng, (50, 4, 2))
    np.testing.assert_allclose(bounds.kl_divergence(as_gaussian(*q), as_gaussian(*q)), 0, atol=1e-6)
    assert (bounds.kl_divergence(as_gaussian(*q), as_gaussian(*p)).numpy() > 0).all()


def test_kl_is_computed_in_float32():
    rng = np.random.default_rng(3)
    half = [as_gaussian(*random_gaussian(rng, (2, 3, 4)), "bfloat16") for _ in range(2)]
    kl = bounds.kl_divergence(*half)
    assert kl.dtype == tf.float32
    exact = [tuple(np.asarray(tf.cast(part, "float64")) for part in g) for g in half]
    np.testing.assert_allclose(kl, closed_form(*exact), rtol=2e-5)


def test_masked_nan_has_neither_value_nor_gradient():
    values = tf.Variable([[1.0, np.nan, 3.0], [np.inf, 2.0, -np.inf]])
    mask = tf.constant([[True, False, True], [False, True, False]])
    with tf.GradientTape() as tape:
        masked = bounds.zero_masked(values, mask)
        total = tf.reduce_sum(tf.square(masked))
    np.testing.assert_array_equal(masked, [[1, 0, 3], [0, 2, 0]])
    np.testing.assert_array_equal(tape.gradient(total, values), [[2, 0, 6], [0, 4, 0]])


@pytest.mark.parametrize(
    ("free_nats", "value", "gradient"),
    [
        (0.0, [0.1, 0.4, 2.0], [1, 1, 1]),
        (0.5, [0.5, 0.5, 2.0], [0, 0, 1]),
        (3.0, [3.0, 3.0, 3.0], [0, 0, 0]),
    ],
)
def test_free_bits(free_nats, value, gradient):
    kl = tf.Variable([0.1, 0.4, 2.0])
    with tf.GradientTape() as tape:
        free = bounds.with_free_bits(kl, free_nats)
    np.testing.assert_array_equal(free, np.float32(value))
    np.testing.assert_array_equal(tape.gradient(free, kl), gradient)
