"""The distributions of z: diagonal Gaussians, and the network that parameterises one."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from vrnn_tf.core.networks import build_once
from vrnn_tf.distributions import tfd
from vrnn_tf.packing import Packing


class DiagonalGaussian(NamedTuple):
    """N(loc, diag(scale^2)), a prior or a posterior of z.

    Attributes:
        loc: the mean, `[..., Z]`.
        scale: the standard deviation, `[..., Z]`, positive.

    Example:

    >>> import numpy as np
    >>> prior = DiagonalGaussian(np.zeros((1, 2), "float32"), np.ones((1, 2), "float32"))
    >>> prior.sample(np.array([[0.5, -1.0]], "float32")).numpy().tolist()
    [[0.5, -1.0]]
    >>> prior.kl_divergence(prior).numpy().tolist()
    [0.0]
    """

    loc: Any
    scale: Any

    def sample(self, noise) -> keras.KerasTensor:
        """A draw `[..., Z]` from standard normal noise `[..., Z]`: z = loc + scale * noise."""
        return self.loc + self.scale * ops.cast(noise, self.loc.dtype)

    def relative_to(self, prior: DiagonalGaussian) -> DiagonalGaussian:
        """The Gaussian whose mean lies `loc` away from the mean of `prior`."""
        return DiagonalGaussian(prior.loc + self.loc, self.scale)

    def log_prob(self, z) -> keras.KerasTensor:
        """log N(z), float32 `[...]`, in nats."""
        z, loc, scale = (ops.cast(value, "float32") for value in (z, *self))
        return tfd.Independent(tfd.Normal(loc, scale), 1).log_prob(z)

    def kl_divergence(self, prior: DiagonalGaussian) -> keras.KerasTensor:
        """KL(self || prior), float32 `[...]`, in nats."""
        q, p = (
            tfd.MultivariateNormalDiag(ops.cast(g.loc, "float32"), ops.cast(g.scale, "float32"))
            for g in (self, prior)
        )
        return tfd.kl_divergence(q, p)


@keras.saving.register_keras_serializable(package="vrnn_tf")
class GaussianNetwork(keras.layers.Layer):
    """phi_prior and phi_enc of Eqs. (5, 9): features to the parameters of a diagonal Gaussian.

    Args:
        body: any layer `[..., F] -> [..., 2 * latent_size]`.
        latent_size: Z.
        min_scale: the floor of the scale.

    Call arguments:
        features: `[B, F]`.

    Output shape:
        `DiagonalGaussian(loc, scale)`, each `[B, Z]`, scale = softplus(.) + min_scale.
    """

    def __init__(self, body: keras.Layer, latent_size: int, min_scale: float, **kwargs):
        super().__init__(**kwargs)
        self.body = body
        self.latent_size = latent_size
        self.min_scale = min_scale
        self.packing = gaussian_packing(latent_size)

    def build(self, input_shape):
        build_once(self.body, input_shape)

    def call(self, features):
        return self.constrain(self.body(features))

    def constrain(self, raw: keras.KerasTensor) -> DiagonalGaussian:
        """The Gaussian that the body's output `[..., 2 * latent_size]` stands for."""
        named = self.packing.unpack(raw)
        return DiagonalGaussian(named["loc"], ops.softplus(named["raw_scale"]) + self.min_scale)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "body": keras.saving.serialize_keras_object(self.body),
            "latent_size": self.latent_size,
            "min_scale": self.min_scale,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> GaussianNetwork:
        body = keras.saving.deserialize_keras_object(config["body"])
        return cls(**{**config, "body": body})


def gaussian_packing(latent_size: int) -> Packing:
    """The slices of the raw output of a network that parameterises a Gaussian of z."""
    return Packing({"loc": latent_size, "raw_scale": latent_size})
