"""Contestants of generation. A step draws whole sequences, from seeds to an array on the host.

Every sequence has all its steps, since these models do not say where a sequence ends. A TFLite file
draws one sequence at a time, so it runs 64 times for a batch of 64.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import cases
from benchmarks.worker import Contestant


def _handwriting(units: int, batch: int) -> dict[str, Any]:
    # The longest lines of handwriting have about so many steps.
    return {**cases.TRAINING[f"handwriting{units}"], "batch": batch, "steps": 600}


CASES = {
    f"H {units}, B {batch}": _handwriting(units, batch)
    for units in (400, 1200)
    for batch in (1, 64)
}
CASES["tiny"] = cases.TINY
REFERENCE = "PyTorch"  # the others are compared with it
CONTESTANTS = {
    "Keras": "generation:keras_loop",
    "SavedModel": "generation:saved_model",
    "TFLite, one by one": "generation:tflite",
    "TFLite int8, one by one": "generation:tflite_int8",
    "PyTorch": "pytorch_generation:users",
    "PyTorch compiled": "pytorch_generation:compiled",
    "Keras, eager": "generation:keras_eager",
}


def keras_loop(case: dict[str, Any]) -> Contestant:
    """Calls `VRNN.generate`, a loop in a graph."""
    from vrnn_tf import VRNN

    model, seeds = VRNN(**case["model"]), itertools.count()

    def step() -> np.ndarray:
        return np.stack(model.generate(case["batch"], case["steps"], seed=next(seeds)))

    parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    return Contestant(step, parameters)


def keras_eager(case: dict[str, Any]) -> Contestant:
    """Calls one `generation.step` after the other from Python, without a graph."""
    import tensorflow as tf

    from vrnn_tf import VRNN
    from vrnn_tf.model import generation as loop

    model, calls, batch = VRNN(**case["model"]), itertools.count(), case["batch"]
    defaults = loop.option_defaults(model.likelihood, model.latent_size)
    options = {name: tf.fill([batch], value) for name, value in defaults.items()}

    def step() -> np.ndarray:
        states, xs = model.cell.get_initial_state(batch), []
        seeds = tf.range(batch) + next(calls)
        for t in range(case["steps"]):
            x, states = loop.step(model, states, seeds, tf.fill([batch], t), options)
            xs.append(x.numpy())
        return np.stack(xs, axis=1)

    parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    return Contestant(step, parameters)


def saved_model(case: dict[str, Any]) -> Contestant:
    """Runs the signature `generate` of the exported SavedModel."""
    import tensorflow as tf

    from vrnn_tf.export.exporter import VERSION

    with tempfile.TemporaryDirectory() as folder:
        described = _export(case, Path(folder) / "exported", None)
        loaded = tf.saved_model.load(str(Path(folder) / "exported" / "saved_model" / VERSION))
    batch, calls = case["batch"], itertools.count()
    options = {
        name: tf.fill([batch], float(option["default"]))
        for name, option in described["options"].items()
    }

    def step() -> np.ndarray:
        seeds, steps = tf.range(batch) + next(calls), tf.fill([batch], case["steps"])
        return loaded.signatures["generate"](seed=seeds, steps=steps, **options)["x"].numpy()

    return Contestant(step, described["parameter_bytes"] // 4)


def tflite(case: dict[str, Any]) -> Contestant:
    """Runs the exported .tflite file with float32 weights."""
    return _tflite(case, "none")


def tflite_int8(case: dict[str, Any]) -> Contestant:
    """Runs the exported .tflite file with int8 weights."""
    return _tflite(case, "int8")


def _tflite(case: dict[str, Any], quantization: str) -> Contestant:
    from vrnn_tf.export import LiteModel

    threads = os.cpu_count()  # the other contestants use as many
    with tempfile.TemporaryDirectory() as folder:
        described = _export(case, Path(folder) / "exported", quantization)
        (file,) = (Path(folder) / "exported").glob("*.tflite")
        model = LiteModel(file, num_threads=threads)
    seeds = itertools.count()

    def step() -> np.ndarray:
        return np.stack(model.generate(case["batch"], case["steps"], seed=next(seeds)))

    return Contestant(step, described["parameter_bytes"] // 4, {"threads": threads})


def _export(case: dict[str, Any], folder: Path, quantization: str | None) -> dict[str, Any]:
    """Exports the case's model and returns the content of metadata.json.

    Another process exports, so that the one that runs a .tflite file does not load TensorFlow.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as executor:
        executor.submit(_write, case, folder, quantization).result()
    return json.loads((folder / "metadata.json").read_text())


def _write(case: dict[str, Any], folder: Path, quantization: str | None) -> None:
    from vrnn_tf import VRNN
    from vrnn_tf.export import export

    export(
        VRNN(**case["model"]),
        folder,
        max_steps=case["steps"],
        normalization={"name": "none", "mean": [0.0] * 3, "std": [1.0] * 3},
        units="pixels",
        quantize=() if quantization is None else (quantization,),
    )
