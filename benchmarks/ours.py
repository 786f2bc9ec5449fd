"""Contestants of training that use this package: the work of `fit` for a batch, no callbacks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks import cases
from benchmarks.worker import Contestant
from vrnn_tf import VRNN


def default(case: dict[str, Any]) -> Contestant:
    """Trains with default arguments."""
    return _contestant(VRNN(**case["model"]), case)


def plain(case: dict[str, Any]) -> Contestant:
    """Runs the cell step by step in `keras.layers.RNN`; TensorFlow differentiates the loop."""
    model = VRNN(**case["model"])
    model.recurrence.plain = True
    return _contestant(model, case)


def xla(case: dict[str, Any]) -> Contestant:
    """Compiles the step by XLA for this one shape."""
    return _contestant(VRNN(**case["model"]), case, jit_compile=True)


def bfloat16(case: dict[str, Any]) -> Contestant:
    """Rounds operands of matrix products, as `vrnn train --matmul-precision bfloat16` does."""
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
