"""The VRNN cell: Eqs. (5), (7) and (9) of arXiv:1506.02216, one time step."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops, tree

from vrnn_tf.core.networks import DiagonalGaussian
from vrnn_tf.packing import Packing


@keras.saving.register_keras_serializable(package="vrnn_tf")
class VRNNCell(keras.layers.Layer):
    """One step of a variational recurrent neural network, for `keras.layers.RNN`.

    Prior, posterior and decoder all read h_{t-1}, never h_t:

        prior       z_t       ~ N(loc, scale^2),  loc, scale = phi_prior(h_{t-1})              (5)
        recurrence  h_t       = f(phi_x(x_t), phi_z(z_t), h_{t-1})                             (7)
        posterior   z_t | x_t ~ N(loc, scale^2),  loc, scale = phi_enc(phi_x(x_t), h_{t-1})    (9)

    A posterior that looks ahead reads what is known of x_>t beside phi_x(x_t); the recurrence and
    the prior never do.

    The cell draws nothing: the noise of z comes in beside phi_x(x_t), so the cell is a
    deterministic function that runs, differentiates and converts like any other.

    Args:
        core: f, any Keras recurrent cell; `keras.layers.StackedRNNCells` for a stack. h is its
            output.
        posterior_network: `[phi_x(x_t), (ahead,) h_{t-1}] -> DiagonalGaussian`; None for a model
            without a latent variable (RNN-Gauss, RNN-GMM).
        prior_network: `h_{t-1} -> DiagonalGaussian`; None for z ~ N(0, I) (VRNN-I).
        phi_z: any layer; needed with a posterior.
        latent_size: Z; 0 without a posterior.
        residual_posterior: whether the posterior's mean is relative to the prior's.
        lookahead_size: L, the size of what the posterior reads beside phi_x(x_t); 0 for Eq. (9).

    Call arguments:
        inputs: `[B, F + L + Z]`: phi_x(x_t), what lies ahead, standard normal noise, side by side.
        states: `[h_{t-1} [B, H], *core states]`.

    Output shape:
        `[B, output_size]`, packed: unpack it with `output_packing` into prior_loc, prior_scale,
        posterior_loc, posterior_scale, z (each Z) and h_tm1 (H). Without a latent variable only
        h_tm1.

    Masking:
        `keras.layers.RNN` holds the states over masked steps and repeats the last output there.

    Raises:
        ValueError: if the parts do not fit together, if the core computes in another dtype, or if
            it has dropout (its masks would be drawn inside the loop; noise has to come in as data).
    """

    def __init__(
        self,
        core: keras.Layer,
        posterior_network: keras.Layer | None = None,
        prior_network: keras.Layer | None = None,
        phi_z: keras.Layer | None = None,
        latent_size: int = 0,
        residual_posterior: bool = False,
        lookahead_size: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check_core(core, self.compute_dtype)
        if (latent_size > 0) != (posterior_network is not None) or (latent_size > 0) != (
            phi_z is not None
        ):
            raise ValueError(
                "A cell with latent_size > 0 needs posterior_network and phi_z, one with "
                f"latent_size = 0 takes neither. Received latent_size={latent_size}, "
                f"posterior_network={posterior_network}, phi_z={phi_z}."
            )
        self.core = core
        self.posterior_network: Any = posterior_network
        self.prior_network: Any = prior_network
        self.phi_z: Any = phi_z
        self.latent_size = latent_size
        self.residual_posterior = residual_posterior
        self.lookahead_size = lookahead_size
        self.hidden_size = core_output_size(core)
        self.state_size = [self.hidden_size, *tree.flatten(core.state_size)]
        latent = ("prior_loc", "prior_scale", "posterior_loc", "posterior_scale", "z")
        sizes = dict.fromkeys(latent, latent_size) if latent_size else {}
        self.output_packing = Packing({**sizes, "h_tm1": self.hidden_size})
        self.output_size = self.output_packing.size

    def build(self, input_shape):
        features = input_shape[-1] - self.lookahead_size - self.latent_size
        phi_z_size = 0
        if self.latent_size:
            _build(self.phi_z, (None, self.latent_size))
            phi_z_size = self.phi_z.compute_output_shape((None, self.latent_size))[-1]
            evidence = features + self.lookahead_size
            _build(self.posterior_network, (None, evidence + self.hidden_size))
        if self.prior_network is not None:
            _build(self.prior_network, (None, self.hidden_size))
        _build(self.core, (None, features + phi_z_size))

    def call(self, inputs, states):
        if not self.latent_size:
            return states[0], self.recur(inputs, None, states)
        evidence, noise = inputs[..., : -self.latent_size], inputs[..., -self.latent_size :]
        phi_x = evidence[..., : evidence.shape[-1] - self.lookahead_size]
        h_tm1 = states[0]
        prior = self.prior(h_tm1)
        posterior = self.posterior(evidence, h_tm1, prior)
        z = posterior.loc + posterior.scale * noise
        output = self.output_packing.pack(
            {
                "prior_loc": prior.loc,
                "prior_scale": prior.scale,
                "posterior_loc": posterior.loc,
                "posterior_scale": posterior.scale,
                "z": z,
                "h_tm1": h_tm1,
            }
        )
        return output, self.recur(phi_x, self.phi_z(z), states)

    def prior(self, h_tm1: keras.KerasTensor) -> DiagonalGaussian:
        """Eq. (5): p(z_t | x_<t, z_<t), from h_{t-1} `[B, H]`."""
        if self.prior_network is not None:
            return self.prior_network(h_tm1)
        zeros = ops.zeros_like(h_tm1[..., :1]) * ops.zeros((self.latent_size,), h_tm1.dtype)
        return DiagonalGaussian(zeros, zeros + 1.0)

    def posterior(self, evidence, h_tm1, prior: DiagonalGaussian) -> DiagonalGaussian:
        """Eq. (9): q(z_t | x_<=t, z_<t), from h_{t-1} `[B, H]` and `evidence` `[B, F + L]`.

        `evidence` is phi_x(x_t) and, for q(z_t | x_<=T, z_<t), what lies ahead.
        """
        posterior = self.posterior_network(ops.concatenate([evidence, h_tm1], axis=-1))
        if self.residual_posterior:
            return DiagonalGaussian(prior.loc + posterior.loc, posterior.scale)
        return posterior

    def recur(self, phi_x, phi_z, states) -> list:
        """Eq. (7): the states after x_t and z_t. `phi_z` is None without a latent variable."""
        features = phi_x if phi_z is None else ops.concatenate([phi_x, phi_z], axis=-1)
        core_states = tree.pack_sequence_as(self.core.state_size, list(states[1:]))
        if not tree.is_nested(core_states):
            core_states = [core_states]
        h, core_states = self.core(features, core_states)
        return [h, *tree.flatten(core_states)]

    def get_initial_state(self, batch_size=None) -> list:
        """Zeros: `[h, *core states]`, each `[B, size]`."""
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in self.state_size]

    def get_config(self) -> dict[str, Any]:
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in _PARTS}
        return {
            **super().get_config(),
            **parts,
            "latent_size": self.latent_size,
            "residual_posterior": self.residual_posterior,
            "lookahead_size": self.lookahead_size,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> VRNNCell:
        parts = {name: keras.saving.deserialize_keras_object(config[name]) for name in _PARTS}
        return cls(**{**config, **parts})


_PARTS = ("core", "posterior_network", "prior_network", "phi_z")


def core_output_size(core: keras.Layer) -> int:
    """H, the size of a recurrent cell's output."""
    size = getattr(core, "output_size", None)
    return tree.flatten(core.state_size)[0] if size is None else size


def _build(layer: keras.Layer, input_shape) -> None:
    if not layer.built:  # a deserialised layer arrives built
        layer.build(input_shape)


def _check_core(core: keras.Layer, compute_dtype: str) -> None:
    runs_a_cell = isinstance(core, keras.layers.RNN)
    if runs_a_cell or not hasattr(core, "state_size") or not callable(core):
        raise ValueError(
            "`core` must be a Keras recurrent cell such as keras.layers.LSTMCell(400). Received "
            f"{core!r}. Pass the cell, not the layer that runs it."
        )
    for cell in getattr(core, "cells", [core]):
        if getattr(cell, "compute_dtype", compute_dtype) != compute_dtype:
            raise ValueError(
                f"The recurrent core must compute in {compute_dtype}, as the cell around it does. "
                f"Received {cell!r}, which computes in {cell.compute_dtype}. Give both the same "
                "dtype policy."
            )
        if getattr(cell, "dropout", 0) or getattr(cell, "recurrent_dropout", 0):
            raise ValueError(
                f"The recurrent core must not have dropout. Received {cell!r} with dropout="
                f"{cell.dropout}, recurrent_dropout={cell.recurrent_dropout}. Noise comes in as "
                "data; regularise with VRNN's own dropout or with weight decay instead."
            )
