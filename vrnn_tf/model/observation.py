"""How a model reads sequences: the path of training, priming and scoring."""

from __future__ import annotations

from typing import Any

from keras import ops

from vrnn_tf import bounds, replicas, rng
from vrnn_tf.core.cell import CellParts, VRNNCell
from vrnn_tf.core.gaussian import DiagonalGaussian
from vrnn_tf.likelihoods import Likelihood
from vrnn_tf.loop.recurrence import Recurrence
from vrnn_tf.model import inputs as model_inputs


class ObservingModel(replicas.ReplicatedModel):
    """What a model does with the layers that `vrnn_tf.VRNN` makes for it.

    Attributes:
        likelihood: the family of p(x_t | z_<=t, x_<t).
        latent_size: Z; 0 for a model without a latent variable.
        dropout: the share of phi_x(x) that training sets to zero.
        phi_x: x `[..., D]` to phi_x(x) `[..., F]`.
        lookahead: the recurrence of a posterior that smooths, which runs backwards; or None.
        cell: Eqs. (5), (7) and (9).
        recurrence: what runs the cell over time.
        decoder: the network of Eq. (6).
        stateful_batch_size: B of a model that carries states from batch to batch, or None.
    """

    likelihood: Likelihood
    latent_size: int
    dropout: float
    phi_x: Any
    lookahead: Any
    cell: VRNNCell
    recurrence: Recurrence
    decoder: Any
    stateful_batch_size: int | None

    def standardize_inputs(self, inputs, mask=None):
        """x float32 `[B, T, D]`, zero where masked, and mask bool `[B, T]`, from any inputs."""
        is_stateful = self.stateful_batch_size is not None
        return model_inputs.standardize(inputs, mask, self.likelihood, is_stateful)

    @property
    def parts(self) -> CellParts:
        """The parts of a step, Eqs. (5), (6), (7) and (9), as the Keras layers compute them."""
        return CellParts(self.cell, self.decoder)

    def observe(self, x, mask, seeds, initial_states=None, start=None, training=False):
        """Runs the posterior over observations: the path of training, priming and scoring.

        Args:
            x: float32 `[B, T, D]`.
            mask: bool `[B, T]`.
            seeds: int32 `[B]`, fix the noise of z.
            initial_states: `[h, *core states]`, each `[B, size]`; zeros if None.
            start: int32 `[B]`, how many steps the sequences have already; 0 if None.
            training: whether gradients will be taken (see `Recurrence`), with dropout.

        Returns:
            The dictionary described in the class and the states after the last observation.
        """
        x = ops.where(ops.expand_dims(mask, -1), x, ops.zeros_like(x))
        _, features = self.encode(x, mask, seeds if training else None)
        if self.latent_size:
            noise = self.posterior_noise(ops.shape(x)[1], seeds, start)
            features = ops.concatenate([features, ops.cast(noise, features.dtype)], axis=-1)
        if initial_states is None:
            initial_states = self.cell.get_initial_state(ops.shape(x)[0])
        packed, *states = self.recurrence(
            features, initial_state=initial_states, mask=mask, training=training
        )
        outputs = self.cell.output_packing.unpack(packed)
        phi_z = self.cell.phi_z(outputs["z"]) if self.latent_size else None
        raw = self.decode(phi_z, outputs["h_tm1"])
        log_prob = self.likelihood.log_prob(raw, x)
        outputs = {name: ops.cast(value, "float32") for name, value in outputs.items()}
        terms = bounds.elbo(log_prob, mask, *self._gaussians(outputs))
        return {**outputs, "raw_parameters": raw, **terms._asdict()}, states

    def encode(self, x, mask, dropout_seeds=None):
        """phi_x(x) `[B, T, F]`, and what the posterior reads of x at each step, `[B, T, F + L]`.

        Args:
            x: float32 `[B, T, D]`, finite everywhere.
            mask: bool `[B, T]`.
            dropout_seeds: int32 `[B]`, fix what dropout takes away; None: nothing.
        """
        phi_x = self.phi_x(x)
        if self.dropout and dropout_seeds is not None:
            steps = ops.arange(ops.shape(x)[1], dtype="int32")
            uniforms = rng.uniform(dropout_seeds, steps, phi_x.shape[-1], rng.DROPOUT)
            kept = ops.cast(uniforms >= self.dropout, phi_x.dtype)
            phi_x = phi_x * kept / (1.0 - self.dropout)
        if self.lookahead is None:
            return phi_x, phi_x
        ahead = ops.flip(self.lookahead(phi_x, mask=mask), axis=1)  # [x_t .. x_T] at step t
        return phi_x, ops.concatenate([phi_x, ahead], axis=-1)

    def decode(self, phi_z, h_tm1):
        """Eq. (6): raw parameters of the likelihood, `[..., P]`. `phi_z` is None without z."""
        return self.parts.decode(phi_z, h_tm1)

    def posterior_noise(self, num_steps, seeds, start=None):
        """The standard normal noise of z, float32 `[B, T, Z]`; seeds and start are `[B]`."""
        steps = ops.expand_dims(ops.arange(num_steps, dtype="int32"), 0)
        if start is not None:
            steps = steps + ops.expand_dims(start, -1)
        size = rng.normal_noise_size(self.latent_size)
        return rng.normal(rng.uniform(seeds, steps, size, rng.POSTERIOR), self.latent_size)

    def _gaussians(self, outputs) -> list[DiagonalGaussian]:
        """Posterior and prior of all steps; nothing without a latent variable."""
        if not self.latent_size:
            return []
        return [
            DiagonalGaussian(outputs[f"{name}_loc"], outputs[f"{name}_scale"])
            for name in ("posterior", "prior")
        ]
