"""One Gaussian for each feature."""

from __future__ import annotations

from keras import ops

from vrnn_tf import rng
from vrnn_tf.distributions import tfd
from vrnn_tf.likelihoods.likelihood import MIN_SCALE, Likelihood, register
from vrnn_tf.packing import Packing
from vrnn_tf.validation import check_integer, check_number


@register("gaussian")
class Gaussian(Likelihood):
    """A diagonal Gaussian: the output of RNN-Gauss and VRNN-Gauss.

    Args:
        event_size: D.
        min_scale: the floor of the scale, in units of x.

    Example:

    >>> import numpy as np
    >>> from vrnn_tf import likelihoods
    >>> gaussian = likelihoods.Gaussian(event_size=1)
    >>> raw = np.array([[0.0, 0.5413]], "float32")  # softplus(0.5413) is 1
    >>> print(f"{gaussian.log_prob(raw, np.zeros((1, 1), 'float32'))[0]:.3f}")
    -0.919
    """

    description = "real features"
    media = ("audio",)
    example_arguments = "'event_size': 200"
    scale_names = ("raw_scale",)

    def __init__(self, event_size: int, min_scale: float = MIN_SCALE):
        event_size = check_integer("event_size", event_size, 1)
        self.min_scale = check_number("min_scale", min_scale, 0.0, strict=True)
        super().__init__(
            event_size,
            Packing({"loc": event_size, "raw_scale": event_size}),
            rng.normal_noise_size(event_size),
        )

    def parameters(self, raw):
        slices = self.packing.unpack(raw)
        scale = ops.softplus(slices["raw_scale"]) + self.min_scale
        return {"loc": slices["loc"], "scale": scale}

    def distribution(self, raw):
        parameters = self.parameters(raw)
        return tfd.MultivariateNormalDiag(parameters["loc"], parameters["scale"])

    def _sample(self, parameters, noise, temperature):
        normal = rng.normal(noise, self.event_size)
        return parameters["loc"] + temperature * parameters["scale"] * normal

    def get_config(self):
        return {"event_size": self.event_size, "min_scale": self.min_scale}
