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
from vrnn_tf.core.networks import DiagonalGaussian
from vrnn_tf.distributions import tfd
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

    @property
    def resamples(self) -> bool:
        """Whether particles are ever drawn anew."""
        return self.name == "fivo" and self.num_samples > 1 and self.ess_threshold > 0.0

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
        training: whether gradients will be taken, once (see `scan.scan`); then dropout applies,
            alike to all particles of a sequence.

    Returns:
        float32 `[B]`, nats of these steps given those before, which add up to the bound of the
        whole; and the particles: log(N w) `[B, N]` and the states `[h, *core states]`, each
        `[B, N, size]`. Zeros are the particles of a new sequence.
    """
    number = bound.num_samples
    batch, steps = ops.shape(x)[0], ops.shape(x)[1]
    x = ops.where(ops.expand_dims(mask, -1), x, ops.zeros_like(x))
    phi_x, evidence = model.encode(x, mask, seeds if training else None)
    start = ops.zeros_like(seeds) if start is None else start
    starts = ops.reshape(ops.expand_dims(start, -1) + ops.zeros((number,), "int32"), (-1,))
    noise = model.posterior_noise(steps, rng.particle_seeds(seeds, number), starts)  # [B N, T, Z]
    inputs = [x, ops.cast(noise, phi_x.dtype)]
    if bound.resamples:
        size = number if bound.resampling == "multinomial" else 1
        times = ops.expand_dims(start, -1) + ops.arange(steps, dtype="int32")
        inputs.append(rng.uniform(seeds, times, size, rng.RESAMPLING))
    if particles is None:
        excess = ops.zeros((batch, number))
        states = model.cell.get_initial_state(batch * number)
    else:
        excess, *states = particles
        states = [ops.reshape(state, (-1, state.shape[-1])) for state in states]
    log_weights = ops.reshape(excess - math.log(number), (-1, 1))
    known, inputs = (
        [ops.transpose(value, (1, 0, 2)) for value in values]
        for values in ((phi_x, evidence), inputs)
    )
    mask = ops.transpose(ops.repeat(mask, number, axis=0))  # [T, B N]
    step = _Step(model.likelihood, bound, kl_weight)
    hoisted = None if model.likelihood.layer else model.recurrence.hoisted(model.decoder)
    states = [ops.zeros_like(log_weights), log_weights, *states]
    if hoisted is None:
        total, log_weights, *states = _loop(step, model, known, inputs, states, mask)
    else:
        total, log_weights, *states = _scan(step, hoisted, known, inputs, states, mask, training)
    states = [ops.reshape(state, (-1, number, state.shape[-1])) for state in states]
    log_weights = ops.reshape(log_weights, (-1, number))
    return total[::number, 0], [log_weights + math.log(number), *states]


@dataclasses.dataclass(frozen=True)
class _Step:
    """One step of the filter: rows `[B N, .]` are particles, those of a sequence side by side."""

    likelihood: Any
    bound: Bound
    kl_weight: Any

    def log_alpha(self, raw, x, z, prior: DiagonalGaussian, posterior: DiagonalGaussian):
        """`[B N]`, of x `[B, D]` and of what each particle makes of it."""
        log_ratio = _log_density(z, prior) - _log_density(z, posterior)
        x = _each(x, self.bound.num_samples)
        return self.likelihood.log_prob(ops.cast(raw, "float32"), x) + self.kl_weight * log_ratio

    def advance(self, total, log_weights, log_alpha, states: Sequence, uniforms=None) -> list:
        """The bound so far, the weights, both `[B N, 1]`, and the states, after a step."""
        number = self.bound.num_samples
        log_weights = ops.reshape(log_weights[:, 0] + log_alpha, (-1, number))
        log_p = ops.logsumexp(log_weights, axis=-1, keepdims=True)
        total = total + _each(log_p, number)
        log_weights = log_weights - log_p
        if self.bound.resamples:
            needed = _collapsed(log_weights, self.bound.ess_threshold)
            ancestors = _ancestors(log_weights, uniforms, self.bound.resampling)
            ancestors = ops.where(needed, ancestors, ops.arange(number, dtype="int32"))
            first = ops.arange(ops.shape(log_weights)[0], dtype="int32") * number
            rows = ops.reshape(ops.expand_dims(first, -1) + ancestors, (-1,))
            states = [ops.take(state, rows, axis=0) for state in states]
            equal = ops.full_like(log_weights, -math.log(number))
            log_weights = ops.where(needed, equal, log_weights)
        return [total, ops.reshape(log_weights, (-1, 1)), *states]


def _loop(step: _Step, model, known: Sequence, inputs: Sequence, states: Sequence, mask) -> list:
    """The states after all steps, each as the cell computes it."""
    cell, number = model.cell, step.bound.num_samples

    def body(t, *before):
        phi_x, evidence = (_each(ops.take(value, t, axis=0), number) for value in known)
        x, eps, *uniforms = (ops.take(value, t, axis=0) for value in inputs)
        total, log_weights, *states = before
        h_tm1 = states[0]
        prior = cell.prior(h_tm1)
        posterior = cell.posterior(evidence, h_tm1, prior)
        z = posterior.loc + posterior.scale * eps
        phi_z = cell.phi_z(z)
        log_alpha = step.log_alpha(model.decode(phi_z, h_tm1), x, z, prior, posterior)
        states = cell.recur(phi_x, phi_z, states)
        after = step.advance(total, log_weights, log_alpha, states, *uniforms)
        seen = ops.expand_dims(ops.take(mask, t, axis=0), -1)
        return (t + 1, *(ops.where(seen, *pair) for pair in zip(after, before, strict=True)))

    steps = ops.shape(mask)[0]
    now = (ops.zeros((), "int32"), *states)
    return ops.while_loop(lambda t, *_: t < steps, body, now, maximum_iterations=steps)[1:]


def _scan(
    step: _Step, hoisted, known: Sequence, inputs: Sequence, states: Sequence, mask, training: bool
) -> list:
    """What `_loop` returns, from the parts of the cell: see `recurrence.HoistedCell`."""
    from vrnn_tf.loop.scan import scan

    def body(apply, inputs, states):
        x, eps, *uniforms = inputs
        total, log_weights, *states = states
        h_tm1 = states[hoisted.h]
        posterior, prior = hoisted.posterior_and_prior(apply, h_tm1)
        prior = hoisted.cell.prior(h_tm1) if prior is None else prior  # a standard normal
        z = posterior.loc + posterior.scale * eps
        phi_z = hoisted.chain(apply, "phi_z", z)
        raw = hoisted.chain(apply, "decoder", phi_z, h_tm1)
        log_alpha = step.log_alpha(raw, x, z, prior, posterior)
        states = hoisted.recur(apply, [phi_z], states)
        return step.advance(total, log_weights, log_alpha, states, *uniforms)

    total, log_weights, _, *states = states  # h is one of the core's states
    _, _, (total, log_weights, *states) = scan(
        body,
        hoisted.maps(*known),
        inputs,
        [total, log_weights, *states],
        mask,
        defer=training,
        copies=step.bound.num_samples,
    )
    return [total, log_weights, states[hoisted.h], *states]


def _each(values, number: int):
    """`[B, F]`, each row for each of its particles: `[B N, F]`."""
    each = ops.expand_dims(values, 1) + ops.zeros((1, number, 1), values.dtype)
    return ops.reshape(each, (-1, values.shape[-1]))  # XLA cannot differentiate `repeat`


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
