"""Likelihoods in float64 NumPy and SciPy, written from the constraints that their docstrings state.

A reference takes one vector of raw parameters.
"""

import numpy as np
import scipy.special
import scipy.stats

from vrnn_tf.likelihoods import MAX_CORRELATION


def softplus(raw):
    return np.logaddexp(0.0, raw)


def split(likelihood, raw):
    """Names the slices of one raw vector, in float64."""
    sizes = likelihood.packing.sizes
    ends = np.cumsum(list(sizes.values()))[:-1]
    return dict(zip(sizes, np.split(np.asarray(raw, np.float64), ends), strict=True))


def product(*axes):
    """Every combination of the axes' values, `[N, D]`."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


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
