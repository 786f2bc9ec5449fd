"""p(x_t | z_<=t, x_<t), Eq. (6): what a decoder's output says about the next observation.

A likelihood names the slices of the decoder's raw output, turns them into a tfd distribution (the
exact density, used in training and evaluation) and draws from that distribution with given noise
(used in generation). One rule for temperature holds everywhere: the noise is multiplied by it.
That multiplies the scale of normal noise and divides the logits under Gumbel and logistic noise; at
temperature 0 a draw is the mode of the most probable component.

To add one: subclass `Likelihood` with `parameters`, `distribution`, `_sample` and `get_config`,
decorate it with `@register("name")`, and add its case to the contract test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from vrnn_tf import rng
from vrnn_tf.distributions import (
    NADE,
    BivariateNormal,
    DiscretizedLogistic,
    IndependentBlocks,
    tfd,
)
from vrnn_tf.packing import Packing
from vrnn_tf.validation import check_choice, check_integer, check_number

LARGEST = 3.4028234663852886e38  # of the finite float32 numbers
MIN_SCALE = 1e-4  # keeps log(scale) finite; the floor of the paper's code
MAX_CORRELATION = 0.9999  # keeps 1 - rho^2 above float32's rounding, so that its gradient is finite

_REGISTRY: dict[str, type[Likelihood]] = {}


def register(name: str) -> Callable[[type[Likelihood]], type[Likelihood]]:
    """Makes a likelihood known as `name` to `get` and to Keras's serialisation."""

    def decorate(cls: type[Likelihood]) -> type[Likelihood]:
        cls.name = name
        _REGISTRY[name] = cls
        return keras.saving.register_keras_serializable(package="vrnn_tf")(cls)

    return decorate


def names() -> list[str]:
    """The names that `get` knows."""
    return list(_REGISTRY)


def get(identifier: str | Mapping[str, Any] | Likelihood) -> Likelihood:
    """Returns a likelihood.

    Args:
        identifier: an instance, a name, or `{"name": name, **arguments}`.

    Raises:
        ValueError: if it is none of these, or the name is unknown (lists the known ones) or an
            argument is.
    """
    if isinstance(identifier, Likelihood):
        return identifier
    arguments = dict(identifier) if isinstance(identifier, Mapping) else {"name": identifier}
    name = arguments.pop("name", None)
    cls = _REGISTRY[check_choice("likelihood", name, _REGISTRY)]
    try:
        return cls(**arguments)
    except TypeError as error:
        raise ValueError(
            f"The likelihood {name!r} does not take the arguments {arguments}: {error}. "
            f"For example {{'name': {name!r}, {cls.example_arguments}}}."
        ) from None


class Likelihood:
    """The density of one time step of x and its sampler.

    Attributes:
        event_size: D, the size of one time step of x `[B, T, D]`.
        packing: the named slices of the decoder's raw output `[..., packing.size]`.
        noise_size: how many uniform numbers `sample` consumes for a step.
        scale_names: the slices that become scales (they start with the paper's bias of 0.6).
        sampling_options: `{name: default}` of what `sample` takes beside the temperature.
        num_symbols: size of the alphabet if x holds symbols, which phi_x then embeds; else None.
        end_mark: the feature and its value that say that the sequence ends with this observation;
            None if no observation does.
        layer: a Keras layer that holds weights of the density itself; None if it has none.
        is_density: whether its values are a density of x; else they are probabilities.
        description: what the last axis of x holds.
    """

    name: str
    description: str
    example_arguments: str
    scale_names: tuple[str, ...] = ()
    sampling_options: Mapping[str, float] = {}
    num_symbols: int | None = None
    end_mark: tuple[int, float] | None = None
    layer: keras.Layer | None = None
    is_density: bool = True

    def __init__(self, event_size: int, packing: Packing, noise_size: int):
        self.event_size = event_size
        self.packing = packing
        self.noise_size = noise_size

    def parameters(self, raw: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        """Turns raw decoder output `[..., packing.size]` into named, constrained parameters."""
        raise NotImplementedError

    def distribution(self, raw: keras.KerasTensor) -> tfd.Distribution:
        """The tfd distribution over one step, batch shape `[...]`, event shape `[D]`."""
        raise NotImplementedError

    def sample(self, raw, noise, temperature=1.0, **options) -> keras.KerasTensor:
        """Draws one step of x from given noise.

        Args:
            raw: `[..., packing.size]`.
            noise: `[..., noise_size]`, uniform, strictly between 0 and 1.
            temperature: multiplies the noise; broadcasts with `[..., 1]`. 0 gives the mode of the
                most probable component.
            **options: those of `sampling_options`, each broadcasting with `[..., 1]`.

        Returns:
            float32 `[..., D]`.

        Raises:
            ValueError: if `raw` or `noise` has a last axis of another size.
        """
        if noise.shape[-1] != self.noise_size:
            raise ValueError(
                f"`noise` must be [..., {self.noise_size}] for {self}. Received shape "
                f"{tuple(noise.shape)}. Ask for `noise_size` uniform numbers a step."
            )
        parameters = self.parameters(ops.cast(raw, "float32"))
        return self._sample(parameters, noise, temperature, **options)

    def _sample(self, *args: Any, **options: Any) -> keras.KerasTensor:
        """`sample` from `(parameters, noise, temperature)`; a subclass also names its options."""
        raise NotImplementedError

    def log_prob(self, raw: keras.KerasTensor, x: keras.KerasTensor) -> keras.KerasTensor:
        """log p(x) in nats a step, `[...]`, always in float32.

        Args:
            raw: `[..., packing.size]`.
            x: `[..., D]`.

        Raises:
            ValueError: if `raw` or `x` has a last axis of another size.
        """
        if x.shape[-1] != self.event_size:
            raise ValueError(
                f"`x` must be [..., {self.event_size}] ({self.description}) for {self}. Received "
                f"shape {tuple(x.shape)}."
            )
        return self.distribution(ops.cast(raw, "float32")).log_prob(ops.cast(x, "float32"))

    def initialize(self, seed: int) -> None:
        """Draws the weights of `layer` anew from a seed."""

    def is_end(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Whether the sequence ends with this observation: bool `[...]` for x `[..., D]`."""
        if self.end_mark is None:
            return ops.zeros_like(x[..., 0], dtype="bool")
        feature, value = self.end_mark
        return x[..., feature] == value

    def in_support(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Whether x `[..., D]` can be observed at all: bool `[...]`. NaN and infinity cannot."""
        return _within(x, -LARGEST, LARGEST)

    @property
    def can_end(self) -> bool:
        """Whether an observation can say that the sequence ends with it."""
        return self.end_mark is not None

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Likelihood:
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


@register("gaussian")
class Gaussian(Likelihood):
    """A diagonal Gaussian: the output of RNN-Gauss and VRNN-Gauss.

    Args:
        event_size: D.
        min_scale: floor of the scale, in units of x.
    """

    description = "real features"
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
        named = self.packing.unpack(raw)
        scale = ops.softplus(named["raw_scale"]) + self.min_scale
        return {"loc": named["loc"], "scale": scale}

    def distribution(self, raw):
        parameters = self.parameters(raw)
        return tfd.MultivariateNormalDiag(parameters["loc"], parameters["scale"])

    def _sample(self, parameters, noise, temperature):
        normal = rng.normal(noise, self.event_size)
        return parameters["loc"] + temperature * parameters["scale"] * normal

    def get_config(self):
        return {"event_size": self.event_size, "min_scale": self.min_scale}


@register("gmm")
class GaussianMixture(Likelihood):
    """A mixture of K diagonal Gaussians over the whole frame: RNN-GMM and VRNN-GMM on speech.

    Args:
        event_size: D.
        num_components: K.
        min_scale: floor of the scale, in units of x.
    """

    description = "real features"
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
        named = self.packing.unpack(raw)
        shape = (self.num_components, self.event_size)
        return {
            "logits": named["logits"],
            "loc": _split_last(named["loc"], shape),
            "scale": _split_last(ops.softplus(named["raw_scale"]) + self.min_scale, shape),
        }

    def distribution(self, raw):
        parameters = self.parameters(raw)
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=parameters["logits"]),
            tfd.MultivariateNormalDiag(parameters["loc"], parameters["scale"]),
        )

    def _sample(self, parameters, noise, temperature):
        choice = _choose(parameters["logits"], noise[..., : self.num_components], temperature)
        loc, scale = _loc_and_scale(parameters, ops.expand_dims(choice, -1), axis=-2)
        normal = rng.normal(noise[..., self.num_components :], self.event_size)
        return loc + temperature * scale * normal

    def get_config(self):
        return {
            "event_size": self.event_size,
            "num_components": self.num_components,
            "min_scale": self.min_scale,
        }


@register("bivariate_gmm")
class BivariateGaussianMixture(Likelihood):
    """Pen strokes (dx, dy, pen): K correlated Gaussians for the offset and Bernoulli pen states.

    Eqs. (15-25) of Graves, arXiv:1308.0850. `pen` is 1 on the last point of a stroke, else 0. With
    `end_of_sequence` it is 2 on the last point of the last stroke, a second Bernoulli variable
    given that the pen lifts: the density of a sequence that never says 2 differs from the paper's
    only by the probability of going on after each lift. `sample` takes `pen_bias`, in nats: it
    raises the log odds that the pen lifts.

    Args:
        num_components: K.
        end_of_sequence: whether the model learns where a sequence ends.
        min_scale: floor of both scales, in units of x.
    """

    description = "dx, dy, pen"
    example_arguments = "'num_components': 20"
    scale_names = ("raw_scale",)
    sampling_options = {"pen_bias": 0.0}

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
        named = self.packing.unpack(raw)
        shape = (self.num_components, 2)
        parameters = {
            "logits": named["logits"],
            "loc": _split_last(named["loc"], shape),
            "scale": _split_last(ops.softplus(named["raw_scale"]) + self.min_scale, shape),
            "correlation": MAX_CORRELATION * ops.tanh(named["raw_correlation"]),
            "pen_logit": named["pen_logit"],
        }
        if self.can_end:
            parameters["end_logit"] = named["end_logit"]
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
        choice = _choose(parameters["logits"], gumbel_noise, temperature)
        loc, scale = _loc_and_scale(parameters, ops.expand_dims(choice, -1), axis=-2)
        correlation = ops.sum(choice * parameters["correlation"], axis=-1, keepdims=True)
        first, second = ops.split(rng.normal(normal_noise, 2), 2, axis=-1)
        second = correlation * first + ops.sqrt(1.0 - ops.square(correlation)) * second
        offset = loc + temperature * scale * ops.concatenate([first, second], axis=-1)
        pen_noise = temperature * pen_noise
        pen = _is_positive(parameters["pen_logit"] + pen_bias + pen_noise[..., :1])
        if self.can_end:
            pen = pen * (1.0 + _is_positive(parameters["end_logit"] + pen_noise[..., 1:]))
        return ops.concatenate([offset, pen], axis=-1)

    def in_support(self, x):
        pen = _within(x[..., 2:], 0.0, 2.0 if self.can_end else 1.0)
        return ops.logical_and(super().in_support(x), pen)

    def get_config(self):
        return {
            "num_components": self.num_components,
            "end_of_sequence": self.can_end,
            "min_scale": self.min_scale,
        }


@register("bernoulli")
class Bernoulli(Likelihood):
    """Independent bits: piano rolls, binary images.

    Args:
        event_size: D, for example 88 keys.
    """

    description = "bits, 0 or 1"
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
        return _is_positive(parameters["logits"] + temperature * rng.logistic(noise))

    def in_support(self, x):
        return _within(x, 0.0, 1.0)

    def get_config(self):
        return {"event_size": self.event_size}


class NADEWeights(keras.layers.Layer):
    """W and V of `distributions.NADE`, each `[event_size, units]`, float32."""

    def __init__(self, event_size: int, units: int):
        super().__init__(name="nade", dtype="float32")
        for i, name in enumerate(("below", "above")):
            uniform = keras.initializers.GlorotUniform(seed=i)
            weight = self.add_weight(name=name, shape=(event_size, units), initializer=uniform)
            setattr(self, name, weight)
        self.built = True


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
    is_density = False
    example_arguments = "'event_size': 88"

    def __init__(self, event_size: int, units: int = 64):
        event_size = check_integer("event_size", event_size, 1)
        self.units = check_integer("units", units, 1)
        super().__init__(
            event_size, Packing({"hidden_bias": self.units, "logit_bias": event_size}), event_size
        )
        self.layer: NADEWeights = NADEWeights(event_size, self.units)

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
            bit = _is_positive(logit + ops.sum(mine * offsets, axis=-1))
            bit = ops.expand_dims(bit, -1)
            return d + 1, x + bit * mine, sums + bit * ops.take(self.layer.below, d, axis=0)

        start = (ops.zeros((), "int32"), ops.zeros_like(offsets), parameters["hidden_bias"])
        return ops.while_loop(lambda d, *_: d < self.event_size, body, start)[1]

    def in_support(self, x):
        return _within(x, 0.0, 1.0)

    def get_config(self):
        return {"event_size": self.event_size, "units": self.units}


@register("categorical")
class Categorical(Likelihood):
    """Symbols of an alphabet, x `[B, T, 1]` holding their numbers: text.

    Args:
        num_classes: size of the alphabet; symbols are 0 .. num_classes - 1.
        end_class: the symbol that ends a sequence, or None.
    """

    description = "symbol numbers"
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
        symbol = _argmax(parameters["logits"] + temperature * rng.gumbel(noise))
        return ops.expand_dims(ops.cast(symbol, "float32"), -1)

    def in_support(self, x):
        return _within(x, 0.0, self.packing.size - 1.0)

    def get_config(self):
        return {"num_classes": self.num_symbols, "end_class": self.end_class}


@register("discretized_logistic_mixture")
class DiscretizedLogisticMixture(Likelihood):
    """K discretised logistics for each sample of a frame, arXiv:1701.05517: 16-bit audio.

    x holds samples in [-1, 1]; the log-likelihood is that of the integer level, in nats.

    Args:
        event_size: D, samples a frame.
        num_components: K.
        num_levels: how many levels divide [-1, 1]; 65536 for 16-bit audio.
    """

    description = "samples in [-1, 1]"
    is_density = False
    example_arguments = "'event_size': 200, 'num_components': 10"
    scale_names = ("raw_scale",)

    def __init__(self, event_size: int, num_components: int = 10, num_levels: int = 65536):
        event_size = check_integer("event_size", event_size, 1)
        num_components = self.num_components = check_integer("num_components", num_components, 1)
        num_levels = self.num_levels = check_integer("num_levels", num_levels, 2)
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
        named = {name: _split_last(v, shape) for name, v in self.packing.unpack(raw).items()}
        scale = ops.softplus(named["raw_scale"]) + self.min_scale
        return {"logits": named["logits"], "loc": named["loc"], "scale": scale}

    def distribution(self, raw):
        parameters = self.parameters(raw)
        components = DiscretizedLogistic(parameters["loc"], parameters["scale"], self.num_levels)
        mixture = tfd.MixtureSameFamily(tfd.Categorical(logits=parameters["logits"]), components)
        return tfd.Independent(mixture, 1)

    def _sample(self, parameters, noise, temperature):
        values = self.event_size * self.num_components
        gumbel_noise = _split_last(noise[..., :values], (self.event_size, self.num_components))
        per_component = ops.expand_dims(temperature, -1) if _has_axes(temperature) else temperature
        choice = _choose(parameters["logits"], gumbel_noise, per_component)
        loc, scale = _loc_and_scale(parameters, choice, axis=-1)
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


def _split_last(tensor, shape: tuple[int, int]):
    """Reshapes the last axis, `[..., a * b]` -> `[..., a, b]`."""
    leading = ops.shape(tensor)[:-1]
    if math.prod(shape) != tensor.shape[-1]:
        raise ValueError(f"Cannot split a last axis of {tensor.shape[-1]} into {shape}.")
    return ops.reshape(tensor, (*leading, *shape))


def _choose(logits, uniforms, temperature):
    """One-hot `[..., K]` of a draw from Categorical(logits / temperature), Gumbel-max."""
    perturbed = logits + temperature * rng.gumbel(uniforms)
    return ops.one_hot(_argmax(perturbed), logits.shape[-1], dtype=logits.dtype)


def _argmax(tensor):
    # `ops.argmax` tells -0.0 from 0.0 by a bitwise and, which is no TFLite builtin.
    return ops.top_k(tensor, 1)[1][..., 0]


def _loc_and_scale(parameters, choice, axis: int):
    """loc and scale of the component that `choice` marks along `axis`."""
    return [ops.sum(choice * parameters[name], axis=axis) for name in ("loc", "scale")]


def _is_positive(tensor):
    return ops.cast(tensor > 0.0, "float32")


def _within(x, low: float, high: float):
    """Whether every feature of x `[..., D]` is a number from `low` to `high`: bool `[...]`."""
    return ops.all(ops.logical_and(x >= low, x <= high), axis=-1)


def _has_axes(value) -> bool:
    return len(getattr(value, "shape", ())) > 0
