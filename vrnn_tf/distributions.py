"""tfd for the active Keras backend, and four distributions that tfd lacks."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

if keras.backend.backend() == "jax":
    from tensorflow_probability.substrates import jax as tfp
else:
    import tensorflow_probability as tfp

tfd: Any = tfp.distributions  # it has no types, and classes may derive from Any
_Properties = tfp.util.ParameterProperties


class _Density(tfd.Distribution):
    """A distribution that has a density and no sampler.

    Args:
        event_shape: the static shape of an event.
        dtype: the type of x and of the density.
        parameters: the arguments of the subclass's constructor, as tfd wants them.
        name: the name of the distribution.
    """

    def __init__(self, event_shape: tuple[int, ...], dtype, parameters: dict[str, Any], name: str):
        self._static_event_shape = event_shape
        super().__init__(
            dtype=dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    def _event_shape(self):
        return self._static_event_shape

    def _event_shape_tensor(self):
        return ops.convert_to_tensor(self._static_event_shape, dtype="int32")


class BivariateNormal(_Density):
    """Two correlated normal variables: Eqs. (24, 25) of Graves, arXiv:1308.0850.

    It equals `tfd.MultivariateNormalTriL`, written out for two dimensions. With a triangular solve
    for every component of every step, density and gradient took six times as long (32 sequences of
    300 steps, 20 components, 2 cores).

    Args:
        loc: `[..., 2]`.
        scale: `[..., 2]`, positive.
        correlation: `[...]`, strictly between -1 and 1.

    Example:

    >>> import tensorflow as tf
    >>> from vrnn_tf.distributions import BivariateNormal
    >>> standard = BivariateNormal(tf.zeros(2), tf.ones(2), tf.constant(0.0))
    >>> print(f"{standard.log_prob(tf.zeros(2)):.4f}")  # -log(2 pi)
    -1.8379
    """

    def __init__(self, loc, scale, correlation, name="BivariateNormal"):
        parameters = dict(locals())
        self.loc, self.scale, self.correlation = loc, scale, correlation
        super().__init__((2,), loc.dtype, parameters, name)

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {
            "loc": _Properties(event_ndims=1),
            "scale": _Properties(event_ndims=1),
            "correlation": _Properties(event_ndims=0),
        }

    def _log_prob(self, x):
        standardized = (x - self.loc) / self.scale
        first, second = standardized[..., 0], standardized[..., 1]
        # The second variable given the first has this scale, in units of its own scale.
        conditional_scale = ops.sqrt(1.0 - ops.square(self.correlation))
        residual = (second - self.correlation * first) / conditional_scale
        log_normalizer = (
            math.log(2.0 * math.pi)
            + ops.sum(ops.log(self.scale), axis=-1)
            + ops.log(conditional_scale)
        )
        return -0.5 * (ops.square(first) + ops.square(residual)) - log_normalizer


class DiscretizedLogistic(_Density):
    """A logistic variable rounded to `num_levels` even levels of [-1, 1] (arXiv:1701.05517).

    The mass of a level is the difference of two sigmoids. It is computed without a cancellation.
    With u the standardised distance and d half a bin in units of the scale,

        log(sigmoid(u + d) - sigmoid(u - d))
            = log(1 - e^(-2d)) - softplus(-(u + d)) - softplus(u - d).

    The two outermost levels take the tails. A value between two levels counts as the nearer one.

    Args:
        loc: `[...]`, in units of x.
        scale: `[...]`, positive.
        num_levels: at least 2; 65536 for 16-bit audio.

    Example:

    >>> import tensorflow as tf
    >>> from vrnn_tf.distributions import DiscretizedLogistic
    >>> coin = DiscretizedLogistic(tf.constant(0.0), tf.constant(1.0), num_levels=2)
    >>> tf.exp(coin.log_prob([-1.0, 1.0])).numpy().tolist()
    [0.5, 0.5]
    """

    def __init__(self, loc, scale, num_levels, name="DiscretizedLogistic"):
        parameters = dict(locals())
        self.loc, self.scale, self.num_levels = loc, scale, num_levels
        super().__init__((), loc.dtype, parameters, name)

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {
            "loc": _Properties(event_ndims=0),
            "scale": _Properties(event_ndims=0),
            "num_levels": _Properties(event_ndims=None, specifies_shape=True),
        }

    def _log_prob(self, x):
        top = self.num_levels - 1
        level = ops.clip(ops.round((x + 1.0) * (0.5 * top)), 0, top)
        distance = (level * (2.0 / top) - 1.0 - self.loc) / self.scale
        half_bin = 1.0 / (top * self.scale)
        below_upper_edge = -ops.softplus(-(distance + half_bin))
        above_lower_edge = -ops.softplus(distance - half_bin)
        inside = ops.log(-ops.expm1(-2.0 * half_bin)) + below_upper_edge + above_lower_edge
        return ops.where(
            level == 0, below_upper_edge, ops.where(level == top, above_lower_edge, inside)
        )


class NADE(_Density):
    """Bits that depend on the bits before them (Larochelle and Murray, 2011).

        p(x_d = 1 | x_<d) = sigmoid(b_d + V_d . sigmoid(c + sum_{j < d} x_j W_j))

    Args:
        hidden_bias: c, `[..., U]`.
        logit_bias: b, `[..., D]`.
        below: W, `[D, U]`.
        above: V, `[D, U]`.

    Example:

    >>> import tensorflow as tf
    >>> from vrnn_tf.distributions import NADE
    >>> zeros = tf.zeros((3, 4))
    >>> coins = NADE(tf.zeros(4), tf.zeros(3), below=zeros, above=zeros)
    >>> print(f"{tf.exp(coins.log_prob([1.0, 0.0, 1.0])):.4f}")
    0.1250
    """

    def __init__(self, hidden_bias, logit_bias, below, above, name="NADE"):
        parameters = dict(locals())
        self.hidden_bias, self.logit_bias = hidden_bias, logit_bias
        self.below, self.above = below, above
        super().__init__((logit_bias.shape[-1],), logit_bias.dtype, parameters, name)

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {
            "hidden_bias": _Properties(event_ndims=1),
            "logit_bias": _Properties(event_ndims=1),
            "below": _Properties(event_ndims=2),
            "above": _Properties(event_ndims=2),
        }

    def _log_prob(self, x):
        size, units = self.below.shape
        # One product for all d: row j of the matrix adds W_j to the sums of every d > j.
        earlier = ops.triu(ops.ones((size, size), x.dtype), k=1)
        matrix = ops.expand_dims(earlier, -1) * ops.expand_dims(self.below, 1)
        sums = ops.matmul(x, ops.reshape(matrix, (size, size * units)))
        sums = ops.reshape(sums, (*ops.shape(x)[:-1], size, units))
        hidden = ops.sigmoid(sums + ops.expand_dims(self.hidden_bias, -2))
        logits = self.logit_bias + ops.sum(hidden * self.above, axis=-1)
        return ops.sum(x * logits - ops.softplus(logits), axis=-1)


class IndependentBlocks(_Density):
    """Independent distributions over consecutive slices of one vector.

    It has the density of `tfd.Blockwise`, which traces a sample of every block to compute it.

    Args:
        blocks: distributions of one batch shape and of static vector events.

    Example:

    >>> import tensorflow as tf
    >>> from vrnn_tf.distributions import IndependentBlocks, tfd
    >>> blocks = [
    ...     tfd.MultivariateNormalDiag(tf.zeros(1), tf.ones(1)),
    ...     tfd.Independent(tfd.Bernoulli(logits=tf.zeros(2), dtype=tf.float32), 1),
    ... ]
    >>> both = IndependentBlocks(blocks)
    >>> print(f"{both.log_prob(tf.constant([0.0, 1.0, 0.0])):.4f}")  # -0.9189 - 2 log 2
    -2.3052
    """

    def __init__(self, blocks, name="IndependentBlocks"):
        parameters = dict(locals())
        self.blocks = list(blocks)
        self.event_sizes = [int(block.event_shape[-1]) for block in self.blocks]
        super().__init__((sum(self.event_sizes),), self.blocks[0].dtype, parameters, name)

    def _batch_shape(self):
        return self.blocks[0].batch_shape

    def _batch_shape_tensor(self):
        return self.blocks[0].batch_shape_tensor()

    def _log_prob(self, x):
        log_prob, start = 0.0, 0
        for block, size in zip(self.blocks, self.event_sizes, strict=True):
            log_prob = log_prob + block.log_prob(x[..., start : start + size])
            start += size
        return log_prob
