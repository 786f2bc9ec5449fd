"""Mixtures of K components: the shapes of their parameters, and the draw of a component."""

from __future__ import annotations

import math

from keras import ops

from vrnn_tf import rng
from vrnn_tf.likelihoods.sampling import argmax


def split_last(tensor, shape: tuple[int, int]):
    """Reshapes the last axis, `[..., a * b]` -> `[..., a, b]`, or raises ValueError."""
    leading = ops.shape(tensor)[:-1]
    if math.prod(shape) != tensor.shape[-1]:
        raise ValueError(f"Cannot split a last axis of {tensor.shape[-1]} into {shape}.")
    return ops.reshape(tensor, (*leading, *shape))


def choose(logits, uniforms, temperature):
    """Draws from Categorical(logits / temperature) by Gumbel-max. Returns one-hot `[..., K]`."""
    perturbed = logits + temperature * rng.gumbel(uniforms)
    return ops.one_hot(argmax(perturbed), logits.shape[-1], dtype=logits.dtype)


def loc_and_scale(parameters, choice, axis: int):
    """Returns loc and scale of the component that `choice` marks along `axis`."""
    return [ops.sum(choice * parameters[name], axis=axis) for name in ("loc", "scale")]
