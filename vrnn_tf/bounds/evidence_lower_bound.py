"""The evidence lower bound, Eq. (11) of arXiv:1506.02216, in nats.

The bound is a sum over steps, because p factorises as in Eq. (8) and q as in Eq. (10):

    p(x_<=T, z_<=T)   = prod_t p(x_t | z_<=t, x_<t) p(z_t | x_<t, z_<t)                        (8)
    q(z_<=T | x_<=T)  = prod_t q(z_t | x_<=t, z_<t)                                           (10)
    log p(x_<=T)     >= E_q [ sum_t log p(x_t | z_<=t, x_<t)
                              - KL(q(z_t | x_<=t, z_<t) || p(z_t | x_<t, z_<t)) ]             (11)

A smoothing posterior reads x_<=T in place of x_<=t. Eq. (11) holds for it alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
from keras import ops

from vrnn_tf import replicas
from vrnn_tf.core.gaussian import DiagonalGaussian


class Elbo(NamedTuple):
    """The two terms of Eq. (11), estimated with one z for each step.

    Attributes:
        log_likelihood: log p(x_t | z_<=t, x_<t), float32 `[B, T]`, nats a step, 0 where masked.
        kl: KL(q || p) of step t, likewise; 0 everywhere without a latent variable.

    Example:

    >>> import numpy as np
    >>> terms = Elbo(np.array([[-1.0, -2.0]], "float32"), np.array([[0.5, 0.0]], "float32"))
    >>> terms.per_sequence().numpy().tolist()
    [-3.5]
    """

    log_likelihood: Any
    kl: Any

    def losses(self, mask, kl_weight: Any = 1.0, free_nats: float = 0.0) -> list:
        """What training minimises: the terms of minus Eq. (11), averaged over sequences.

        Args:
            mask: bool `[B, T]`. Rows that hold nothing do not count.
            kl_weight: the weight of the KL.
            free_nats: nats a step of KL that cost nothing.

        Returns:
            Two scalars: -log p(x | z), and the weighted KL.
        """
        rows = count_rows(mask)
        nll = -ops.sum(self.log_likelihood) / rows
        kl = zero_masked(with_free_bits(self.kl, free_nats), mask)
        return [nll, kl_weight * ops.sum(kl) / rows]

    @classmethod
    def of(cls, outputs: Mapping[str, Any]) -> Elbo:
        """The terms among the outputs of a model's call."""
        return cls(outputs["log_likelihood"], outputs["kl"])

    def per_sequence(self) -> keras.KerasTensor:
        """Eq. (11): the bound of each sequence, float32 `[B]`, nats."""
        return ops.sum(self.log_likelihood - self.kl, axis=-1)

    def totals(self, axis: int | None = None) -> dict[str, keras.KerasTensor]:
        """Eq. (11) and its terms as metrics show them, summed over `axis` (None: over everything).

        Returns:
            `{"elbo": ..., "nll": ..., "kl": ...}`, nats, with elbo = -nll - kl.
        """
        log_likelihood, kl = (ops.sum(term, axis=axis) for term in self)
        return {"elbo": log_likelihood - kl, "nll": -log_likelihood, "kl": kl}


def elbo(
    log_prob: keras.KerasTensor,
    mask: keras.KerasTensor,
    posterior: DiagonalGaussian | None = None,
    prior: DiagonalGaussian | None = None,
) -> Elbo:
    """The terms of Eq. (11).

    Args:
        log_prob: log p(x_t | z_<=t, x_<t) with z from the posterior, float32 `[B, T]`.
        mask: bool `[B, T]`. What stands where it is False counts nothing, NaN included.
        posterior: Eq. (9) of all steps, each parameter `[B, T, Z]`; None without a latent variable.
        prior: Eq. (5) of all steps, likewise.
    """
    if posterior is None or prior is None:
        kl = ops.zeros_like(log_prob)
    else:
        kl = kl_divergence(posterior, prior)
    return Elbo(zero_masked(log_prob, mask), zero_masked(kl, mask))


def kl_divergence(posterior: DiagonalGaussian, prior: DiagonalGaussian) -> keras.KerasTensor:
    """KL(q(z_t | x_<=t, z_<t) || p(z_t | x_<t, z_<t)) of every step.

    Args:
        posterior, prior: parameters, each `[B, T, Z]`.

    Returns:
        float32 `[B, T]`, nats a step.
    """
    return posterior.kl_divergence(prior)


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


def count_rows(mask) -> keras.KerasTensor:
    """How many rows `[B, T]` hold anything, at least 1. On each of several replicas, the mean."""
    rows = replicas.total(ops.sum(ops.cast(ops.any(mask, axis=-1), "float32")))
    return ops.maximum(rows, 1.0) / replicas.count()
