"""Lower bounds on log p(x), in nats: ELBO, IWAE and FIVO.

The ELBO (Eq. 11 of arXiv:1506.02216) has a closed KL and one z a step. IWAE (arXiv:1509.00519) and
FIVO (arXiv:1705.09279) draw N of them. With the importance weight of a step

    alpha_t = p(x_t | z_<=t, x_<t) p(z_t | x_<t, z_<t) / q(z_t | x_<=t, z_<t)

both are the same particle filter, one that never resamples and one that does.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from vrnn_tf import rng
from vrnn_tf.distributions import tfd
from vrnn_tf.networks import DiagonalGaussian
from vrnn_tf.validation import check_choice, check_integer, check_number

NAMES = ("elbo", "iwae", "fivo")
RESAMPLING = ("systematic", "multinomial")


@dataclasses.dataclass(frozen=True)
class Bound:
    """Which lower bound on log p(x).

    Args:
        name: "elbo", "iwae" or "fivo".
        num_samples: K of IWAE, N of FIVO; 1 for the ELBO.
        resampling: how FIVO draws the particles that survive, one of `RESAMPLING`.
        ess_threshold: FIVO resamples a sequence's particles once their effective sample size
            1 / sum_n w_n^2 is below this share of N. 0: never, which is IWAE; 1: at every step.

    Raises:
        ValueError: if an argument is unknown or out of range.
    """

    name: str = "elbo"
    num_samples: int = 1
    resampling: str = "systematic"
    ess_threshold: float = 0.5

    def __post_init__(self):
        check_choice("bound", self.name, NAMES)
        check_integer("num_samples", self.num_samples, 1)
        check_choice("resampling", self.resampling, RESAMPLING)
        if not 0.0 <= check_number("ess_threshold", self.ess_threshold, 0.0) <= 1.0:
            raise ValueError(f"`ess_threshold` must be at most 1. Received {self.ess_threshold}.")
        if self.name == "elbo" and self.num_samples != 1:
            raise ValueError(
                f"The ELBO has one sample. Received num_samples={self.num_samples}. Choose "
                "'iwae' or 'fivo'."
            )

    def __str__(self) -> str:
        return self.name if self.name == "elbo" else f"{self.name}-{self.num_samples}"


def get(identifier: str | Mapping[str, Any] | Bound) -> Bound:
    """A bound from its name, from `{"name": name, **arguments}` or from a `Bound`.

    Raises:
        ValueError: if the name or an argument is unknown or out of range.
    """
    if isinstance(identifier, Bound):
        return identifier
    arguments = dict(identifier) if isinstance(identifier, Mapping) else {"name": identifier}
    for name in arguments:
        check_choice("argument of a bound", name, [f.name for f in dataclasses.fields(Bound)])
    return Bound(**arguments)


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


def particle_bound(model, x, mask, seeds, bound: Bound, **options: Any) -> keras.KerasTensor:
    """IWAE-N or FIVO-N of whole sequences, float32 `[B]`, in nats: see `particle_filter`."""
    return particle_filter(model, x, mask, seeds, bound, **options)[0]


def particle_filter(
    model,
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
        seeds: int32 `[B]`, fix all noise. Particle n of a sequence draws the same z at a step for
            every N > n, in every batch.
        bound: `name`, `num_samples` N and, for FIVO, how to resample.
        particles: what the filter returned for the steps before; None: there are none.
        start: int32 `[B]`, how many steps the sequences have already; 0 if None.
        kl_weight: exponent of p(z) / q(z) in alpha. Only with 1 it is a bound on log p(x).
        training: whether dropout applies, alike to all particles of a sequence.

    Returns:
        float32 `[B]`, nats of these steps given those before, which add up to the bound of the
        whole; and the particles: log(N w) `[B, N]` and the states `[h, *core states]`, each
        `[B, N, size]`. Zeros are the particles of a new sequence.
    """
    number, cell = bound.num_samples, model.cell
    batch, steps = ops.shape(x)[0], ops.shape(x)[1]
    mask = ops.expand_dims(mask, -1)
    x = ops.where(mask, x, ops.zeros_like(x))
    phi_x, evidence = model.encode(x, mask[..., 0], seeds if training else None)
    start = ops.zeros_like(seeds) if start is None else start
    starts = ops.reshape(ops.expand_dims(start, -1) + ops.zeros((number,), "int32"), (-1,))
    noise = model.posterior_noise(steps, rng.particle_seeds(seeds, number), starts)  # [B N, T, Z]
    phi_x, evidence, x, mask, noise = (
        ops.transpose(value, (1, 0, 2)) for value in (phi_x, evidence, x, mask, noise)
    )
    resample = bound.name == "fivo" and number > 1 and bound.ess_threshold > 0.0
    if resample:
        size = number if bound.resampling == "multinomial" else 1
        times = ops.expand_dims(start, -1) + ops.arange(steps, dtype="int32")
        uniforms = rng.uniform(seeds, times, size, rng.RESAMPLING)
        uniforms = ops.transpose(uniforms, (1, 0, 2))

    def body(t, total, log_weights, *before):
        def at(values):  # [T, B, F] -> [B N, F], the particles of a sequence side by side
            now = ops.expand_dims(ops.take(values, t, axis=0), 1)
            each = now + ops.zeros((1, number, 1), now.dtype)  # XLA cannot differentiate `repeat`
            return ops.reshape(each, (-1, values.shape[-1]))

        eps = ops.cast(ops.take(noise, t, axis=0), phi_x.dtype)
        log_alpha, after = _propose(model, at(phi_x), at(evidence), at(x), eps, before, kl_weight)
        seen = ops.repeat(ops.take(mask, t, axis=0), number, axis=0)
        states = [ops.where(seen, new, old) for new, old in zip(after, before, strict=True)]
        seen = ops.take(mask, t, axis=0)  # [B, 1]
        log_alpha = ops.reshape(log_alpha, (-1, number))
        log_weights = log_weights + ops.where(seen, log_alpha, ops.zeros_like(log_alpha))
        log_p = ops.logsumexp(log_weights, axis=-1)
        log_weights = log_weights - ops.expand_dims(log_p, -1)
        if resample:
            needed = ops.logical_and(seen, _collapsed(log_weights, bound.ess_threshold))
            ancestors = _ancestors(log_weights, ops.take(uniforms, t, axis=0), bound.resampling)
            ancestors = ops.where(needed, ancestors, ops.arange(number, dtype="int32"))
            rows = ops.expand_dims(ops.arange(batch, dtype="int32") * number, -1) + ancestors
            states = [ops.take(state, ops.reshape(rows, (-1,)), axis=0) for state in states]
            equal = ops.full_like(log_weights, -math.log(number))
            log_weights = ops.where(needed, equal, log_weights)
        return (t + 1, total + log_p, log_weights, *states)

    if particles is None:
        states = cell.get_initial_state(batch * number)
        excess = ops.zeros((batch, number))
    else:
        excess, *states = particles
        states = [ops.reshape(state, (-1, state.shape[-1])) for state in states]
    equal = math.log(number)
    now = (ops.zeros((), "int32"), ops.zeros((batch,)), excess - equal, *states)
    _, total, weights, *states = ops.while_loop(
        lambda t, *_: t < steps, body, now, maximum_iterations=steps
    )
    states = [ops.reshape(state, (-1, number, state.shape[-1])) for state in states]
    return total, [weights + equal, *states]


def _propose(model, phi_x, evidence, x, eps, states: Sequence, kl_weight):
    """log alpha_t `[R]` and the next states of particles, from their rows of everything."""
    cell, h_tm1 = model.cell, states[0]
    prior = cell.prior(h_tm1)
    posterior = cell.posterior(evidence, h_tm1, prior)
    z = posterior.loc + posterior.scale * eps
    phi_z = cell.phi_z(z)
    log_likelihood = model.likelihood.log_prob(model.decode(phi_z, h_tm1), x)
    log_ratio = _log_density(z, prior) - _log_density(z, posterior)
    return log_likelihood + kl_weight * log_ratio, cell.recur(phi_x, phi_z, states)


def _log_density(z, gaussian: DiagonalGaussian):
    z, loc, scale = (ops.cast(value, "float32") for value in (z, *gaussian))
    return tfd.Independent(tfd.Normal(loc, scale), 1).log_prob(z)


def _collapsed(log_weights, threshold: float):
    """Whether the effective sample size of normalised weights `[B, N]` is low: bool `[B, 1]`."""
    size = ops.exp(-ops.logsumexp(2.0 * log_weights, axis=-1, keepdims=True))
    return size <= threshold * log_weights.shape[-1]


def _ancestors(log_weights, uniforms, resampling: str):
    """Which particle each of N new ones goes on from, int32 `[B, N]`.

    Args:
        log_weights: `[B, N]`, normalised.
        uniforms: `[B, N]` for multinomial, `[B, 1]` for systematic resampling.
        resampling: one of `RESAMPLING`.
    """
    number = log_weights.shape[-1]
    if resampling == "systematic":
        uniforms = (ops.arange(number, dtype="float32") + uniforms) / number
    below = ops.cumsum(ops.exp(log_weights), axis=-1)  # [B, N]
    passed = ops.expand_dims(below, -2) <= ops.expand_dims(uniforms, -1)
    count = ops.sum(ops.cast(passed, "int32"), axis=-1)
    return ops.minimum(count, number - 1)  # the last sum may be a little below 1
