"""What `fit`, `evaluate` and a call of a VRNN accept, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from vrnn_tf import replicas
from vrnn_tf.likelihoods import Likelihood
from vrnn_tf.validation import check_sequences


def standardize(inputs, mask, likelihood: Likelihood, is_stateful: bool) -> tuple[Any, Any]:
    """x float32 `[B, T, D]`, zero where masked, and mask bool `[B, T]`, from any inputs.

    Raises:
        ValueError: if the inputs are not what the docstring of `VRNN` says.
    """
    named = dict(inputs) if isinstance(inputs, Mapping) else {"x": inputs}
    _check_names(named, {"x", "mask", "reset"} if is_stateful else {"x", "mask"})
    x = ops.convert_to_tensor(named["x"])
    if not _is_real(x.dtype):
        raise ValueError(
            f"`x` must hold real numbers. Received dtype {x.dtype}. Turn text into symbol "
            "numbers, and complex values into two features."
        )
    check_sequences(x, likelihood.event_size, likelihood.description)
    x = ops.cast(x, "float32")
    mask = named.get("mask", None if isinstance(mask, Mapping) else mask)
    if mask is None:
        mask = ops.ones_like(x[..., 0], dtype="bool")
    mask = ops.cast(mask, "bool")
    _check_mask(mask, x)
    x = _check_finite(ops.where(ops.expand_dims(mask, -1), x, ops.zeros_like(x)))
    return x, mask


def check_reset(inputs, x, batch_size: int | None):
    """reset bool `[B]` of a stateful model; None for a stateless one, whose `batch_size` is None.

    Raises:
        ValueError: if a stateful model gets no reset, or another number of rows.
    """
    if batch_size is None:
        return None
    rows = batch_size // replicas.count()
    named = inputs if isinstance(inputs, Mapping) else {}
    reset = ops.cast(named.get("reset", ()), "bool")
    if "reset" not in named or not _sizes_agree((*reset.shape, x.shape[0]), (rows, rows)):
        raise ValueError(
            f"A model with stateful_batch_size={batch_size} needs 'reset' [{rows}] and x "
            f"[{rows}, T, D]. Received {list(named) or 'x alone'} with x of shape "
            f"{tuple(x.shape)}, reset of shape {tuple(reset.shape)}. Batch to that size; drop "
            "or pad the last batch."
        )
    return reset


def refuse_targets(arguments: Mapping[str, Any]) -> None:
    """Raises ValueError for targets or weights. Keras would drop the weights without a word."""
    for name in ("y", "sample_weight", "class_weight"):
        if arguments.get(name) is not None:
            raise ValueError(
                "VRNN is trained on x alone: its loss is the bound on log p(x). Received targets "
                f"or sample weights (`{name}`). Pass x, or a data set of "
                "{'x': x, 'mask': mask}."
            )


def _check_names(named: Mapping[str, Any], expected: Collection[str]) -> None:
    if "x" not in named or not set(named) <= set(expected):
        raise ValueError(
            f"Inputs must be x or a dictionary of {sorted(expected)}. Received {list(named)}."
            + (" `reset` needs stateful_batch_size." if "reset" in named else "")
        )


def _sizes_agree(shape: Sequence[int | None], expected: Sequence[int | None]) -> bool:
    """Whether two static shapes can be the same; None stands for any size."""
    return len(shape) == len(expected) and all(
        None in (a, b) or a == b for a, b in zip(shape, expected, strict=True)
    )


def _is_real(dtype) -> bool:
    name = keras.backend.standardize_dtype(dtype)
    return name.startswith(("float", "bfloat", "int", "uint", "bool"))


def _check_mask(mask, x) -> None:
    if not _sizes_agree(mask.shape, x.shape[:2]):
        raise ValueError(
            f"`mask` must be [B, T], one entry for each step of x. Received shape "
            f"{tuple(mask.shape)} for x of shape {tuple(x.shape)}."
        )


def _check_finite(x):
    """x, after a check (outside XLA, which drops it) that it holds neither NaN nor infinity."""
    if keras.backend.backend() != "tensorflow" or isinstance(x, keras.KerasTensor):
        return x
    import tensorflow as tf

    message = "`x` must be finite wherever `mask` is True. Clean or mask these steps. Received x"
    return tf.debugging.check_numerics(x, message)
