"""A mixture of logistics over discrete levels, for every sample of a frame."""

from __future__ import annotations

from keras import ops

from vrnn_tf import rng
from vrnn_tf.distributions import DiscretizedLogistic, tfd
from vrnn_tf.likelihoods.likelihood import Likelihood, register
from vrnn_tf.likelihoods.mixtures import choose, loc_and_scale, split_last
from vrnn_tf.packing import Packing
from vrnn_tf.validation import check_integer


@register("discretized_logistic_mixture")
class DiscretizedLogisticMixture(Likelihood):
    """K discretised logistics for each sample of a frame, arXiv:1701.05517: 16-bit audio.

    x holds samples in [-1, 1]. `log_prob` is the logarithm of the probability of their levels.

    Args:
        event_size: D, samples a frame.
        num_components: K.
        num_levels: how many levels divide [-1, 1]; 65536 for 16-bit audio.

    Example:

    >>> import numpy as np
    >>> from vrnn_tf import likelihoods
    >>> coarse = likelihoods.DiscretizedLogisticMixture(1, num_components=1, num_levels=5)
    >>> coarse.level_width
    0.5
    >>> raw = np.array([[0.0, 0.4, 0.0]], "float32")  # logit, loc and raw scale
    >>> noise = np.full((1, coarse.noise_size), 0.5, "float32")
    >>> np.array(coarse.sample(raw, noise, temperature=0.0)).tolist()  # the nearest level
    [[0.5]]
    """

    description = "samples in [-1, 1]"
    media = ("audio",)
    is_density = False
    example_arguments = "'event_size': 200, 'num_components': 10"
    scale_names = ("raw_scale",)
    normalization = "none"  # the levels lie in [-1, 1] by their definition

    def __init__(self, event_size: int, num_components: int = 10, num_levels: int = 65536):
        event_size = check_integer("event_size", event_size, 1)
        num_components = self.num_components = check_integer("num_components", num_components, 1)
        num_levels = self.num_levels = check_integer("num_levels", num_levels, 2)
        self.level_width = 2.0 / (num_levels - 1)
        # A logistic much narrower than a level is a point mass, whose gradient vanishes.
        self.min_scale = 0.5 / (num_levels - 1)
        values = event_size * num_components
        super().__init__(
            event_size,
            Packing({"logits": values, "loc": values, "raw_scale": values}),
            values + event_size,
        )

    def parameters(self, raw):
        shape = (self.event_size, self.num_components)
        slices = {name: split_last(v, shape) for name, v in self.packing.unpack(raw).items()}
        scale = ops.softplus(slices["raw_scale"]) + self.min_scale
        return {"logits": slices["logits"], "loc": slices["loc"], "scale": scale}

    def distribution(self, raw):
        parameters = self.parameters(raw)
        components = DiscretizedLogistic(parameters["loc"], parameters["scale"], self.num_levels)
        mixture = tfd.MixtureSameFamily(tfd.Categorical(logits=parameters["logits"]), components)
        return tfd.Independent(mixture, 1)

    def _sample(self, parameters, noise, temperature):
        values = self.event_size * self.num_components
        gumbel_noise = split_last(noise[..., :values], (self.event_size, self.num_components))
        per_component = ops.expand_dims(temperature, -1) if _has_axes(temperature) else temperature
        choice = choose(parameters["logits"], gumbel_noise, per_component)
        loc, scale = loc_and_scale(parameters, choice, axis=-1)
        value = loc + temperature * scale * rng.logistic(noise[..., values:])
        top = self.num_levels - 1
        level = ops.clip(ops.round((value + 1.0) * (0.5 * top)), 0, top)
        return level * (2.0 / top) - 1.0

    def get_config(self):
        return {
            "event_size": self.event_size,
            "num_components": self.num_components,
            "num_levels": self.num_levels,
        }


def _has_axes(value) -> bool:
    return len(getattr(value, "shape", ())) > 0
