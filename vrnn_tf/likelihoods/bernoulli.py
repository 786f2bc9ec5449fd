"""Independent bits."""

from __future__ import annotations

from vrnn_tf import rng
from vrnn_tf.distributions import tfd
from vrnn_tf.likelihoods.likelihood import Likelihood, register, within
from vrnn_tf.likelihoods.sampling import is_positive
from vrnn_tf.packing import Packing
from vrnn_tf.validation import check_integer


@register("bernoulli")
class Bernoulli(Likelihood):
    """Independent bits: piano rolls, binary images.

    Args:
        event_size: D, for example 88 keys.

    Example:

    >>> import numpy as np
    >>> from vrnn_tf import likelihoods
    >>> keys = likelihoods.Bernoulli(event_size=3)
    >>> logits = np.array([[2.0, -2.0, 0.5]], "float32")
    >>> noise = np.full((1, 3), 0.5, "float32")
    >>> np.array(keys.sample(logits, noise, temperature=0.0)).tolist()
    [[1.0, 0.0, 1.0]]
    """

    description = "bits, 0 or 1"
    media = ("pianoroll",)
    is_density = False
    example_arguments = "'event_size': 88"

    def __init__(self, event_size: int):
        event_size = check_integer("event_size", event_size, 1)
        super().__init__(event_size, Packing({"logits": event_size}), event_size)

    def parameters(self, raw):
        return self.packing.unpack(raw)

    def distribution(self, raw):
        logits = self.parameters(raw)["logits"]
        return tfd.Independent(tfd.Bernoulli(logits=logits, dtype=logits.dtype), 1)

    def _sample(self, parameters, noise, temperature):
        return is_positive(parameters["logits"] + temperature * rng.logistic(noise))

    def in_support(self, x):
        return within(x, 0.0, 1.0)

    def get_config(self):
        return {"event_size": self.event_size}
