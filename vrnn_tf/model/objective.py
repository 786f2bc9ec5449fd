"""What training maximises: a bound, the weight of its KL, the warm-up of that weight, free nats."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from keras import ops

from vrnn_tf import bounds
from vrnn_tf.bounds import Bound, Elbo
from vrnn_tf.loop.interface import SequenceModel
from vrnn_tf.validation import check_integer, check_number


class Outcome(NamedTuple):
    """What a batch gives under an objective.

    Attributes:
        outputs: of the model's call.
        losses: terms of the loss, scalars.
        states: what the next batch of chunks goes on from.
    """

    outputs: dict[str, Any]
    losses: list
    states: Sequence


@dataclasses.dataclass
class Objective(abc.ABC):
    """A bound on log p(x) as something to train with and to show.

    Args:
        bound: which bound.
        kl_weight: the weight of the KL term in the loss.
        kl_warmup_steps: training steps over which the weight grows linearly to `kl_weight`.
        free_nats: nats a step of KL that cost nothing.
    """

    bound: Bound
    kl_weight: float
    kl_warmup_steps: int
    free_nats: float

    @property
    @abc.abstractmethod
    def metric_names(self) -> tuple[str, ...]:
        """The names of `values`. The bound comes first."""

    @abc.abstractmethod
    def run(
        self,
        model: SequenceModel,
        x,
        mask,
        seeds,
        states: Sequence | None,
        start,
        calls,
        training: bool,
    ) -> Outcome:
        """Runs the model over a batch.

        Args:
            model: the model.
            x: float32 `[B, T, D]`.
            mask: bool `[B, T]`.
            seeds: int32 `[B]`, fix all noise.
            states: what the batch before left, or None.
            start: int32 `[B]`, how many steps the sequences have already, or None.
            calls: int32 scalar, how many training batches came before.
            training: whether gradients will be taken, with dropout.
        """

    @abc.abstractmethod
    def values(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """What the metrics add up, `{name: nats}`, from the outputs of a call."""

    @abc.abstractmethod
    def state_shapes(self, batch_size: int, state_sizes: Sequence[int]) -> list[tuple[int, ...]]:
        """The shapes `[B, ...]` of what a stateful model carries on."""

    def weight(self, calls) -> Any:
        """The weight of the KL in the training batch that comes after `calls` others."""
        if not self.kl_warmup_steps:
            return self.kl_weight
        progress = ops.cast(calls + 1, "float32") / self.kl_warmup_steps
        return self.kl_weight * ops.minimum(progress, 1.0)


class ElboObjective(Objective):
    """Eq. (11). Weight and free nats change its loss, in evaluation too, and never its metrics."""

    @property
    def metric_names(self):
        return ("elbo", "nll", "kl")

    def run(self, model, x, mask, seeds, states, start, calls, training):
        outputs, after = model.observe(x, mask, seeds, states, start, training)
        weight = self.weight(calls) if training else self.kl_weight
        losses = Elbo.of(outputs).losses(mask, weight, self.free_nats)
        if not model.latent_size:
            losses = losses[:1]  # there is no KL
        return Outcome(outputs, losses, after)

    def values(self, outputs):
        return Elbo.of(outputs).totals()

    def state_shapes(self, batch_size, state_sizes):
        return [(batch_size, size) for size in state_sizes]


class ParticleObjective(Objective):
    """IWAE or FIVO. The weight changes loss and metrics in training; evaluation shows the bound."""

    @property
    def metric_names(self):
        return (self.bound.name,)

    def run(self, model, x, mask, seeds, states, start, calls, training):
        weight = self.weight(calls) if training else 1.0
        nats, after = bounds.particle_filter(
            model, x, mask, seeds, self.bound, states, start, weight, training
        )
        outputs = {self.bound.name: nats}
        if not training and states is None:
            outputs.update(model.observe(x, mask, seeds)[0])
        return Outcome(outputs, [-ops.sum(nats) / bounds.count_rows(mask)], after)

    def values(self, outputs):
        return {self.bound.name: ops.sum(outputs[self.bound.name])}

    def state_shapes(self, batch_size, state_sizes):
        particles = (batch_size, self.bound.num_samples)
        return [particles, *((*particles, size) for size in state_sizes)]


def make_objective(
    bound: str | Mapping[str, Any] | Bound,
    latent_size: int,
    kl_weight: float,
    kl_warmup_steps: int,
    free_nats: float,
) -> Objective:
    """The objective that the arguments of `VRNN` ask for.

    Raises:
        ValueError: if an argument is out of range, or the bound does not go with the others.
    """
    kl_weight = check_number("kl_weight", kl_weight, 0.0)
    check_integer("kl_warmup_steps", kl_warmup_steps, 0)
    free_nats = check_number("free_nats", free_nats, 0.0)
    bound = bounds.get(bound)
    if not bound.has_particles:
        return ElboObjective(bound, kl_weight, kl_warmup_steps, free_nats)
    for name, value in (("latent_size=0", not latent_size), ("free_nats", free_nats)):
        if value:
            raise ValueError(
                f"The bound {bound} goes with a latent variable and no free nats. "
                f"Received {name}. Choose the bound 'elbo', or leave it out."
            )
    return ParticleObjective(bound, kl_weight, kl_warmup_steps, free_nats)
