"""IWAE and FIVO as one particle filter, in nats.

IWAE (arXiv:1509.00519) and FIVO (arXiv:1705.09279) draw N latent sequences. With the importance
weight of a step

    alpha_t = p(x_t | z_<=t, x_<t) p(z_t | x_<t, z_<t) / q(z_t | x_<=t, z_<t)

both are the same particle filter. IWAE never resamples, FIVO does.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from vrnn_tf import rng
from vrnn_tf.bounds.bound import Bound
from vrnn_tf.bounds.resampling import resample
from vrnn_tf.core.cell import Latent, StepParts, observe_step
from vrnn_tf.likelihoods import Likelihood
from vrnn_tf.loop.interface import SequenceModel
from vrnn_tf.loop.rows import repeat_rows, swap_time


def particle_bound(
    model: SequenceModel, x, mask, seeds, bound: Bound, **options: Any
) -> keras.KerasTensor:
    """IWAE-N or FIVO-N of whole sequences, float32 `[B]`, in nats: see `particle_filter`."""
    return particle_filter(model, x, mask, seeds, bound, **options)[0]


def particle_filter(
    model: SequenceModel,
    x,
    mask,
    seeds,
    bound: Bound,
    particles: Sequence | None = None,
    start=None,
    kl_weight: float | keras.KerasTensor = 1.0,
    training: bool = False,
) -> tuple[keras.KerasTensor, list[keras.KerasTensor]]:
    """IWAE-N or FIVO-N of sequences or of their next steps, proposing from the posterior.

    With normalised weights w_0 = 1 / N, every step is

        p_t = sum_n w_{t-1}^n alpha_t^n,   w_t^n = w_{t-1}^n alpha_t^n / p_t,   bound += log p_t,

    and where FIVO resamples, N particles are drawn by w_t and all weights are 1 / N again.
    Gradients do not pass through that draw, as in arXiv:1705.09279.

    Args:
        model: a `VRNN` with a latent variable.
        x: float32 `[B, T, D]`.
        mask: bool `[B, T]`; masked steps change neither weights nor states.
        seeds: int32 `[B]`, fix all noise. Particle n of a sequence has the same noise at a step
            for every N > n, in every batch.
        bound: `name`, `num_samples` N and, for FIVO, how to resample.
        particles: what the filter returned for the steps before; None: there are none.
        start: int32 `[B]`, how many steps the sequences have already; 0 if None.
        kl_weight: exponent of p(z) / q(z) in alpha. It is a bound on log p(x) only with 1.
        training: whether gradients will be taken, once (see `vrnn_tf.loop.scan`); then dropout
            applies, alike to all particles of a sequence.

    Returns:
        float32 `[B]`, nats of these steps given those before, which add up to the bound of the
        whole; and the particles: log(N w) `[B, N]` and the states `[h, *core states]`, each
        `[B, N, size]`. It is log(N w) and not log w, so that zeros are those of a new sequence.
    """
    number = bound.num_samples
    x = ops.where(ops.expand_dims(mask, -1), x, ops.zeros_like(x))
    read = model.encode(x, mask, seeds if training else None)
    noise = _noise(model, bound, ops.shape(x)[1], seeds, start)
    inputs = [x, ops.cast(noise[0], read[0].dtype), *noise[1:]]
    log_weights, states = _first_particles(model, ops.shape(x)[0], number, particles)
    (total, log_weights), states = model.recurrence.scan(
        _FilterStep(model.likelihood, bound, kl_weight),
        model.decoder,
        [swap_time(value) for value in read],
        [swap_time(value) for value in inputs],
        [ops.zeros_like(log_weights), log_weights],
        states,
        ops.transpose(ops.repeat(mask, number, axis=0)),  # [T, B N]
        training=training,
        copies=number,
        is_hoistable=model.likelihood.layer is None,
    )
    states = [ops.reshape(state, (-1, number, state.shape[-1])) for state in states]
    log_weights = ops.reshape(log_weights, (-1, number))
    return total[::number, 0], [log_weights + math.log(number), *states]


def _noise(model: SequenceModel, bound: Bound, steps, seeds, start) -> list:
    """Standard normal noise of z `[B N, T, Z]` and, for resampling, uniform `[B, T, .]`."""
    number = bound.num_samples
    start = ops.zeros_like(seeds) if start is None else start
    starts = ops.reshape(ops.expand_dims(start, -1) + ops.zeros((number,), "int32"), (-1,))
    noise = [model.posterior_noise(steps, rng.particle_seeds(seeds, number), starts)]
    if bound.resamples:
        size = number if bound.resampling == "multinomial" else 1
        times = ops.expand_dims(start, -1) + ops.arange(steps, dtype="int32")
        noise.append(rng.uniform(seeds, times, size, rng.RESAMPLING))
    return noise


def _first_particles(model: SequenceModel, batch, number: int, particles: Sequence | None) -> tuple:
    """log w `[B N, 1]` and the states `[B N, size]` before the first step."""
    if particles is None:
        excess = ops.zeros((batch, number))
        states = model.cell.get_initial_state(batch * number)
    else:
        excess, *states = particles
        states = [ops.reshape(state, (-1, state.shape[-1])) for state in states]
    return ops.reshape(excess - math.log(number), (-1, 1)), states


@dataclasses.dataclass(frozen=True)
class _FilterStep:
    """One step of the filter: rows `[B N, .]` are particles, those of a sequence side by side."""

    likelihood: Likelihood
    bound: Bound
    kl_weight: Any

    def __call__(self, parts: StepParts, read, inputs, carried, states) -> tuple[list, list]:
        """The bound so far and log w, both `[B N, 1]`, and the states, after a step."""
        x, noise, *uniforms = inputs
        phi_x, features = read
        latent, after = observe_step(parts, phi_x, features, noise, states)
        raw = parts.decode(latent.phi_z, parts.hidden(states))
        total, log_weights = carried
        number = self.bound.num_samples
        log_weights = log_weights[:, 0] + self.log_alpha(raw, x, latent)
        log_weights = ops.reshape(log_weights, (-1, number))
        log_p = ops.logsumexp(log_weights, axis=-1, keepdims=True)
        total = total + repeat_rows(log_p, number)
        log_weights = log_weights - log_p
        if self.bound.resamples:
            log_weights, after = resample(log_weights, after, uniforms[0], self.bound)
        return [total, ops.reshape(log_weights, (-1, 1))], after

    def log_alpha(self, raw, x, latent: Latent):
        """log alpha_t of each particle `[B N]`, from x `[B, D]`."""
        log_ratio = latent.prior.log_prob(latent.z) - latent.posterior.log_prob(latent.z)
        x = repeat_rows(x, self.bound.num_samples)
        return self.likelihood.log_prob(ops.cast(raw, "float32"), x) + self.kl_weight * log_ratio
