"""The evidence lower bound, Eq. (11) of arXiv:1506.02216, in nats."""

from __future__ import annotations

import keras
from keras import ops

from vrnn_tf.distributions import tfd
from vrnn_tf.networks import DiagonalGaussian


def kl_divergence(posterior: DiagonalGaussian, prior: DiagonalGaussian) -> keras.KerasTensor:
    """KL(q(z_t | x_<=t, z_<t) || p(z_t | x_<t, z_<t)) of every step.

    Args:
        posterior, prior: parameters, each `[B, T, Z]`.

    Returns:
        float32 `[B, T]`, nats a step.
    """
    q, p = (
        tfd.MultivariateNormalDiag(ops.cast(g.loc, "float32"), ops.cast(g.scale, "float32"))
        for g in (posterior, prior)
    )
    return tfd.kl_divergence(q, p)


def zero_masked(values: keras.KerasTensor, mask: keras.KerasTensor) -> keras.KerasTensor:
    """Zero where `mask` is False, whatever stands there, NaN included: `[B, T]` -> `[B, T]`."""
    return ops.where(mask, values, ops.zeros_like(values))


def with_free_bits(kl: keras.KerasTensor, free_nats: float) -> keras.KerasTensor:
    """KL that training does not push below `free_nats` a step (free bits, arXiv:1606.04934).

    Args:
        kl: `[B, T]`, nats a step, summed over the latent dimensions.
        free_nats: nats a step that cost nothing.

    Returns:
        `[B, T]`, `max(kl, free_nats)`; its gradient is zero below the threshold.
    """
    return ops.maximum(kl, free_nats) if free_nats else kl
