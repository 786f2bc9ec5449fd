"""Makes the copy of a model that is exported: float32, without what only training needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from vrnn_tf.model.vrnn import VRNN


def inference_model(model: VRNN) -> VRNN:
    """Returns a float32 copy without optimizer, carried states and counters.

    TFLite has no mixed precision, so a model that computes in float16 does not convert. The weights
    of such a model are float32 all the same, so the copy is at least as exact.

    Args:
        model: any VRNN. It does not change.

    Raises:
        TypeError: if `model` is no VRNN.
        ValueError: if a weight is not finite; names the weight.
    """
    if not isinstance(model, VRNN):
        raise TypeError(f"`model` must be a vrnn_tf.VRNN. Received a {type(model).__name__}.")
    for weight in model.trainable_variables:
        if not np.isfinite(np.asarray(weight, dtype="float32")).all():
            raise ValueError(
                f"The weight {weight.path} holds NaN or infinity. Export an earlier checkpoint."
            )
    config = {**_in_float32(model.get_config()), "dtype": "float32", "stateful_batch_size": None}
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # layers made by name ask for the global policy
    try:
        copy = type(model).from_config(config)
    finally:
        keras.config.set_dtype_policy(policy)
    for source, target in zip(model.layers, copy.layers, strict=True):
        target.set_weights(source.get_weights())
    # The fast loop cuts weights in two. The file would hold the parts beside the whole weights.
    copy.recurrence.plain = True
    return copy


def _in_float32(config: Any) -> Any:
    if isinstance(config, list | tuple):
        return type(config)(_in_float32(item) for item in config)
    if not isinstance(config, Mapping):
        return config
    return {
        key: "float32" if key == "dtype" and _is_policy(value) else _in_float32(value)
        for key, value in config.items()
    }


def _is_policy(value: Any) -> bool:
    name = value.get("config", {}).get("name") if isinstance(value, Mapping) else value
    return isinstance(name, str) and "float" in name
