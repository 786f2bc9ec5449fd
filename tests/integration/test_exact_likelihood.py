"""The bound against the exact likelihood of a linear-Gaussian series."""

import keras
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from vrnn_tf import VRNN

COEFFICIENT, STATE_SCALE, NOISE_SCALE, STEPS = 0.9, 1.0, 0.7, 12
STATIONARY = STATE_SCALE**2 / (1.0 - COEFFICIENT**2)


def simulate(num_sequences, seed):
    """An AR(1) state seen twice through independent noise: float32 `[B, T, 2]`.

    Given the past, the two entries are correlated: no diagonal Gaussian says that without z_t.
    """
    generator = np.random.default_rng(seed)
    state = np.sqrt(STATIONARY) * generator.normal(size=(num_sequences, 1))
    x = []
    for _ in range(STEPS):
        x.append(state + NOISE_SCALE * generator.normal(size=(num_sequences, 2)))
        state = COEFFICIENT * state + STATE_SCALE * generator.normal(size=state.shape)
    return np.stack(x, axis=1).astype("float32")


def kalman_filter(x):
    """Log-likelihood of each sequence, nats, and the predictive covariances `[T, 2, 2]`."""
    mean, variance, both = 0.0, STATIONARY, np.ones(2)
    log_likelihood, covariances = 0.0, []
    for value in np.moveaxis(x.astype("float64"), 1, 0):
        covariance = variance * np.outer(both, both) + NOISE_SCALE**2 * np.eye(2)
        surprise = value - np.expand_dims(mean * np.ones(len(x)), -1)
        log_likelihood = log_likelihood + multivariate_normal.logpdf(surprise, None, covariance)
        covariances.append(covariance)
        gain = variance * np.linalg.solve(covariance, both)
        mean, variance = mean + surprise @ gain, variance * (1.0 - gain.sum())
        mean, variance = COEFFICIENT * mean, COEFFICIENT**2 * variance + STATE_SCALE**2
    return log_likelihood, np.stack(covariances)


def test_the_kalman_filter_is_the_joint_gaussian():
    x, steps = simulate(3, seed=0), np.arange(STEPS)
    states = STATIONARY * COEFFICIENT ** np.abs(steps[:, None] - steps)
    covariance = np.kron(states, np.ones((2, 2))) + NOISE_SCALE**2 * np.eye(2 * STEPS)
    expected = multivariate_normal.logpdf(x.reshape(3, -1), None, covariance)
    np.testing.assert_allclose(kalman_filter(x)[0], expected, rtol=1e-6)


def train(num_updates):
    """Held-out series and the bound on each of them, nats, after training on ever new ones."""
    model = VRNN(
        {"name": "gaussian", "event_size": 2},
        latent_size=1,
        recurrent_units=16,
        recurrent_cell="gru",
        hidden_units=16,
    )
    rate = keras.optimizers.schedules.CosineDecay(0.02, num_updates)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0))
    model.fit(simulate(64 * num_updates, seed=1), batch_size=64, shuffle=False, verbose=0)
    held_out = simulate(2000, seed=2)
    outputs = model.predict(held_out, batch_size=2000, verbose=0)
    return held_out, (outputs["log_likelihood"] - outputs["kl"]).sum(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize(("num_updates", "tolerance"), [(800, 0.01), (2000, 0.001)])
def test_the_bound_comes_near_the_exact_likelihood_from_below(num_updates, tolerance):
    held_out, bound = train(num_updates)
    exact, covariances = kalman_filter(held_out)
    gap = exact - bound
    assert gap.mean() > -4.0 * gap.std() / np.sqrt(len(gap))
    assert gap.mean() < tolerance * abs(exact.mean())
    # The best that can be done without z_t misses the information between the two entries.
    correlation = covariances[:, 0, 1] / covariances[:, 0, 0]
    assert gap.mean() < 0.2 * -0.5 * np.log(1.0 - correlation**2).sum()
