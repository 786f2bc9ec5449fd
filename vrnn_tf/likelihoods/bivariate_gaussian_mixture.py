"""A mixture of correlated Gaussians for pen offsets, and pen states beside it."""

from __future__ import annotations

from keras import ops

from vrnn_tf import rng
from vrnn_tf.distributions import BivariateNormal, IndependentBlocks, tfd
from vrnn_tf.likelihoods.likelihood import (
    MAX_CORRELATION,
    MIN_SCALE,
    Likelihood,
    register,
    within,
)
from vrnn_tf.likelihoods.mixtures import choose, loc_and_scale, split_last
from vrnn_tf.likelihoods.sampling import is_positive
from vrnn_tf.packing import Packing
from vrnn_tf.validation import check_integer, check_number


@register("bivariate_gmm")
class BivariateGaussianMixture(Likelihood):
    """Pen strokes (dx, dy, pen): K correlated Gaussians for the offset and Bernoulli pen states.

    Eqs. (15-25) of Graves, arXiv:1308.0850. `pen` is 1 on the last point of a stroke, else 0. With
    `end_of_sequence`, `pen` is 2 on the last point of the last stroke: a second Bernoulli variable
    says whether a sequence ends where the pen lifts. The density of a sequence that never says 2
    therefore differs from the paper's only by the probability of going on after each lift.
    `sample` takes `pen_bias`, in nats, which raises the log odds that the pen lifts.

    Args:
        num_components: K.
        end_of_sequence: whether the model learns where a sequence ends.
        min_scale: the floor of both scales, in units of x.

    Example:

    >>> import numpy as np
    >>> from vrnn_tf import likelihoods
    >>> pen = likelihoods.BivariateGaussianMixture(num_components=2, end_of_sequence=True)
    >>> line = pen.mark_end(np.array([[3.0, 4.0, 0.0], [5.0, -2.0, 1.0]], "float32"))
    >>> line[:, 2].tolist()
    [0.0, 2.0]
    >>> np.array(pen.is_end(line)).tolist()
    [False, True]
    """

    description = "dx, dy, pen"
    media = ("strokes",)
    example_arguments = "'num_components': 20"
    scale_names = ("raw_scale",)
    sampling_options = {"pen_bias": 0.0}
    endless_options = {"pen_bias": -100.0}  # a pen that never lifts does not end the sequence

    def __init__(
        self,
        num_components: int = 20,
        end_of_sequence: bool = False,
        min_scale: float = MIN_SCALE,
    ):
        num_components = self.num_components = check_integer("num_components", num_components, 1)
        self.min_scale = check_number("min_scale", min_scale, 0.0, strict=True)
        self.end_mark = (2, 2.0) if end_of_sequence else None
        sizes = {
            "logits": num_components,
            "loc": 2 * num_components,
            "raw_scale": 2 * num_components,
            "raw_correlation": num_components,
            "pen_logit": 1,
        }
        if end_of_sequence:
            sizes["end_logit"] = 1
        pen_noise = 1 + self.can_end
        super().__init__(3, Packing(sizes), num_components + 2 + pen_noise)

    def parameters(self, raw):
        slices = self.packing.unpack(raw)
        shape = (self.num_components, 2)
        parameters = {
            "logits": slices["logits"],
            "loc": split_last(slices["loc"], shape),
            "scale": split_last(ops.softplus(slices["raw_scale"]) + self.min_scale, shape),
            "correlation": MAX_CORRELATION * ops.tanh(slices["raw_correlation"]),
            "pen_logit": slices["pen_logit"],
        }
        if self.can_end:
            parameters["end_logit"] = slices["end_logit"]
        return parameters

    def distribution(self, raw):
        parameters = self.parameters(raw)
        offset = tfd.MixtureSameFamily(
            tfd.Categorical(logits=parameters["logits"]),
            BivariateNormal(parameters["loc"], parameters["scale"], parameters["correlation"]),
        )
        return IndependentBlocks([offset, self._pen_distribution(parameters)])

    def _pen_distribution(self, parameters):
        lift = parameters["pen_logit"]
        if not self.can_end:
            return tfd.Independent(tfd.Bernoulli(logits=lift, dtype=lift.dtype), 1)
        end = parameters["end_logit"]
        log_probs = [
            -ops.softplus(lift),
            -ops.softplus(-lift) - ops.softplus(end),
            -ops.softplus(-lift) - ops.softplus(-end),
        ]
        states = tfd.Categorical(logits=ops.stack(log_probs, axis=-1), dtype=lift.dtype)
        return tfd.Independent(states, 1)

    def _sample(self, parameters, noise, temperature, pen_bias=0.0):
        gumbel_noise = noise[..., : self.num_components]
        normal_noise = noise[..., self.num_components : self.num_components + 2]
        pen_noise = rng.logistic(noise[..., self.num_components + 2 :])
        choice = choose(parameters["logits"], gumbel_noise, temperature)
        loc, scale = loc_and_scale(parameters, ops.expand_dims(choice, -1), axis=-2)
        correlation = ops.sum(choice * parameters["correlation"], axis=-1, keepdims=True)
        first, second = ops.split(rng.normal(normal_noise, 2), 2, axis=-1)
        second = correlation * first + ops.sqrt(1.0 - ops.square(correlation)) * second
        offset = loc + temperature * scale * ops.concatenate([first, second], axis=-1)
        pen_noise = temperature * pen_noise
        pen = is_positive(parameters["pen_logit"] + pen_bias + pen_noise[..., :1])
        if self.can_end:
            pen = pen * (1.0 + is_positive(parameters["end_logit"] + pen_noise[..., 1:]))
        return ops.concatenate([offset, pen], axis=-1)

    def mark_end(self, x):
        if self.end_mark is None:
            return x
        feature, value = self.end_mark
        marked = x.copy()
        marked[-1, feature] = value
        return marked

    def in_support(self, x):
        pen = within(x[..., 2:], 0.0, 2.0 if self.can_end else 1.0)
        return ops.logical_and(super().in_support(x), pen)

    def get_config(self):
        return {
            "num_components": self.num_components,
            "end_of_sequence": self.can_end,
            "min_scale": self.min_scale,
        }
