"""Bits that depend on each other, by an autoregression over the features of a step."""

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
    """W and V of `distributions.NADE`, each `[event_size, units]`, float32."""

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
    """Bits of which each depends on those before it: notes of a chord. See `distributions.NADE`.

    The decoder gives the biases c and b at every step (RNN-NADE, arXiv:1206.6392); W and V are
    weights of the likelihood. At temperature 0 each bit is the more probable one, given those
    before it.

    Args:
        event_size: D, for example 88 keys.
        units: U, hidden units of the autoregression.
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
        own = ops.eye(self.event_size, dtype="float32")

        def body(d, x, sums):
            mine = ops.take(own, d, axis=0)
            logit = ops.sum(ops.sigmoid(sums) * ops.take(self.layer.above, d, axis=0), axis=-1)
            bit = is_positive(logit + ops.sum(mine * offsets, axis=-1))
            bit = ops.expand_dims(bit, -1)
            return d + 1, x + bit * mine, sums + bit * ops.take(self.layer.below, d, axis=0)

        start = (ops.zeros((), "int32"), ops.zeros_like(offsets), parameters["hidden_bias"])
        return ops.while_loop(lambda d, *_: d < self.event_size, body, start)[1]

    def in_support(self, x):
        return within(x, 0.0, 1.0)

    def get_config(self):
        return {"event_size": self.event_size, "units": self.units}
