"""Describes every function that an exported model offers, once for all formats.

SavedModel, TFLite, metadata and verification follow the list that `signatures` returns. Every input
and output is int32 or float32, the types that every runtime's buffers take. Each starts with the
batch axis, which TF Serving's batching needs. TFLite files have B = 1.

A bad value never reaches the model. `steps` and `length` are clipped to 0 .. T_max and options to
`OPTION_RANGES`. An option that is NaN or infinite counts as its default. A row whose x cannot be
observed (NaN, a pen of 7, a symbol beyond the alphabet) or whose states are not finite runs on
zeros, and its answer is NaN. So a mistake in one row does not fail the other rows of its batch.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras import ops

from vrnn_tf.bounds import Elbo
from vrnn_tf.likelihoods import LARGEST
from vrnn_tf.model import generation
from vrnn_tf.model.vrnn import VRNN
from vrnn_tf.validation import check_integer

from .states import name_states

BATCH = "B"
# The ranges reach far beyond useful values. They are small enough that no product of them overflows
# float32.
OPTION_RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0.0, 100.0),
    "latent_temperature": (0.0, 100.0),
}
OTHER_RANGE = (-100.0, 100.0)


@dataclasses.dataclass(frozen=True)
class Spec:
    """A named tensor: its dtype and its shape, whose first entry is `BATCH`."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def with_batch(self, batch: int | None) -> tuple[int | None, ...]:
        """Returns the shape for a number of rows. None leaves the number open."""
        return tuple(batch if size == BATCH else int(size) for size in self.shape)


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of named tensors.

    Attributes:
        name: the name that runtimes call it by.
        inputs: the inputs in the order of `function`'s positional arguments.
        outputs: the entries of the dictionary that `function` returns.
        function: the function of tensors.
    """

    name: str
    inputs: tuple[Spec, ...]
    outputs: tuple[Spec, ...]
    function: Callable[..., dict[str, Any]]


def option_range(name: str) -> tuple[float, float]:
    """Returns the smallest and the largest value that a sampling option is clipped to."""
    return OPTION_RANGES.get(name, OTHER_RANGE)


def signatures(model: VRNN, max_steps: int) -> list[Signature]:
    """Returns the functions of an exported model.

        generate(seed, steps, temperature, ...) -> x [B, T_max, D], length [B]
        init(seed) -> state_0 [B, S_0], ...                     zeros, one row for each seed
        prime(x [B, T_max, D], length [B], seed) -> state_0, ...  after the first `length` steps
        step(state_0, ..., seed, t, temperature, ...) -> x [B, D], state_0, ...
        score(x, length, seed) -> elbo [B], nll [B], kl [B]     nats a sequence

    `seed`, `steps`, `length` and `t` are int32 `[B]`; t counts the steps that a sequence has
    already. The options of `generation.option_defaults` are float32 `[B]`. x is in normalised
    units.

    Args:
        model: the model. The functions use its weights without a copy.
        max_steps: T_max, the static length of every sequence.

    Raises:
        ValueError: if `max_steps` is not a positive integer.
    """
    check_integer("max_steps", max_steps, 1)
    return [
        _generate(model, max_steps),
        _init(model),
        _prime(model, max_steps),
        _step(model),
        _score(model, max_steps),
    ]


def _generate(model: VRNN, max_steps: int) -> Signature:
    def generate(seed, steps, *options):
        states = model.cell.get_initial_state(ops.shape(seed)[0])
        start = _opaque_zeros(steps)  # see _observe
        named = _options(model, options)
        x, length = generation.generate(model, states, seed, start, steps, named, max_steps)
        return {"x": x, "length": length}

    x = Spec("x", "float32", (BATCH, max_steps, model.likelihood.event_size))
    inputs = (_row("seed", "int32"), _row("steps", "int32"), *_option_specs(model))
    return Signature("generate", inputs, (x, _row("length", "int32")), generate)


def _init(model: VRNN) -> Signature:
    def init(seed):
        states = model.cell.get_initial_state(ops.shape(seed)[0])
        return name_states(_distinct(states, seed))

    return Signature("init", (_row("seed", "int32"),), _state_specs(model), init)


def _prime(model: VRNN, max_steps: int) -> Signature:
    def prime(x, length, seed):
        _, states, valid = _observe(model, max_steps, x, length, seed)
        return _or_nan(valid, name_states(states))

    return Signature("prime", _sequence_specs(model, max_steps), _state_specs(model), prime)


def _step(model: VRNN) -> Signature:
    num_states = len(model.cell.state_size)

    def step(*tensors):
        states, (seed, t, *options) = list(tensors[:num_states]), tensors[num_states:]
        valid = ops.all(ops.abs(ops.concatenate(states, axis=-1)) <= LARGEST, axis=-1)
        states = [_or_zero(valid, state) for state in states]
        x, states = generation.step(model, states, seed, t, _options(model, options))
        return _or_nan(valid, {"x": x, **name_states(_distinct(states, t))})

    x = Spec("x", "float32", (BATCH, model.likelihood.event_size))
    rows = (_row("seed", "int32"), _row("t", "int32"), *_option_specs(model))
    return Signature("step", (*_state_specs(model), *rows), (x, *_state_specs(model)), step)


def _score(model: VRNN, max_steps: int) -> Signature:
    def score(x, length, seed):
        outputs, _, valid = _observe(model, max_steps, x, length, seed)
        return _or_nan(valid, Elbo.of(outputs).totals(axis=-1))

    outputs = tuple(_row(name, "float32") for name in ("elbo", "nll", "kl"))
    return Signature("score", _sequence_specs(model, max_steps), outputs, score)


def _observe(model: VRNN, max_steps: int, x, length, seed):
    steps = ops.expand_dims(ops.arange(max_steps, dtype="int32"), 0)
    mask = steps < ops.expand_dims(length, -1)  # clips the length
    possible = ops.logical_or(model.likelihood.in_support(x), ops.logical_not(mask))
    valid = ops.all(possible, axis=-1)  # [B]
    # If the noise's counters start from a constant zero, a converter folds them into a constant. It
    # is as long as the sequence times the size of the noise.
    start = _opaque_zeros(length)
    outputs, states = model.observe(_or_zero(valid, x), mask, seed, start=start)
    return outputs, states, valid


def _or_zero(valid, values):
    """Returns `values` `[B, ...]` with zeros in the rows that are not `valid` `[B]`."""
    return ops.where(_expand_to(values, valid), values, ops.zeros_like(values))


def _or_nan(valid, named: Mapping[str, Any]) -> dict[str, Any]:
    """Returns tensors `[B, ...]` with NaN in the rows that are not `valid` `[B]`."""
    return {
        name: ops.where(_expand_to(value, valid), value, ops.full_like(value, math.nan))
        for name, value in named.items()
    }


def _expand_to(values, valid):
    for _ in values.shape[1:]:
        valid = ops.expand_dims(valid, -1)
    return valid


def _opaque_zeros(values, number: int = 0):
    """Returns int32 zeros `[B]` that a converter does not recognise as zeros.

    It does not recognise the zeros of two numbers as equal either.
    """
    return ops.minimum(ops.maximum(values, number), 0)


def _options(model: VRNN, values: Sequence) -> dict[str, Any]:
    defaults = generation.option_defaults(model.likelihood, model.latent_size)
    named = {}
    for (name, default), value in zip(defaults.items(), values, strict=True):
        finite = ops.where(ops.abs(value) <= LARGEST, value, ops.full_like(value, default))
        named[name] = ops.clip(finite, *option_range(name))
    return named


def _row(name: str, dtype: str) -> Spec:
    return Spec(name, dtype, (BATCH,))


def _option_specs(model: VRNN) -> tuple[Spec, ...]:
    names = generation.option_defaults(model.likelihood, model.latent_size)
    return tuple(_row(name, "float32") for name in names)


def _sequence_specs(model: VRNN, max_steps: int) -> tuple[Spec, ...]:
    x = Spec("x", "float32", (BATCH, max_steps, model.likelihood.event_size))
    return (x, _row("length", "int32"), _row("seed", "int32"))


def _state_specs(model: VRNN) -> tuple[Spec, ...]:
    sizes = name_states(model.cell.state_size)
    return tuple(Spec(name, "float32", (BATCH, size)) for name, size in sizes.items())


def _distinct(states: Sequence, rows) -> list:
    """Returns the states so that no two of them are one tensor.

    The output of an LSTM is also one of its states, and zeros of one shape are one constant. A file
    would have several names for one tensor, and LiteRT's CompiledModel finds only one of them.
    """
    return [
        state + ops.expand_dims(ops.cast(_opaque_zeros(rows, i), "float32"), -1)
        for i, state in enumerate(states)
    ]
