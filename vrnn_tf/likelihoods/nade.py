"""Bits that depend on the bits before them in the same step."""

from __future__ import annotations

import keras
from keras import ops

from vrnn_tf import rng
from vrnn_tf.distributions import NADE
from vrnn_tf.likelihoods.likelihood import Likelihood, register, within
from vrnn_tf.likelihoods.sampling import is_positive
from vrnn_tf.packing import Packing
from vrnn_tf.validation import check_integer


class NADEWeights(keras.layers.Layer):
    """W and V of `distributions.NADE`, each `[event_size, units]`, float32.

    Args:
        event_size: D.
        units: U.

    Example:

    >>> from vrnn_tf.likelihoods.nade import NADEWeights
    >>> [tuple(weight.shape) for weight in NADEWeights(event_size=88, units=64).weights]
    [(88, 64), (88, 64)]
    """

    def __init__(self, event_size: int, units: int):
        super().__init__(name="nade", dtype="float32")
        shape = (event_size, units)
        self.below = self.add_weight(name="below", shape=shape, initializer="zeros")
        self.above = self.add_weight(name="above", shape=shape, initializer="zeros")
        self.built = True

    def initialize(self, seed: int) -> None:
        """Draws both weights from the Glorot uniform distribution."""
        for i, weight in enumerate((self.below, self.above)):
            uniform = keras.initializers.GlorotUniform(seed=1000 * seed + i)
            weight.assign(uniform(weight.shape, dtype=weight.dtype))


@register("nade")
class AutoregressiveBernoulli(Likelihood):
    """Bits that depend on the bits before them: the notes of a chord. See `distributions.NADE`.

    The decoder gives the biases c and b at every step (RNN-NADE, arXiv:1206.6392). W and V are
    weights of the likelihood. At temperature 0 each bit has its more probable value, given the bits
    before it.

    Args:
        event_size: D, for example 88 keys.
        units: U, the number of hidden units.

    Example:

    >>> import itertools
    >>> import numpy as np
    >>> from vrnn_tf import likelihoods
    >>> chord = likelihoods.AutoregressiveBernoulli(event_size=2, units=3)
    >>> chord.initialize(seed=7)
    >>> raw = np.zeros((4, chord.packing.size), "float32")
    >>> chords = np.array(list(itertools.product((0, 1), repeat=2)), "float32")
    >>> print(f"{np.exp(chord.log_prob(raw, chords)).sum():.4f}")
    1.0000
    """

    description = "bits, 0 or 1"
    media = ("pianoroll",)
    is_density = False
    example_arguments = "'event_size': 88"

    def __init__(self, event_size: int, units: int = 64):
        event_size = check_integer("event_size", event_size, 1)
        self.units = check_integer("units", units, 1)
        super().__init__(
            event_size, Packing({"hidden_bias": self.units, "logit_bias": event_size}), event_size
        )
        self.layer: NADEWeights = NADEWeights(event_size, self.units)
        self.initialize(0)

    def initialize(self, seed):
        self.layer.initialize(seed)

    def parameters(self, raw):
        return self.packing.unpack(raw)

    def distribution(self, raw):
        below, above = (ops.convert_to_tensor(w) for w in (self.layer.below, self.layer.above))
        return NADE(**self.parameters(raw), below=below, above=above)

    def _sample(self, parameters, noise, temperature):
        offsets = parameters["logit_bias"] + temperature * rng.logistic(noise)
        identity = ops.eye(self.event_size, dtype="float32")

        def body(d, x, sums):
            place = ops.take(identity, d, axis=0)  # [D], one-hot
            logit = ops.sum(ops.sigmoid(sums) * ops.take(self.layer.above, d, axis=0), axis=-1)
            bit = is_positive(logit + ops.sum(place * offsets, axis=-1))
            bit = ops.expand_dims(bit, -1)
            return d + 1, x + bit * place, sums + bit * ops.take(self.layer.below, d, axis=0)

        start = (ops.zeros((), "int32"), ops.zeros_like(offsets), parameters["hidden_bias"])
        return ops.while_loop(lambda d, *_: d < self.event_size, body, start)[1]

    def in_support(self, x):
        return within(x, 0.0, 1.0)

    def get_config(self):
        return {"event_size": self.event_size, "units": self.units}
