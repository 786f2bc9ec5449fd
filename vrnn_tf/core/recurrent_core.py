"""f of Eq. (7): Keras's recurrent cells as the core of a VRNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import keras
from keras import tree

from vrnn_tf.core.initialization import Initialization
from vrnn_tf.validation import check_widths

DEFAULT_UNITS = 400

Cells: TypeAlias = str | keras.Layer | Sequence[keras.Layer]


def make_core(
    cells: Cells, units: int | Sequence[int] | None, initialization: Initialization
) -> keras.Layer:
    """The core that the arguments `recurrent_cell` and `recurrent_units` of `VRNN` ask for.

    Raises:
        ValueError: if there is no cell, or `units` is given beside cells that have theirs.
    """
    if isinstance(cells, str):
        widths = check_widths("recurrent_units", DEFAULT_UNITS if units is None else units)
        made: Cells = [initialization.recurrent_cell(cells, width) for width in widths]
    elif units is not None:
        raise ValueError(
            "`recurrent_units` goes with a `recurrent_cell` given by name. Received "
            f"recurrent_units={units} and {cells!r}. Leave it out."
        )
    else:
        made = cells
    if not isinstance(made, Sequence):
        return made
    if not made:
        raise ValueError(
            "The core must have at least one cell. Received "
            f"recurrent_cell={cells!r}, recurrent_units={units!r}."
        )
    if len(made) == 1:
        return made[0]
    return keras.layers.StackedRNNCells(made, dtype=initialization.dtype)


def serialize_cells(cells: Cells):
    """The argument `recurrent_cell` as JSON can hold it."""
    if isinstance(cells, str):
        return cells
    if isinstance(cells, Sequence):
        return [keras.saving.serialize_keras_object(cell) for cell in cells]
    return keras.saving.serialize_keras_object(cells)


def deserialize_cells(config) -> Cells:
    """The inverse of `serialize_cells`."""
    if isinstance(config, str):
        return config
    if isinstance(config, list | tuple):
        return [keras.saving.deserialize_keras_object(cell) for cell in config]
    return keras.saving.deserialize_keras_object(config)


def core_output_size(core: keras.Layer) -> int:
    """H, the size of a recurrent cell's output."""
    size = getattr(core, "output_size", None)
    return tree.flatten(core.state_size)[0] if size is None else size


def check_core(core: keras.Layer, compute_dtype: str) -> None:
    """Raises ValueError unless `core` is a cell that computes in this dtype, without dropout."""
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
