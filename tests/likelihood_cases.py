"""The table of likelihoods that the contract of `tests/likelihoods` goes through."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from likelihood_references import (
    BernoulliReference,
    CategoricalReference,
    DiscretizedReference,
    GaussianReference,
    NADEReference,
    PenReference,
    gmm_reference,
    product,
)
from vrnn_tf import likelihoods

DRAWS = 40_000


@dataclasses.dataclass
class Case:
    """A likelihood, its reference, and the events over which its density has the total 1.

    Attributes:
        likelihood: what is tested.
        reference: `(likelihood, raw [P]) -> reference`.
        extremes: `{name: raw values}` that must leave value and gradient finite.
        grid: points `[N, D]`: all events, or a grid finer and wider than the density.
        num_real: how many leading coordinates of x are real numbers.
        cell: the volume of a grid cell; 1 for events.
        far: points `[M, D]` far from every component, or None for those of the grid.
        far_log_prob: nats that a density of real numbers stays below there.
    """

    likelihood: likelihoods.Likelihood
    reference: Callable
    extremes: dict[str, tuple[float, ...]]
    grid: np.ndarray
    num_real: int = 0
    cell: float = 1.0
    far: np.ndarray | None = None
    far_log_prob: float = -1e8

    def __repr__(self):
        return repr(self.likelihood)

    @property
    def size(self):
        return self.likelihood.packing.size

    def raw(self, *shape, seed=0):
        """Mild raw parameters `[*shape, P]`, float32."""
        values = np.random.default_rng(seed).uniform(-1.0, 1.0, (*shape, self.size))
        return values.astype(np.float32)

    def noise(self, *shape, seed=0):
        """Uniform noise `[*shape, noise_size]` from another generator than the library's."""
        rng = np.random.default_rng(seed)
        values = rng.integers(1, 2**24, (*shape, self.likelihood.noise_size)) / 2.0**24
        return values.astype(np.float32)

    def observations(self, *shape, seed=0):
        """Plausible observations `[*shape, D]`, float32."""
        rng = np.random.default_rng(seed)
        x = self.grid[rng.integers(0, len(self.grid), shape)].astype(np.float32)
        x[..., : self.num_real] = rng.normal(size=(*shape, self.num_real))
        return x

    def reference_of(self, raw):
        return self.reference(self.likelihood, raw)


BIVARIATE = likelihoods.BivariateGaussianMixture
FAR = (-1e5, 1e5)
LOGITS = {"logits": (-1e4, 1e4)}
REAL = {"loc": (-1e4, 1e4), "raw_scale": (-1e3, -50.0, 50.0, 1e3)}
PEN = {**LOGITS, **REAL, "raw_correlation": (-1e4, 1e4), "pen_logit": (-1e4, 1e4)}


def real_grid(num_real, step, *states, reach=12.0):
    """Arguments of a case with `num_real` real coordinates and the given states beside them.

    The grid reaches to 12, at least eight scales from every mild component; wide tails need more.
    The sum of a Gaussian is exact to 1e-6 if the step is below the smallest scale, 0.31 (0.2 across
    a correlation of 0.76).
    """
    axis = np.arange(-reach, reach + step / 2, step)
    return {
        "grid": product(*[axis] * num_real, *states),
        "num_real": num_real,
        "cell": step**num_real,
        "far": product(*[FAR] * num_real, *states),
    }


def level_grid(event_size, num_levels):
    return {
        "grid": product(*[np.linspace(-1.0, 1.0, num_levels)] * event_size),
        "far": product(*[FAR] * event_size),
    }


def cases():
    gaussian, categorical = GaussianReference.of, CategoricalReference.of
    yield Case(likelihoods.Gaussian(1), gaussian, REAL, **real_grid(1, 0.1))
    yield Case(likelihoods.Gaussian(3, min_scale=0.5), gaussian, REAL, **real_grid(3, 0.5))
    mixture = likelihoods.GaussianMixture
    yield Case(mixture(1, 4), gmm_reference, REAL | LOGITS, **real_grid(1, 0.1))
    yield Case(mixture(2, 3), gmm_reference, REAL | LOGITS, **real_grid(2, 0.15))
    yield Case(BIVARIATE(3), PenReference.of, PEN, **real_grid(2, 0.15, (0, 1)))
    yield Case(
        BIVARIATE(2, end_of_sequence=True, min_scale=0.01),
        PenReference.of,
        {**PEN, "end_logit": (-1e4, 1e4)},
        **real_grid(2, 0.15, (0, 1, 2)),
    )
    bits = product(*[(0, 1)] * 4)
    yield Case(likelihoods.Bernoulli(4), BernoulliReference.of, LOGITS, bits)
    biases = {"hidden_bias": (-1e4, 1e4), "logit_bias": (-1e4, 1e4)}
    yield Case(likelihoods.AutoregressiveBernoulli(4, 3), NADEReference, biases, bits)
    symbols = np.arange(5)[:, None]
    yield Case(likelihoods.Categorical(5, end_class=2), categorical, LOGITS, symbols)
    for event_size, num_components, num_levels in ((2, 3, 6), (1, 2, 65536)):
        yield Case(
            likelihoods.DiscretizedLogisticMixture(event_size, num_components, num_levels),
            DiscretizedReference.of,
            REAL | LOGITS,
            **level_grid(event_size, num_levels),
        )


CASES = list(cases())
every_case = pytest.mark.parametrize("case", CASES, ids=repr)


def sample(case, temperature, raw, seed=0, **options):
    raw = np.tile(raw, (DRAWS, 1))
    values = case.likelihood.sample(raw, case.noise(DRAWS, seed=seed), temperature, **options)
    assert values.dtype == tf.float32
    return np.asarray(values, np.float64)


def assert_mean(values, expected):
    """The mean over the draws is `expected`, within six standard errors."""
    error = 6 * values.std(axis=0) / math.sqrt(len(values)) + 1e-5
    np.testing.assert_array_less(np.abs(values.mean(axis=0) - expected), error)
