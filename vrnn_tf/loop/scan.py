"""A loop over time whose weights get their gradients after it, each from one matrix product.

TensorFlow differentiates a while loop step by step: it keeps every intermediate value, and at every
step it reads the gradient of each weight, adds to it and writes it back. `scan` keeps only what a
matrix product gave, computes the rest again on the way back, and multiplies the stacked operands of
a weight with the stacked gradients of its products once, for all steps together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from vrnn_tf.loop.rows import repeat_rows


class Affine(NamedTuple):
    """`offset + a W`, an affine map that a step uses.

    Attributes:
        weight: W, `[K, N]`; None for a map that takes no operand.
        offset: `[N]` if it is the same in every step, `[T, B, N]` if each step has its own. With
            several copies of a row (see `scan`) the latter is `[T, B / copies, N]`.
    """

    weight: tf.Tensor | None
    offset: tf.Tensor


Apply = Callable[..., tf.Tensor]
Step = Callable[[Apply, list[tf.Tensor], list[tf.Tensor]], list[tf.Tensor]]


def scan(
    step: Step,
    maps: Mapping[str, Affine],
    inputs: Sequence[tf.Tensor],
    states: Sequence[tf.Tensor],
    mask: tf.Tensor | None = None,
    outputs: Sequence[str] = (),
    states_before: Sequence[int] = (),
    defer: bool = True,
    copies: int = 1,
) -> tuple[list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
    """Runs `step` over T steps.

    A step reaches its weights only through the function that it is given, which it calls once for
    every name:

        apply(name, a_1, a_2, ...) = maps[name].offset + concat(a_1, a_2, ...) maps[name].weight

    Whatever stands between the maps is differentiated as it is written.

    Args:
        step: `(apply, inputs of the step, states) -> states`, without side effects.
        maps: the affine maps by name. The offset of at least one has a time axis.
        inputs: what the steps read, each `[T, B, F]`.
        states: the states before the first step, each `[B, S]`.
        mask: bool `[T, B]`. The states stay as they are where it is False. None: True everywhere.
        outputs: the names of the maps whose values are returned.
        states_before: the numbers of the states whose values before each step are returned.
        defer: whether gradients are made as described above. They can then be taken once.
            Otherwise nothing else is kept, and TensorFlow differentiates the loop.
        copies: how many rows of the states, side by side, share a row of an offset.

    Returns:
        The values of the maps named in `outputs`, each `[T, B, N]`; the states numbered in
        `states_before`, each `[T, B, S]`; all states after the last step, each `[B, S]`.
    """
    tensors = [
        [part for affine in maps.values() for part in affine if part is not None],
        list(inputs),
        list(states),
    ]
    wanted = [list(outputs), list(states_before), list(states)]
    if not defer:
        loop = _Loop(step, maps, mask, copies, *tensors)
        values, before, final = loop.forwards(outputs, states_before)
        return [v.stack() for v in values.values()], [b.stack() for b in before.values()], final

    @tf.custom_gradient
    def run(*flat):
        loop = _Loop(step, maps, mask, copies, *tf.nest.pack_sequence_as(tensors, flat))
        values, before, final = loop.forwards(maps, range(len(states)))
        stacks = [values[name].stack() for name in outputs]
        stacks += [before[number].stack() for number in states_before]

        def gradient(*upstream):
            d_outputs, d_before, d_final = tf.nest.pack_sequence_as(wanted, upstream)
            d_outputs = dict(zip(outputs, d_outputs, strict=True))
            d_before = dict(zip(states_before, d_before, strict=True))
            return tf.nest.flatten(loop.backwards(values, before, d_outputs, d_before, d_final))

        return (*stacks, *final), gradient

    return tuple(tf.nest.pack_sequence_as(wanted, run(*tf.nest.flatten(tensors))))


class _Loop:
    """The loop forwards, and backwards over what it kept."""

    def __init__(self, step, maps, mask, copies, parameters, inputs, states):
        parameters = iter(parameters)
        self.maps = {
            name: Affine(*(None if part is None else next(parameters) for part in affine))
            for name, affine in maps.items()
        }
        self.step, self.mask, self.inputs, self.states = step, mask, inputs, states
        self.copies = copies
        timed = next(m.offset for m in self.maps.values() if _has_time(m.offset))
        self.num_steps = timed.shape[0] or tf.shape(timed)[0]
        # Most steps of most batches are whole. Only the other steps pay for the mask.
        self.is_whole = None if mask is None else tf.reduce_all(mask, axis=1)

    def forwards(self, names: Iterable[str], numbers: Iterable[int]):
        """Arrays of the named maps' values and of the numbered states before; the last states."""

        def body(t, kept, before, states):
            values: dict[str, tf.Tensor] = {}

            def apply(name, *operands):
                weight, offset = self.maps[name]
                value = (
                    repeat_rows(tf.gather(offset, t), self.copies) if _has_time(offset) else offset
                )
                if weight is not None:
                    product = tf.matmul(_side_by_side(operands), weight)
                    value = product + value if _has_time(offset) else tf.nn.bias_add(product, value)
                values[name] = value
                return value

            after = self.step(apply, [tf.gather(x, t) for x in self.inputs], states)
            kept = {name: array.write(t, values[name]) for name, array in kept.items()}
            before = {i: array.write(t, states[i]) for i, array in before.items()}
            return t + 1, kept, before, self._select(t, after, states)

        kept = self._arrays(names)
        before = {i: self._array(self.states[i]) for i in numbers}
        return self._while(body, kept, before, list(self.states))

    def backwards(self, kept, before, d_outputs, d_before, d_final):
        """The gradients of the maps' weights and offsets, of the inputs and of the states."""
        transposed = {
            name: tf.transpose(m.weight) for name, m in self.maps.items() if m.weight is not None
        }

        def body(i, d_values, d_inputs, d_after):
            t = self.num_steps - 1 - i
            values = {name: array.read(t) for name, array in kept.items()}
            states = [before[i].read(t) for i in range(len(self.states))]
            d_value, d_x, d_states = self._through_step(
                t, values, states, transposed, d_outputs, d_after
            )
            for number, d in d_before.items():
                d_states[number] += tf.gather(d, t)
            return (
                i + 1,
                {name: array.write(t, d_value[name]) for name, array in d_values.items()},
                [array.write(t, d) for array, d in zip(d_inputs, d_x, strict=True)],
                d_states,
            )

        d_values, d_inputs, d_states = self._while(
            body,
            self._arrays(self.maps),
            [self._array(x) for x in self.inputs],
            list(d_final),
        )
        d_parameters = self._parameter_gradients(kept, before, d_values)
        return d_parameters, [array.stack() for array in d_inputs], d_states

    def _through_step(self, t, values, states, transposed, d_outputs, d_after):
        """The gradients of a step's map values `{name: [B, N]}`, of its inputs and its states.

        Args:
            t: the number of the step.
            values: what its maps gave, `{name: [B, N]}`.
            states: before the step, each `[B, S]`.
            transposed: the weights, transposed, of the maps that have one.
            d_outputs: gradients of the wanted values, `{name: [T, B, N]}`.
            d_after: gradients of the states after the step.
        """
        inputs = [tf.gather(x, t) for x in self.inputs]
        with tf.GradientTape() as tape:
            tape.watch([inputs, states])
            recalled = _Recalled(values, transposed, tape)
            after = self.step(recalled, inputs, states)
        leaves = {name: value for name, value in recalled.values.items() if name not in transposed}
        d_x, d_states, d_leaves = tape.gradient(
            [after, [recalled.values[name] for name in d_outputs]],
            [inputs, states, leaves],
            [self._select(t, d_after), [tf.gather(d, t) for d in d_outputs.values()]],
            unconnected_gradients="zero",
        )
        return recalled.d_values | d_leaves, d_x, self._add_held(t, d_states, d_after)

    def _parameter_gradients(self, kept, before, d_values) -> list[tf.Tensor]:
        """The gradients of the weights and the offsets: for each weight, one product over time."""
        operands, d_parameters = self._operands(kept, before), []
        for name, affine in self.maps.items():
            d = d_values[name].stack()
            if affine.weight is not None:
                d_parameters.append(tf.matmul(operands[name], _rows(d), transpose_a=True))
            timed = _has_time(affine.offset)
            d_parameters.append(self._over_copies(d) if timed else tf.reduce_sum(d, [0, 1]))
        return d_parameters

    def _operands(self, kept, before) -> dict[str, tf.Tensor]:
        """What each map with a weight was given in all steps, `[T B, K]`.

        No step waits for another once all values are there, so all steps are rows of one batch.
        """
        operands: dict[str, tf.Tensor] = {}

        def apply(name, *parts):
            if parts:
                operands[name] = _side_by_side(parts)
            return _rows(kept[name].stack())

        states = [_rows(before[i].stack()) for i in range(len(self.states))]
        self.step(apply, [_rows(x) for x in self.inputs], states)
        return operands

    def _while(self, body, *variables):
        """What `variables` are after `num_steps` runs of `body(number, *variables)`."""
        steps = self.num_steps
        loop = tf.while_loop(
            lambda t, *_: t < steps, body, (0, *variables), maximum_iterations=steps
        )
        return loop[1:]

    def _arrays(self, names) -> dict[str, tf.TensorArray]:
        return {name: self._array(self.maps[name].offset) for name in names}

    def _array(self, like: tf.Tensor) -> tf.TensorArray:
        return tf.TensorArray(like.dtype, self.num_steps, clear_after_read=False)

    def _over_copies(self, d) -> tf.Tensor:
        """The sum of `[T, B, N]` over the copies of each row: `[T, B / copies, N]`."""
        if self.copies == 1:
            return d
        steps, size = tf.shape(d)[0], d.shape[-1]
        return tf.reduce_sum(tf.reshape(d, (steps, -1, self.copies, size)), axis=2)

    def _select(self, t, new, old=None):
        """`new` in the rows that are seen at step t, in the others `old`, or zero."""
        if self.mask is None:
            return list(new)
        old = [tf.zeros_like(value) for value in new] if old is None else old
        return tf.cond(
            tf.gather(self.is_whole, t),
            lambda: list(new),
            lambda: [tf.where(self._seen(t), *pair) for pair in zip(new, old, strict=True)],
        )

    def _add_held(self, t, d_states, d_after):
        """Adds the gradient of the states that step t held, in the rows that it does not see."""
        if self.mask is None:
            return d_states
        pairs = list(zip(d_states, d_after, strict=True))
        return tf.cond(
            tf.gather(self.is_whole, t),
            lambda: list(d_states),
            lambda: [d + tf.where(self._seen(t), tf.zeros_like(h), h) for d, h in pairs],
        )

    def _seen(self, t) -> tf.Tensor:
        return tf.expand_dims(tf.gather(self.mask, t), -1)


class _Recalled:
    """`apply` on the way back: it returns the values that the maps gave, and notes gradients.

    Attributes:
        values: the values that the step has asked for, as the tape knows them.
        d_values: the gradients of those that a product gave, once the tape has been asked.
    """

    def __init__(self, kept, transposed, tape):
        self.kept, self.transposed, self.tape = kept, transposed, tape
        self.values: dict[str, tf.Tensor] = {}
        self.d_values: dict[str, tf.Tensor] = {}

    def __call__(self, name, *operands):
        value = self.kept[name]
        if name in self.transposed:
            value = self._product(name, value)(*operands)
        else:
            self.tape.watch(value)
        self.values[name] = value
        return value

    def _product(self, name, value):
        """A function of the operands that gives their product, which is there already."""

        @tf.custom_gradient
        def product(*operands):
            def gradient(d):
                self.d_values[name] = d
                sizes = [operand.shape[-1] for operand in operands]
                return tf.split(tf.matmul(d, self.transposed[name]), sizes, axis=-1)

            return value, gradient

        return product


def _has_time(offset: tf.Tensor) -> bool:
    return offset.shape.rank == 3


def _side_by_side(operands: Sequence[tf.Tensor]) -> tf.Tensor:
    return operands[0] if len(operands) == 1 else tf.concat(operands, axis=-1)


def _rows(x: tf.Tensor) -> tf.Tensor:
    """`[T, B, N]` as `[T B, N]`."""
    return tf.reshape(x, (-1, x.shape[-1]))
