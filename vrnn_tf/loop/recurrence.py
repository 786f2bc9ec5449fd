"""Runs a VRNN cell over time: hoisted where that is possible, step by step where it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from vrnn_tf.core.cell import CellParts, VRNNCell
from vrnn_tf.core.networks import FeedForward
from vrnn_tf.loop.hoisted import HoistedCell, HoistedParts, unhoistable_part
from vrnn_tf.loop.rows import repeat_rows, swap_time


@keras.saving.register_keras_serializable(package="vrnn_tf")
class Recurrence(keras.layers.RNN):
    """`keras.layers.RNN` for a `VRNNCell`: the same function, computed faster.

    See `vrnn_tf.loop.hoisted` for what is taken out of the loop. In training, the gradient of a
    weight is one product for all steps. Such gradients can be taken only once, see
    `vrnn_tf.loop.scan`.

    Some cells run step by step, as `keras.layers.RNN` runs them. `plain_reason` then says why:

    - `plain` is set, or the backend is not TensorFlow;
    - `unroll`, `go_backwards` or `zero_output_for_mask` is set;
    - the core is not made of Keras's LSTMCell, GRUCell (with `reset_after`) and SimpleRNNCell;
    - phi_z, the posterior or, where the posterior is residual, the prior is not made of Dense
      layers.

    Args:
        cell: a `VRNNCell`.
        plain: whether to run the cell step by step in any case.
        **kwargs: as for `keras.layers.RNN`.

    Call arguments:
        sequences: `[B, T, F + L + Z]`, see `VRNNCell`.
        initial_state: `[h, *core states]`, each `[B, size]`; h is taken from the core's states.
        mask: bool `[B, T]`.
        training: whether to keep what the gradients need.

    Output shape:
        As for `keras.layers.RNN`: `[B, T, output_size]` with `return_sequences`, packed.

    Masking:
        States are held over masked steps. What stands in the output there is not specified.

    Raises:
        ValueError: if `cell` is no VRNNCell.

    Example:

    >>> import numpy as np
    >>> cell = VRNNCell(keras.layers.GRUCell(4))
    >>> Recurrence(cell, return_sequences=True)(np.zeros((2, 5, 3), "float32")).shape
    TensorShape([2, 5, 4])
    """

    def __init__(self, cell: VRNNCell, plain: bool = False, **kwargs):
        if not isinstance(cell, VRNNCell):
            raise ValueError(
                f"`cell` must be a VRNNCell. Received {cell!r}. Run other cells with "
                "keras.layers.RNN."
            )
        super().__init__(cell, **kwargs)
        self.plain = plain

    @property
    def plain_reason(self) -> str | None:
        """Why the cell runs step by step; None if it does not.

        It is about the cell alone. `scan` also runs step by step for a decoder that is not made of
        Dense layers, and for a likelihood with weights.
        """
        if self.plain:
            return "plain=True"
        if keras.backend.backend() != "tensorflow":
            return f"the backend is {keras.backend.backend()}"
        for name in ("unroll", "go_backwards", "zero_output_for_mask"):
            if getattr(self, name):
                return f"{name}=True"
        return unhoistable_part(self.cell)

    def hoisted(self, decoder: FeedForward) -> HoistedCell | None:
        """The cell with a decoder inside of the loop; None if one of them runs step by step."""
        if self.plain_reason or unhoistable_part(self.cell, decoder):
            return None
        return HoistedCell(self.cell, decoder)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Returns the last packed output, all of them and the last states, as Keras expects."""
        if self.plain_reason is not None:
            return super().inner_loop(sequences, initial_state, mask, training)
        packed, states = _run_hoisted(self.cell, sequences, initial_state, mask, training)
        return packed[:, -1], packed, states

    def scan(
        self,
        step: Callable,
        decoder: Any,
        read: Sequence,
        inputs: Sequence,
        carried: Sequence,
        states: Sequence,
        mask,
        training: bool = False,
        copies: int = 1,
        is_hoistable: bool = True,
    ) -> tuple[list, list]:
        """Runs a step that also decodes, such as that of a particle filter, over T steps.

        Args:
            step: `(parts, read, inputs, carried, states) -> (carried, states)`, without side
                effects. `parts` are `StepParts` with the decoder. `read`, phi_x(x_t) and the
                posterior's features, is for `observe_step`. In the hoisted loop it is
                `(None, None)`, because the maps have read both.
            decoder: `[phi_z(z_t), h_{t-1}] -> raw parameters`.
            read: phi_x(x) `[T, B, F]` and the posterior's features `[T, B, F + L]`.
            inputs: what the step itself reads, each `[T, ., .]`.
            carried: what the step itself carries on, each `[B copies, .]`.
            states: `[h, *core states]`, each `[B copies, size]`.
            mask: bool `[T, B copies]`. Where it is False, nothing changes.
            training: whether gradients will be taken, once (see `vrnn_tf.loop.scan`).
            copies: how many rows of the states, side by side, each row of `read` is for.
            is_hoistable: whether all weights that the step uses are those of the parts.

        Returns:
            `carried` and `[h, *core states]` after the last step.
        """
        hoisted = self.hoisted(decoder) if is_hoistable else None
        rest = (step, read, inputs, carried, states, mask, copies)
        if hoisted is None:
            return _scan_plain(CellParts(self.cell, decoder), *rest)
        return _scan_hoisted(hoisted, *rest, training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "plain": self.plain}


def _run_hoisted(cell: VRNNCell, sequences, states: Sequence, mask, training) -> tuple[Any, list]:
    """The packed outputs `[B, T, output_size]` of a hoisted cell and its states after all steps."""
    from vrnn_tf.loop.scan import scan

    # Time comes first, so that the rows of a step lie side by side.
    phi_x, features, noise = cell.split_inputs(swap_time(sequences))
    hoisted = HoistedCell(cell)
    raw, (h_tm1,), states = scan(
        hoisted.observe,
        hoisted.maps(phi_x, features),
        [] if noise is None else [noise],
        states[1:],
        None if mask is None else ops.transpose(mask),
        outputs=hoisted.outputs,
        states_before=[hoisted.h],
        defer=bool(training),
    )
    values = {"h_tm1": h_tm1}
    if cell.latent_size:
        values |= hoisted.latent_values(h_tm1, raw[0], noise)
    packed = cell.output_packing.pack({name: swap_time(value) for name, value in values.items()})
    return packed, [states[hoisted.h], *states]


def _scan_hoisted(
    hoisted: HoistedCell, step, read, inputs, carried, states, mask, copies, training
) -> tuple[list, list]:
    from vrnn_tf.loop.scan import scan

    count = len(carried)

    def body(apply, inputs, values):
        parts = HoistedParts(hoisted, apply)
        after, states = step(parts, (None, None), inputs, values[:count], values[count:])
        return [*after, *states]

    _, _, values = scan(
        body,
        hoisted.maps(*read),
        inputs,
        [*carried, *states[1:]],  # h is one of the core's states
        mask,
        defer=training,
        copies=copies,
    )
    carried, states = values[:count], values[count:]
    return carried, [states[hoisted.h], *states]


def _scan_plain(
    parts: CellParts, step, read, inputs, carried, states, mask, copies
) -> tuple[list, list]:
    count, num_steps = len(carried), ops.shape(mask)[0]

    def body(t, *before):
        rows = [repeat_rows(ops.take(value, t, axis=0), copies) for value in read]
        now = [ops.take(value, t, axis=0) for value in inputs]
        after, states = step(parts, rows, now, list(before[:count]), list(before[count:]))
        seen = ops.expand_dims(ops.take(mask, t, axis=0), -1)
        pairs = zip([*after, *states], before, strict=True)
        return (t + 1, *(ops.where(seen, *pair) for pair in pairs))

    start = (ops.zeros((), "int32"), *carried, *states)
    loop = ops.while_loop(lambda t, *_: t < num_steps, body, start, maximum_iterations=num_steps)
    return list(loop[1 : count + 1]), list(loop[count + 1 :])
