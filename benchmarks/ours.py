"""Training with this package: what `fit` does for a batch, without its callbacks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks import cases
from benchmarks.worker import Contestant
from vrnn_tf import VRNN


def default(case: dict[str, Any]) -> Contestant:
    """As a user gets it."""
    return _contestant(VRNN(**case["model"]), case)


def plain(case: dict[str, Any]) -> Contestant:
    """The cell runs step by step in `keras.layers.RNN`, and TensorFlow differentiates its loop."""
    model = VRNN(**case["model"])
    model.recurrence.plain = True
    return _contestant(model, case)


def xla(case: dict[str, Any]) -> Contestant:
    """Compiled by XLA for this one shape."""
    return _contestant(VRNN(**case["model"]), case, jit_compile=True)


def bfloat16(case: dict[str, Any]) -> Contestant:
    """Operands of matrix products rounded, as `vrnn train --matmul-precision bfloat16`."""
    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": True})
    return default(case)


def _contestant(model: VRNN, case: dict[str, Any], jit_compile: bool = False) -> Contestant:
    optimizer = keras.optimizers.Adam(cases.LEARNING_RATE, global_clipnorm=cases.CLIP_NORM)
    model.compile(optimizer, jit_compile=jit_compile)
    model.make_train_function()
    batches = iter(tf.data.Dataset.from_tensors({"x": cases.observations(case)}).repeat())

    def step() -> float:
        return float(model.train_function(batches)["loss"])

    parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    return Contestant(step, parameters)
