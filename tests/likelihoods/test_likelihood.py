"""One contract for every likelihood: exact densities, samples of them, and gradients that last.

Each case of the table holds a likelihood and a reference: the same distribution in float64 NumPy
and SciPy, written from the documented constraints of the raw parameters. A likelihood that is
registered and stands in no case fails the suite.
"""

import ast
import dataclasses
import itertools
import math
from collections.abc import Callable

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from vrnn_tf import likelihoods
from vrnn_tf.likelihoods import MAX_CORRELATION

DRAWS = 40_000


def softplus(raw):
    return np.logaddexp(0.0, raw)


def split(likelihood, raw):
    """Names the slices of one raw vector, in float64."""
    sizes = likelihood.packing.sizes
    ends = np.cumsum(list(sizes.values()))[:-1]
    return dict(zip(sizes, np.split(np.asarray(raw, np.float64), ends), strict=True))


# --- references: float64, one vector of raw parameters each ---------------------------------------


class MixtureReference:
    """A mixture of K multivariate normals: logits `[K]`, loc `[K, D]`, covariance `[K, D, D]`."""

    def __init__(self, logits, loc, covariance):
        self.logits, self.loc, self.covariance = logits, loc, covariance
        self.log_weights = scipy.special.log_softmax(logits)

    def log_prob(self, x):
        components = [
            scipy.stats.multivariate_normal(loc, covariance).logpdf(x)
            for loc, covariance in zip(self.loc, self.covariance, strict=True)
        ]
        return scipy.special.logsumexp(np.stack(components, -1) + self.log_weights, axis=-1)

    def tempered(self, temperature):
        """What `sample` draws from: the scale of the noise times, the logits by temperature."""
        return MixtureReference(
            self.logits / temperature, self.loc, self.covariance * temperature**2
        )

    def moments(self):
        weights = np.exp(self.log_weights)
        mean = weights @ self.loc
        offsets = self.loc - mean
        spread = np.einsum("k,ki,kj->ij", weights, offsets, offsets)
        return mean, spread + np.einsum("k,kij->ij", weights, self.covariance)

    def mode(self):
        return self.loc[self.logits.argmax()]


class GaussianReference:
    """Independent normals: loc and scale `[D]`."""

    def __init__(self, loc, scale):
        self.loc, self.scale = loc, scale

    @classmethod
    def of(cls, likelihood, raw):
        named = split(likelihood, raw)
        return cls(named["loc"], softplus(named["raw_scale"]) + likelihood.min_scale)

    def log_prob(self, x):
        return scipy.stats.norm.logpdf(x, self.loc, self.scale).sum(axis=-1)

    def tempered(self, temperature):
        return GaussianReference(self.loc, self.scale * temperature)

    def moments(self):
        return self.loc, np.diag(self.scale**2)

    def mode(self):
        return self.loc


def gmm_reference(likelihood, raw):
    named = split(likelihood, raw)
    loc = named["loc"].reshape(likelihood.num_components, likelihood.event_size)
    scale = softplus(named["raw_scale"]).reshape(loc.shape) + likelihood.min_scale
    return MixtureReference(named["logits"], loc, np.stack([np.diag(s**2) for s in scale]))


class PenReference:
    """dx, dy from a mixture with full covariances; pen states 0, 1 (and 2) beside them."""

    def __init__(self, offset, pen_logit, end_logit=None):
        self.offset, self.pen_logit, self.end_logit = offset, pen_logit, end_logit

    @classmethod
    def of(cls, likelihood, raw):
        named = split(likelihood, raw)
        loc = named["loc"].reshape(-1, 2)
        scale = softplus(named["raw_scale"]).reshape(-1, 2) + likelihood.min_scale
        correlation = MAX_CORRELATION * np.tanh(named["raw_correlation"])
        covariance = scale[:, :, None] * scale[:, None, :]
        covariance[:, 0, 1] *= correlation
        covariance[:, 1, 0] *= correlation
        end_logit = named["end_logit"][0] if "end_logit" in named else None
        mixture = MixtureReference(named["logits"], loc, covariance)
        return cls(mixture, named["pen_logit"][0], end_logit)

    def pen_probabilities(self):
        """Of the states 0, 1 and 2."""
        lift = scipy.special.expit(self.pen_logit)
        end = 0.0 if self.end_logit is None else scipy.special.expit(self.end_logit)
        return np.array([1 - lift, lift * (1 - end), lift * end])

    def log_prob(self, x):
        pen = self.pen_probabilities()[x[..., 2].astype(int)]
        return self.offset.log_prob(x[..., :2]) + np.log(pen)

    def tempered(self, temperature):
        end_logit = None if self.end_logit is None else self.end_logit / temperature
        offset = self.offset.tempered(temperature)
        return PenReference(offset, self.pen_logit / temperature, end_logit)

    def moments(self):
        mean, covariance = self.offset.moments()
        probabilities, states = self.pen_probabilities(), np.arange(3)
        pen = probabilities @ states
        padded = np.zeros((3, 3))
        padded[:2, :2], padded[2, 2] = covariance, probabilities @ states**2 - pen**2
        return np.append(mean, pen), padded

    def mode(self):
        ends = self.end_logit is not None and self.end_logit > 0
        pen = (self.pen_logit > 0) * (1 + ends)
        return np.append(self.offset.mode(), pen)


class BernoulliReference:
    def __init__(self, logits):
        self.logits = logits

    @classmethod
    def of(cls, likelihood, raw):
        return cls(split(likelihood, raw)["logits"])

    def log_prob(self, x):
        return scipy.stats.bernoulli.logpmf(x, scipy.special.expit(self.logits)).sum(axis=-1)

    def tempered(self, temperature):
        return BernoulliReference(self.logits / temperature)

    def moments(self):
        mean = scipy.special.expit(self.logits)
        return mean, np.diag(mean * (1 - mean))

    def mode(self):
        return (self.logits > 0).astype(float)


class NADEReference:
    """Bits drawn one after the other, each by the sum over the hidden units."""

    def __init__(self, likelihood, raw, temperature=1.0):
        self.likelihood, self.raw, self.temperature = likelihood, raw, temperature
        biases = split(likelihood, raw)
        self.hidden_bias, self.logit_bias = biases["hidden_bias"], biases["logit_bias"]
        self.below, self.above = (
            np.array(w, np.float64) for w in (likelihood.layer.below, likelihood.layer.above)
        )

    def logit(self, before):
        """Of the next bit, after the bits `before`."""
        hidden = self.hidden_bias + sum(
            (bit * row for bit, row in zip(before, self.below, strict=False)), np.zeros(1)
        )
        d = len(before)
        logit = self.logit_bias[d] + self.above[d] @ scipy.special.expit(hidden)
        return logit / self.temperature

    def log_prob(self, x):
        rows = np.reshape(x, (-1, self.likelihood.event_size))
        total = [
            sum(scipy.special.log_expit((2 * r[d] - 1) * self.logit(r[:d])) for d in range(len(r)))
            for r in rows
        ]
        return np.reshape(total, np.shape(x)[:-1])

    def tempered(self, temperature):
        return NADEReference(self.likelihood, self.raw, temperature)

    def moments(self):
        events = product(*[(0, 1)] * self.likelihood.event_size)
        mass = np.exp(self.log_prob(events))
        mean = mass @ events
        return mean, np.einsum("n,ni,nj->ij", mass, events - mean, events - mean)

    def mode(self):
        bits = []
        for _ in range(self.likelihood.event_size):
            bits.append(float(self.logit(np.array(bits)) > 0))
        return np.array(bits)


class CategoricalReference:
    def __init__(self, logits):
        self.logits = logits

    @classmethod
    def of(cls, likelihood, raw):
        return cls(split(likelihood, raw)["logits"])

    def log_prob(self, x):
        return scipy.special.log_softmax(self.logits)[x[..., 0].astype(int)]

    def tempered(self, temperature):
        return CategoricalReference(self.logits / temperature)

    def moments(self):
        weights, symbols = scipy.special.softmax(self.logits), np.arange(len(self.logits))
        mean = weights @ symbols
        return np.array([mean]), np.array([[weights @ symbols**2 - mean**2]])

    def mode(self):
        return np.array([float(self.logits.argmax())])


class DiscretizedReference:
    """Cdf differences of logistics, K for each of D coordinates, on even levels of [-1, 1]."""

    def __init__(self, logits, loc, scale, num_levels):
        self.logits, self.loc, self.scale, self.num_levels = logits, loc, scale, num_levels
        self.levels = np.linspace(-1.0, 1.0, num_levels)
        inner_edges = (self.levels[1:] + self.levels[:-1]) / 2
        edges = np.concatenate([[-np.inf], inner_edges, [np.inf]])
        above = scipy.stats.logistic.sf(edges, loc[..., None], scale[..., None])
        weights = scipy.special.softmax(logits, axis=-1)
        self.masses = (weights[..., None] * -np.diff(above, axis=-1)).sum(axis=1)  # [D, levels]

    @classmethod
    def of(cls, likelihood, raw):
        shape = (likelihood.event_size, likelihood.num_components)
        named = {name: value.reshape(shape) for name, value in split(likelihood, raw).items()}
        scale = softplus(named["raw_scale"]) + 0.5 / (likelihood.num_levels - 1)
        return cls(named["logits"], named["loc"], scale, likelihood.num_levels)

    def nearest(self, x):
        return np.abs(np.asarray(x)[..., None] - self.levels).argmin(axis=-1)

    def log_prob(self, x):
        coordinates = np.arange(len(self.loc))
        return np.log(self.masses[coordinates, self.nearest(x)]).sum(axis=-1)

    def tempered(self, temperature):
        return DiscretizedReference(
            self.logits / temperature, self.loc, self.scale * temperature, self.num_levels
        )

    def moments(self):
        mean = self.masses @ self.levels
        return mean, np.diag(self.masses @ self.levels**2 - mean**2)

    def mode(self):
        best = self.loc[np.arange(len(self.loc)), self.logits.argmax(axis=-1)]
        return self.levels[self.nearest(best)]


# --- the table ------------------------------------------------------------------------------------


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
    """

    likelihood: likelihoods.Likelihood
    reference: Callable
    extremes: dict[str, tuple[float, ...]]
    grid: np.ndarray
    num_real: int = 0
    cell: float = 1.0
    far: np.ndarray | None = None

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


def product(*axes):
    """Every combination of the axes' values, `[N, D]`."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def real_grid(num_real, step, *states):
    """Arguments of a case with `num_real` real coordinates and the given states beside them.

    The grid reaches to 12, at least eight scales from every mild component. Its sum is exact to
    1e-6 if the step is below the smallest scale, 0.31 (0.2 across a correlation of 0.76).
    """
    axis = np.arange(-12.0, 12.0 + step / 2, step)
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
    """Of the float64 reference, so that neither the value nor the rounding is our own."""
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
    assert expected.max() < (-1e8 if case.num_real else 0.0)
    np.testing.assert_allclose(case.likelihood.log_prob(raw[None], far), expected, rtol=1e-4)


# --- samples --------------------------------------------------------------------------------------


def sample(case, temperature, raw, seed=0, **options):
    raw = np.tile(raw, (DRAWS, 1))
    values = case.likelihood.sample(raw, case.noise(DRAWS, seed=seed), temperature, **options)
    assert values.dtype == tf.float32
    return np.asarray(values, np.float64)


def assert_mean(values, expected):
    """The mean over the draws is `expected`, within six standard errors."""
    error = 6 * values.std(axis=0) / math.sqrt(len(values)) + 1e-5
    np.testing.assert_array_less(np.abs(values.mean(axis=0) - expected), error)


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


# --- pen strokes ----------------------------------------------------------------------------------

PEN_CASES = [case for case in CASES if isinstance(case.likelihood, BIVARIATE)]


@pytest.mark.parametrize("case", PEN_CASES, ids=repr)
@pytest.mark.parametrize("bias", [-2.0, 1.5])
def test_pen_bias_moves_the_log_odds_of_a_lift_alone(case, bias):
    raw = case.raw(seed=4)
    reference = case.reference_of(raw)
    shifted = PenReference(reference.offset, reference.pen_logit + bias, reference.end_logit)
    values = sample(case, 1.0, raw, pen_bias=bias)
    states = values[:, 2:] == np.arange(3)
    assert_mean(states.astype(float), shifted.pen_probabilities())
    np.testing.assert_array_equal(values[:, :2], sample(case, 1.0, raw)[:, :2])


def test_pen_bias_may_differ_between_rows():
    case = PEN_CASES[1]
    raw, noise = case.raw(300), case.noise(300)
    biases = np.random.default_rng(0).normal(scale=3, size=(300, 1)).astype(np.float32)
    together = np.asarray(case.likelihood.sample(raw, noise, pen_bias=tf.constant(biases)))
    alone = [
        np.asarray(case.likelihood.sample(r[None], u[None], pen_bias=float(b[0])))[0]
        for r, u, b in zip(raw[:20], noise[:20], biases[:20], strict=True)
    ]
    np.testing.assert_allclose(together[:20], alone, atol=1e-6)
    unbiased = np.asarray(case.likelihood.sample(raw, noise))
    lifts, before = together[:, 2] > 0, unbiased[:, 2] > 0
    assert (lifts >= before)[biases[:, 0] > 0].all()
    assert (lifts <= before)[biases[:, 0] < 0].all()
    assert (lifts != before).any()


def test_a_sequence_ends_only_where_the_pen_lifts():
    likelihood = PEN_CASES[1].likelihood
    raw = np.zeros((1, likelihood.packing.size), np.float32)
    noise = PEN_CASES[1].noise(1)
    names = list(likelihood.packing.sizes)
    assert names[-2:] == ["pen_logit", "end_logit"]
    for pen_logit, end_logit, pen in ((-50, 50, 0), (-50, -50, 0), (50, -50, 1), (50, 50, 2)):
        raw[0, -2:] = pen_logit, end_logit
        x = likelihood.sample(raw, noise)
        assert float(x[0, 2]) == pen
        assert bool(likelihood.is_end(x)[0]) == (pen == 2)


def test_going_on_costs_the_log_probability_of_not_ending():
    """The density of pen states 0 and 1 is the paper's, times p(no end) after each lift."""
    with_end, without = BIVARIATE(3, end_of_sequence=True), BIVARIATE(3)
    case = next(c for c in PEN_CASES if not c.likelihood.can_end)
    raw, x = case.raw(6), case.observations(6)
    end_logit = np.linspace(-3, 3, 6, dtype=np.float32)[:, None]
    difference = with_end.log_prob(np.concatenate([raw, end_logit], -1), x) - without.log_prob(
        raw, x
    )
    expected = np.where(x[:, 2] == 1, -softplus(end_logit[:, 0]), 0.0)
    assert set(x[:, 2]) == {0, 1}
    np.testing.assert_allclose(difference, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("likelihood", "x", "ends"),
    [
        (BIVARIATE(2, end_of_sequence=True), [[0, 0, 0], [2, 2, 1], [0, 0, 2]], [0, 0, 1]),
        (BIVARIATE(2), [[0, 0, 0], [2, 2, 1], [0, 0, 2]], [0, 0, 0]),
        (likelihoods.Categorical(4, end_class=0), [[0], [1], [3]], [1, 0, 0]),
        (likelihoods.Categorical(4), [[0], [1], [3]], [0, 0, 0]),
        (likelihoods.Gaussian(1), [[0], [1], [2]], [0, 0, 0]),
    ],
    ids=repr,
)
def test_which_observations_end_a_sequence(likelihood, x, ends):
    x = tf.constant(x, tf.float32)
    np.testing.assert_array_equal(likelihood.is_end(x), np.array(ends, bool))
    np.testing.assert_array_equal(likelihood.is_end(x[None]), np.array([ends], bool))
    assert likelihood.can_end == any(ends)


# --- what a likelihood says of its data -----------------------------------------------------------


def test_likelihoods_are_found_by_the_medium_that_they_describe():
    found = {kind: likelihoods.describing(kind) for kind in ("audio", "pianoroll", "strokes")}
    assert found == {
        "audio": ["discretized_logistic_mixture", "gaussian", "gmm"],
        "pianoroll": ["bernoulli", "nade"],
        "strokes": ["bivariate_gmm"],
    }
    assert likelihoods.describing("text") == ["categorical"]
    assert likelihoods.describing("film") == []


def test_the_end_of_strokes_is_marked_where_the_model_learns_it():
    x = np.array([[1, 2, 0], [3, 4, 1]], np.float32)
    before = x.copy()
    marked = BIVARIATE(2, end_of_sequence=True).mark_end(x)
    np.testing.assert_array_equal(marked, [[1, 2, 0], [3, 4, 2]])
    assert marked.dtype == np.float32
    np.testing.assert_array_equal(x, before)
    assert BIVARIATE(2).mark_end(x) is x


@every_case
def test_only_pens_lack_the_mark_of_the_end(case):
    x = case.observations(4)
    marked = case.likelihood.mark_end(x)
    if case.likelihood.name != "bivariate_gmm":
        np.testing.assert_array_equal(marked, x)
    if case.likelihood.can_end and case.likelihood.name == "bivariate_gmm":
        assert bool(case.likelihood.is_end(tf.constant(marked))[-1])


@every_case
def test_neighbouring_levels_are_a_width_apart(case):
    likelihood = case.likelihood
    if likelihood.name != "discretized_logistic_mixture":
        assert (likelihood.level_width, likelihood.normalization) == (None, None)
        return
    assert likelihood.normalization == "none"
    assert likelihood.level_width == pytest.approx(np.diff(np.unique(case.grid)).min())


# --- initial weights ------------------------------------------------------------------------------


def nade_weights(seed=None):
    likelihood = likelihoods.AutoregressiveBernoulli(5, 3)
    if seed is not None:
        likelihood.initialize(seed)
    return [np.array(weight) for weight in likelihood.layer.weights]


def test_the_seed_decides_the_weights_of_nade():
    for i, weight in enumerate(nade_weights()):  # those of seed 0
        expected = keras.initializers.GlorotUniform(seed=i)((5, 3))
        np.testing.assert_array_equal(weight, expected)
    seeds = (0, 1, 2, -1, 12_345)
    drawn = [nade_weights(seed) for seed in seeds]
    for seed, weights in zip(seeds, drawn, strict=True):
        np.testing.assert_array_equal(weights, nade_weights(seed))
    np.testing.assert_array_equal(drawn[0], nade_weights())
    every = [weight for weights in drawn for weight in weights]
    for one, other in itertools.combinations(every, 2):
        assert np.abs(one - other).max() > 0.1


@every_case
def test_initial_weights_are_those_of_the_layer(case):
    before = [np.array(w) for w in case.likelihood.layer.weights] if case.likelihood.layer else []
    assert case.likelihood.initialize(0) is None
    after = [np.array(w) for w in case.likelihood.layer.weights] if case.likelihood.layer else []
    assert bool(after) == (case.likelihood.name == "nade")
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


# --- serialisation --------------------------------------------------------------------------------


PEN = {"name": "bivariate_gmm", "num_components": 2}


@pytest.mark.parametrize(
    ("likelihood", "x", "possible"),
    [
        ({"name": "gaussian", "event_size": 2}, [3e38, -1.0], True),
        ({"name": "gaussian", "event_size": 2}, [0.0, np.inf], False),
        ({"name": "gmm", "event_size": 1}, [np.nan], False),
        (PEN, [9.0, -9.0, 1.0], True),
        (PEN, [9.0, -9.0, 2.0], False),
        (PEN, [np.nan, 0.0, 0.0], False),
        ({**PEN, "end_of_sequence": True}, [0.0, 0.0, 2.0], True),
        ({**PEN, "end_of_sequence": True}, [0.0, 0.0, -1.0], False),
        ({"name": "bernoulli", "event_size": 2}, [0.0, 1.0], True),
        ({"name": "bernoulli", "event_size": 2}, [0.0, 1.5], False),
        ({"name": "nade", "event_size": 2}, [-0.5, 0.0], False),
        ({"name": "categorical", "num_classes": 5}, [4.0], True),
        ({"name": "categorical", "num_classes": 5}, [5.0], False),
    ],
)
def test_which_observations_are_possible(likelihood, x, possible):
    likelihood = likelihoods.get(likelihood)
    assert np.array(likelihood.in_support(keras.ops.array([x], "float32"))).tolist() == [possible]


@every_case
def test_a_configuration_gives_the_same_likelihood(case):
    original = case.likelihood
    config = original.get_config()
    copies = [
        type(original).from_config(config),
        likelihoods.get({"name": original.name, **config}),
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(original)),
    ]
    raw, x, noise = case.raw(3), case.observations(3), case.noise(3)
    for copy in copies:
        assert type(copy) is type(original)
        assert copy.get_config() == config
        np.testing.assert_array_equal(copy.log_prob(raw, x), original.log_prob(raw, x))
        np.testing.assert_array_equal(copy.sample(raw, noise), original.sample(raw, noise))
    assert likelihoods.get(original) is original
    assert repr(original).startswith(f"{type(original).__name__}(")


def test_a_name_alone_takes_the_defaults():
    likelihood = likelihoods.get("bivariate_gmm")
    assert likelihood.get_config() == {
        "num_components": 20,
        "end_of_sequence": False,
        "min_scale": 1e-4,
    }


@pytest.mark.parametrize("name", likelihoods.names())
def test_the_example_in_the_error_is_a_valid_configuration(name):
    with pytest.raises(ValueError, match="does not take the arguments") as caught:
        likelihoods.get({"name": name, "colour": "blue"})
    example = str(caught.value).partition("For example ")[2].rstrip(".")
    assert likelihoods.get(ast.literal_eval(example)).name == name


# --- bad arguments --------------------------------------------------------------------------------


def test_unknown_names_list_the_known_and_the_nearest():
    with pytest.raises(ValueError, match="'gaussian', 'gmm'.*Did you mean 'bernoulli'"):
        likelihoods.get("bernouli")


@pytest.mark.parametrize(
    "identifier", [None, 7, ["gmm"], {}, {"event_size": 3}, likelihoods.Gaussian]
)
def test_what_names_no_likelihood(identifier):
    with pytest.raises(
        ValueError, match=r"`likelihood` must be one of \['bernoulli', 'bivariate_gmm'"
    ):
        likelihoods.get(identifier)


@pytest.mark.parametrize("name", ["gaussian", "gmm", "categorical"])
def test_a_missing_size_is_asked_for(name):
    with pytest.raises(ValueError, match=rf"'{name}' does not take .* missing .*For example"):
        likelihoods.get(name)


SIZES = [
    (likelihoods.Gaussian, "event_size", {}),
    (likelihoods.GaussianMixture, "event_size", {}),
    (likelihoods.GaussianMixture, "num_components", {"event_size": 2}),
    (BIVARIATE, "num_components", {}),
    (likelihoods.Bernoulli, "event_size", {}),
    (likelihoods.AutoregressiveBernoulli, "event_size", {}),
    (likelihoods.AutoregressiveBernoulli, "units", {"event_size": 2}),
    (likelihoods.Categorical, "num_classes", {}),
    (likelihoods.DiscretizedLogisticMixture, "event_size", {}),
    (likelihoods.DiscretizedLogisticMixture, "num_components", {"event_size": 2}),
    (likelihoods.DiscretizedLogisticMixture, "num_levels", {"event_size": 2}),
]


@pytest.mark.parametrize(("cls", "argument", "others"), SIZES)
def test_sizes_are_positive_integers(cls, argument, others):
    for value in (0, -3, 2.0, "2", None, True):
        with pytest.raises(ValueError, match=f"`{argument}` must be an integer >= [12]. Received"):
            cls(**{argument: value}, **others)
    config = cls(**{argument: np.int64(4)}, **others).get_config()
    assert type(config[argument]) is int
    assert config[argument] == 4


@pytest.mark.parametrize("minimum", [0.0, -1.0, math.nan, math.inf, "small"])
def test_scales_have_a_positive_floor(minimum):
    for make in (likelihoods.Gaussian, likelihoods.GaussianMixture, BIVARIATE):
        with pytest.raises(ValueError, match="`min_scale` must be a number > 0.0. Received"):
            make(2, min_scale=minimum)


def test_one_class_is_no_choice():
    with pytest.raises(ValueError, match="`num_classes` must be an integer >= 2. Received 1"):
        likelihoods.Categorical(1)


def test_end_class_is_a_symbol():
    with pytest.raises(ValueError, match="`end_class` must be below num_classes=4. Received 4"):
        likelihoods.Categorical(4, end_class=4)
    with pytest.raises(ValueError, match="`end_class` must be an integer >= 0. Received -1"):
        likelihoods.Categorical(4, end_class=-1)


@every_case
def test_tensors_of_another_width(case):
    likelihood, size, event = case.likelihood, case.size, case.likelihood.event_size
    raw, x, noise = case.raw(2), case.observations(2), case.noise(2)
    for width in (size - 1, size + 1):
        wide = np.zeros((2, width), np.float32)
        message = rf"Expected a last axis of {size} .*Received shape \(2, {width}\)"
        with pytest.raises(ValueError, match=message):
            likelihood.log_prob(wide, x)
        with pytest.raises(ValueError, match=message):
            likelihood.sample(wide, noise)
    message = rf"`x` must be \[..., {event}\] \({likelihood.description}\)"
    message = message.replace("[-1, 1]", r"\[-1, 1\]")
    for wrong in (x[:, :0], np.concatenate([x, x[:, :1]], axis=-1)):
        with pytest.raises(ValueError, match=message):
            likelihood.log_prob(raw, wrong)
