"""A mixture of Gaussians over whole frames."""

from __future__ import annotations

from keras import ops

from vrnn_tf import rng
from vrnn_tf.distributions import tfd
from vrnn_tf.likelihoods.likelihood import MIN_SCALE, Likelihood, register
from vrnn_tf.likelihoods.mixtures import choose, loc_and_scale, split_last
from vrnn_tf.packing import Packing
from vrnn_tf.validation import check_integer, check_number


@register("gmm")
class GaussianMixture(Likelihood):
    """A mixture of K diagonal Gaussians over the whole frame: RNN-GMM and VRNN-GMM on speech.

    Args:
        event_size: D.
        num_components: K.
        min_scale: the floor of the scale, in units of x.

    Example:

    >>> import numpy as np
    >>> from vrnn_tf import likelihoods
    >>> mixture = likelihoods.GaussianMixture(event_size=1, num_components=2)
    >>> mixture.packing
    Packing({'logits': 2, 'loc': 2, 'raw_scale': 2})
    >>> raw = np.array([[0.0, 3.0, -7.0, 7.0, 0.0, 0.0]], "float32")
    >>> noise = np.full((1, mixture.noise_size), 0.5, "float32")
    >>> np.array(mixture.sample(raw, noise, temperature=0.0)).tolist()  # the likelier component
    [[7.0]]
    """

    description = "real features"
    media = ("audio",)
    example_arguments = "'event_size': 200, 'num_components': 20"
    scale_names = ("raw_scale",)

    def __init__(self, event_size: int, num_components: int = 20, min_scale: float = MIN_SCALE):
        event_size = check_integer("event_size", event_size, 1)
        num_components = self.num_components = check_integer("num_components", num_components, 1)
        self.min_scale = check_number("min_scale", min_scale, 0.0, strict=True)
        values = num_components * event_size
        super().__init__(
            event_size,
            Packing({"logits": num_components, "loc": values, "raw_scale": values}),
            num_components + rng.normal_noise_size(event_size),
        )

    def parameters(self, raw):
        slices = self.packing.unpack(raw)
        shape = (self.num_components, self.event_size)
        return {
            "logits": slices["logits"],
            "loc": split_last(slices["loc"], shape),
            "scale": split_last(ops.softplus(slices["raw_scale"]) + self.min_scale, shape),
        }

    def distribution(self, raw):
        parameters = self.parameters(raw)
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=parameters["logits"]),
            tfd.MultivariateNormalDiag(parameters["loc"], parameters["scale"]),
        )

    def _sample(self, parameters, noise, temperature):
        choice = choose(parameters["logits"], noise[..., : self.num_components], temperature)
        loc, scale = loc_and_scale(parameters, ops.expand_dims(choice, -1), axis=-2)
        normal = rng.normal(noise[..., self.num_components :], self.event_size)
        return loc + temperature * scale * normal

    def get_config(self):
        return {
            "event_size": self.event_size,
            "num_components": self.num_components,
            "min_scale": self.min_scale,
        }
