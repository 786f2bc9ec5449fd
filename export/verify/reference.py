"""What Keras computes: the values that every file of an export is compared with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from vrnn_tf.bounds import Elbo
from vrnn_tf.model import generation
from vrnn_tf.model.vrnn import VRNN

SEEDS = (0, 1, 2)  # of the sequences that are drawn with each set of options
FREE_STEPS = 25  # too few for rounding errors to grow from 1e-7 to the tolerance
_PRIME_STEPS = 5
_MAX_CONTINUED = 8  # real sequences from whose middle steps are compared


class Step(NamedTuple):
    """One generated step whose seed is 0.

    Attributes:
        states: the states before the step, each `[1, size]`.
        t: how many steps the sequence had before.
        x: the observation `[D]`.
        next_states: the states after the step.
    """

    states: list[np.ndarray]
    t: int
    x: np.ndarray
    next_states: list[np.ndarray]


class Reference:
    """Sequences that Keras draws, the bounds it gives to data, and the states along the way.

    Args:
        model: the Keras model of the export.
        max_steps: T_max.
        sequences: real data, arrays `[T_i, D]`. With None the data are the sequences that the model
            draws.

    Attributes:
        defaults: `{name: default}` of the sampling options.
        options: the sets of options that sequences are drawn with.
        drawn_alone: `drawn_alone[i][j]` is the sequence `[T, D]` of `options[i]` and `SEEDS[j]`.
            Keras multiplies matrices of one row here, as every file does.
        drawn_together: the same sequences, all seeds in one batch.
        is_real: whether the data are real.
        data: sequences `[T_i, D]` of at most T_max steps. The position of each is its seed.
        endless: options with which sequences do not end themselves.
        scores: the ELBO of each sequence of `data`, nats a sequence.
        states: the states after each sequence of `data`.
        prefix: the beginning of the first sequence of `data`.
        continuation: how Keras goes on from `prefix` with the seed 7.
    """

    def __init__(self, model: VRNN, max_steps: int, sequences: Sequence[np.ndarray] | None):
        self.model, self.max_steps = model, max_steps
        self.defaults = generation.option_defaults(model.likelihood, model.latent_size)
        self.endless = dict(model.likelihood.endless_options)
        self.options = [{}, {"temperature": 0.5}, *filter(None, [self.endless])]
        draw = model.generate
        self.drawn_together = [draw(len(SEEDS), max_steps, seed=0, **o) for o in self.options]
        self.drawn_alone = [
            [draw(1, max_steps, seed=s, **o)[0] for s in SEEDS] for o in self.options
        ]
        self.is_real = sequences is not None
        self.data = [x[:max_steps] for x in (sequences or self.drawn_together[0])]
        observed = [self._observe(x, seed) for seed, x in enumerate(self.data)]
        self.scores = [elbo for elbo, _ in observed]
        self.states = [states for _, states in observed]
        self.prefix = self.data[0][:_PRIME_STEPS]
        self.continuation = draw(1, min(FREE_STEPS, max_steps), seed=7, prime=self.prefix)[0]

    @functools.cached_property
    def steps(self) -> list[Step]:
        """The steps of one whole sequence, and a few from the middle of each real sequence."""
        steps = [*self._steps(self.model.cell.get_initial_state(1), 0, self.max_steps)]
        for seed, x in enumerate(self.data[:_MAX_CONTINUED] if self.is_real else ()):
            middle = len(x) // 2
            _, states = self._observe(x[:middle], seed)
            stop = min(middle + FREE_STEPS, self.max_steps)
            steps += self._steps([tf.constant(s) for s in states], middle, stop)
        return steps

    def _steps(self, states, start: int, stop: int) -> Iterator[Step]:
        for t in range(start, stop):
            x, next_states = self._step(states, tf.constant([t]))
            yield Step(_arrays(states), t, x.numpy()[0], _arrays(next_states))
            states = next_states

    @functools.cached_property
    def _step(self) -> Callable:
        values = {**self.defaults, **self.endless}
        options = {name: tf.constant([value]) for name, value in values.items()}

        @tf.function(autograph=False)
        def step(states, t):
            return generation.step(self.model, states, tf.constant([0]), t, options)

        return step

    def _observe(self, x: np.ndarray, seed: int) -> tuple[float, list[np.ndarray]]:
        """The ELBO of a sequence and the states after it."""
        outputs, states = self._observed(
            tf.constant(x[None], "float32"), tf.constant([seed], "int32")
        )
        return float(Elbo.of(outputs).per_sequence()[0]), _arrays(states)

    @functools.cached_property
    def _observed(self) -> Callable:
        shape = (1, None, self.model.likelihood.event_size)

        @tf.function(
            autograph=False,
            input_signature=[tf.TensorSpec(shape, tf.float32), tf.TensorSpec([1], tf.int32)],
        )
        def observe(x, seed):
            return self.model.observe(x, tf.ones(tf.shape(x)[:2], tf.bool), seed)

        return observe


def _arrays(tensors: Iterable[tf.Tensor]) -> list[np.ndarray]:
    return [tensor.numpy() for tensor in tensors]
