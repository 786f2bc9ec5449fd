"""One symbol of an alphabet a step."""

from __future__ import annotations

from keras import ops

from vrnn_tf import rng
from vrnn_tf.distributions import tfd
from vrnn_tf.likelihoods.likelihood import Likelihood, register, within
from vrnn_tf.likelihoods.sampling import argmax
from vrnn_tf.packing import Packing
from vrnn_tf.validation import check_integer


@register("categorical")
class Categorical(Likelihood):
    """Symbols of an alphabet: text. x `[B, T, 1]` holds their numbers.

    Args:
        num_classes: the size of the alphabet. Symbols are 0 .. num_classes - 1.
        end_class: the symbol that ends a sequence, or None.

    Example:

    >>> import numpy as np
    >>> from vrnn_tf import likelihoods
    >>> letters = likelihoods.Categorical(num_classes=4, end_class=0)
    >>> logits = np.log(np.array([[0.1, 0.2, 0.3, 0.4]], "float32"))
    >>> print(f"{np.exp(letters.log_prob(logits, np.array([[2.0]], 'float32')))[0]:.2f}")
    0.30
    """

    description = "symbol numbers"
    media = ("text",)
    is_density = False
    example_arguments = "'num_classes': 128"

    def __init__(self, num_classes: int, end_class: int | None = None):
        num_classes = self.num_symbols = check_integer("num_classes", num_classes, 2)
        if end_class is not None:
            end_class = check_integer("end_class", end_class, 0)
            if end_class >= num_classes:
                raise ValueError(
                    f"`end_class` must be below num_classes={num_classes}. Received {end_class}."
                )
        self.end_class = end_class
        self.end_mark = None if end_class is None else (0, float(end_class))
        super().__init__(1, Packing({"logits": num_classes}), num_classes)

    def parameters(self, raw):
        return self.packing.unpack(raw)

    def distribution(self, raw):
        logits = ops.expand_dims(self.parameters(raw)["logits"], -2)
        return tfd.Independent(tfd.Categorical(logits=logits, dtype=logits.dtype), 1)

    def _sample(self, parameters, noise, temperature):
        symbol = argmax(parameters["logits"] + temperature * rng.gumbel(noise))
        return ops.expand_dims(ops.cast(symbol, "float32"), -1)

    def in_support(self, x):
        return within(x, 0.0, self.packing.size - 1.0)

    def get_config(self):
        return {"num_classes": self.num_symbols, "end_class": self.end_class}
