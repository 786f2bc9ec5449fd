"""p(x_t | z_<=t, x_<t), Eq. (6): what a decoder's output says about the next observation.

A likelihood names the slices of the decoder's raw output and turns them into a tfd distribution,
whose exact density training and evaluation use. Generation draws from the same distribution with
given noise. One rule for temperature holds everywhere: it multiplies the noise. This multiplies the
scale of normal noise and divides the logits under Gumbel and logistic noise. At temperature 0 a
draw is the mode of the most probable component.

To add a likelihood, write one file in this folder: a subclass of `Likelihood` with `parameters`,
`distribution`, `_sample` and `get_config`, decorated with `@register("name")`. The tests ask for a
case in the table of their contract. A likelihood outside of the package registers itself the same
way, before its name is used.
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

LARGEST = 3.4028234663852886e38
"""The largest finite float32 number."""
MIN_SCALE = 1e-4
"""The floor of a scale. It keeps log(scale) finite; the paper's code has the same."""
MAX_CORRELATION = 0.9999
"""The largest correlation. It keeps 1 - rho^2 above float32's rounding and its gradient finite."""

_REGISTRY: dict[str, type[Likelihood]] = {}


def register(name: str) -> Callable[[type[Likelihood]], type[Likelihood]]:
    """Decorates a class so that `get` and Keras's serialisation know it as `name`."""

    def decorate(cls: type[Likelihood]) -> type[Likelihood]:
        cls.name = name
        _REGISTRY[name] = cls
        return keras.saving.register_keras_serializable(package="vrnn_tf")(cls)

    return decorate


def names() -> list[str]:
    """Returns the names that `get` knows, in alphabetical order."""
    return sorted(_REGISTRY)


def describing(kind: str) -> list[str]:
    """Returns the names of the likelihoods that describe media of a kind, in alphabetical order."""
    return [name for name in names() if kind in _REGISTRY[name].media]


def classes() -> list[type[Likelihood]]:
    """Returns the registered classes, in the order of their registration."""
    return list(_REGISTRY.values())


def get(identifier: str | Mapping[str, Any] | Likelihood) -> Likelihood:
    """Returns a likelihood.

    Args:
        identifier: an instance, a name, or `{"name": name, **arguments}`.

    Raises:
        ValueError: if `identifier` is none of these, if the name is unknown (the message lists the
            valid names) or if the likelihood does not take an argument.
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
    """The density of one time step of x, and the sampler of this density.

    Args:
        event_size: D.
        packing: the slices of the decoder's raw output.
        noise_size: how many uniform numbers a draw takes.

    Attributes:
        event_size: D, the size of one time step of x `[B, T, D]`.
        packing: the named slices of the decoder's raw output `[..., packing.size]`.
        noise_size: how many uniform numbers `sample` uses for a step.
        name: the name that the class is registered under.
        description: what the last axis of x holds, for people.
        media: the kinds of media that the likelihood describes; see `vrnn_tf.media`.
        example_arguments: valid arguments, as text, for error messages.
        scale_names: the slices that become scales. Their bias starts at the paper's 0.6.
        sampling_options: `{name: default}` of the options that `sample` takes beside the
            temperature.
        endless_options: values of some of these options with which hardly any draw ends its
            sequence.
        num_symbols: the size of the alphabet if x holds symbols, which phi_x then embeds; else
            None.
        end_mark: a feature, and the value of it with which an observation ends its sequence. None
            if no observation ends a sequence.
        layer: a Keras layer that holds weights of the density itself; None if there are none.
        is_density: True if `log_prob` is the logarithm of a density, False if it is that of a
            probability.
        normalization: the only convention of normalisation that suits x; None if any does.
        level_width: the distance between neighbouring levels, in units of x, if x holds discrete
            levels of a real number; else None.

    Example:

    >>> import numpy as np
    >>> from vrnn_tf import likelihoods
    >>> likelihood = likelihoods.get({"name": "gaussian", "event_size": 2})
    >>> likelihood.packing
    Packing({'loc': 2, 'raw_scale': 2})
    >>> raw = np.array([[5.0, -5.0, 0.0, 0.0]], "float32")
    >>> noise = np.full((1, likelihood.noise_size), 0.5, "float32")
    >>> np.array(likelihood.sample(raw, noise, temperature=0.0)).tolist()
    [[5.0, -5.0]]
    """

    name: str
    description: str
    example_arguments: str
    scale_names: tuple[str, ...] = ()
    sampling_options: Mapping[str, float] = {}
    endless_options: Mapping[str, float] = {}
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
        """Draws the weights of `layer` as a function of `seed`. Without a layer it does nothing."""

    def parameters(self, raw: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        """Turns raw decoder output `[..., packing.size]` into named, constrained parameters."""
        raise NotImplementedError

    def distribution(self, raw: keras.KerasTensor) -> tfd.Distribution:
        """Returns the tfd distribution of one step: batch shape `[...]`, event shape `[D]`."""
        raise NotImplementedError

    def sample(self, raw, noise, temperature=1.0, **options) -> keras.KerasTensor:
        """Draws one step of x from given noise.

        Args:
            raw: `[..., packing.size]`.
            noise: `[..., noise_size]`, uniform, strictly between 0 and 1.
            temperature: multiplies the noise and broadcasts with `[..., 1]`. 0 gives the mode of
                the most probable component.
            **options: values for names of `sampling_options`. Each broadcasts with `[..., 1]`.

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
        """Draws from `(parameters, noise, temperature)`. A subclass also names its options."""
        raise NotImplementedError

    def log_prob(self, raw: keras.KerasTensor, x: keras.KerasTensor) -> keras.KerasTensor:
        """Returns log p(x) in nats a step, `[...]`, always in float32.

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

    def is_end(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Tells whether x `[..., D]` is the last observation of its sequence: bool `[...]`."""
        if self.end_mark is None:
            return ops.zeros_like(x[..., 0], dtype="bool")
        feature, value = self.end_mark
        return x[..., feature] == value

    def mark_end(self, x: np.ndarray) -> np.ndarray:
        """Marks the last observation of a sequence, if the model reads a mark that the data lack.

        Args:
            x: `[T, D]`, float32, normalised, of at least one step.

        Returns:
            `x` itself, or a copy of it.
        """
        return x

    def in_support(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Tells whether x `[..., D]` can be observed: bool `[...]`. NaN and infinity cannot."""
        return within(x, -LARGEST, LARGEST)

    @property
    def can_end(self) -> bool:
        """Whether an observation can end its sequence."""
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
    """Tells whether every feature of x `[..., D]` is from `low` to `high`: bool `[...]`."""
    return ops.all(ops.logical_and(x >= low, x <= high), axis=-1)
