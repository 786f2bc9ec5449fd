"""Diagonal Gaussians of z against scipy and closed forms."""

import numpy as np
import pytest
from scipy import stats

from vrnn_tf.core.gaussian import DiagonalGaussian


def gaussian(seed, shape=(3, 4)):
    generator = np.random.default_rng(seed)
    loc, scale = generator.normal(size=shape), np.exp(generator.normal(size=shape))
    return DiagonalGaussian(loc.astype("float32"), scale.astype("float32"))


def test_a_draw_is_the_scaled_and_moved_noise():
    p, noise = gaussian(0), np.random.default_rng(1).normal(size=(3, 4))
    np.testing.assert_allclose(p.sample(noise), p.loc + p.scale * noise, rtol=1e-6)
    np.testing.assert_array_equal(p.sample(np.zeros((3, 4))), p.loc)


def test_a_residual_posterior_moves_the_mean_of_the_prior_alone():
    moved = gaussian(0).relative_to(gaussian(1))
    np.testing.assert_array_equal(moved.loc, gaussian(0).loc + gaussian(1).loc)
    np.testing.assert_array_equal(moved.scale, gaussian(0).scale)


def test_the_density_is_that_of_independent_normals():
    p, z = gaussian(0), np.random.default_rng(1).normal(size=(3, 4)).astype("float32")
    expected = stats.norm.logpdf(z, p.loc, p.scale).sum(axis=-1)
    np.testing.assert_allclose(p.log_prob(z), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_kl_is_the_closed_form_in_float32(dtype):
    q, p = (
        DiagonalGaussian(g.loc.astype(dtype), g.scale.astype(dtype)) for g in map(gaussian, (0, 1))
    )
    (a, s), (b, t) = ((g.loc.astype("float64"), g.scale.astype("float64")) for g in (q, p))
    terms = np.log(t / s) + (s**2 + (a - b) ** 2) / (2 * t**2) - 0.5
    found = q.kl_divergence(p)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, terms.sum(axis=-1), rtol=1e-5)
