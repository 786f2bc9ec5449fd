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

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from vrnn_tf.distributions import tfd
from vrnn_tf.packing import Packing
from vrnn_tf.validation import check_choice

LARGEST = 3.4028234663852886e38  # of the finite float32 numbers
MIN_SCALE = 1e-4  # keeps log(scale) finite; the floor of the paper's code

_REGISTRY: dict[str, type[Likelihood]] = {}


def register(name: str) -> Callable[[type[Likelihood]], type[Likelihood]]:
    """Makes a likelihood known as `name` to `get` and to Keras's serialisation."""

    def decorate(cls: type[Likelihood]) -> type[Likelihood]:
        cls.name = name
        _REGISTRY[name] = cls
        return keras.saving.register_keras_serializable(package="vrnn_tf")(cls)

    return decorate


def names() -> list[str]:
    """The names that `get` knows, in alphabetical order."""
    return sorted(_REGISTRY)


def describing(kind: str) -> list[str]:
    """The names of the likelihoods that describe media of a kind, in alphabetical order."""
    return [name for name in names() if kind in _REGISTRY[name].media]


def classes() -> list[type[Likelihood]]:
    """The registered classes, in the order of their registration."""
    return list(_REGISTRY.values())


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
    cls = _REGISTRY[check_choice("likelihood", name, names())]
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
        media: the kinds of media that it describes.
        normalization: the only convention that its x can have; None if any will do.
        level_width: the distance between two neighbouring levels if x holds discrete levels of a
            real number, in units of x; else None.
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
    media: tuple[str, ...] = ()
    normalization: str | None = None
    level_width: float | None = None

    def __init__(self, event_size: int, packing: Packing, noise_size: int):
        self.event_size = event_size
        self.packing = packing
        self.noise_size = noise_size

    def initialize(self, seed: int) -> None:
        """Draws the weights of `layer` anew, as a function of `seed`; does nothing without one."""

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

    def mark_end(self, x: np.ndarray) -> np.ndarray:
        """Marks the last observation of a whole sequence, if the data lack the mark.

        Args:
            x: `[T, D]`, float32, normalised, of at least one step.

        Returns:
            `x` itself, or a copy of it.
        """
        return x

    def in_support(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Whether x `[..., D]` can be observed at all: bool `[...]`. NaN and infinity cannot."""
        return within(x, -LARGEST, LARGEST)

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


def within(x, low: float, high: float):
    """Whether every feature of x `[..., D]` is a number from `low` to `high`: bool `[...]`."""
    return ops.all(ops.logical_and(x >= low, x <= high), axis=-1)
