"""Contestants of scaling: training by one process, and by two workers of `tf.distribute`.

Each worker runs on one core. Workers are processes on this machine that add up their gradients over
TCP, as several machines would with a network as fast as loopback. They listen on all interfaces, so
run them in a separate network as README.md describes. The second worker follows the first one: it
waits for it in every sum.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import socket
import subprocess
import sys
import threading
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks import cases
from benchmarks.worker import Contestant
from vrnn_tf import VRNN


def one_core(case: dict[str, Any]) -> Contestant:
    """Trains in one process on the first core."""
    _keep_to(0)
    return _contestant(case, None)


def two_cores(case: dict[str, Any]) -> Contestant:
    """Trains in one process on two cores, which share each matrix product."""
    _keep_to(0, 1)
    return _contestant(case, None)


def two_workers(case: dict[str, Any]) -> Contestant:
    """Trains on half of the batch on each core."""
    return _first_of_two(case)


def two_workers_twice(case: dict[str, Any]) -> Contestant:
    """Trains on a whole batch on each core."""
    return _first_of_two({**case, "batch": 2 * case["batch"]})


def _first_of_two(case: dict[str, Any]) -> Contestant:
    addresses = [f"127.0.0.1:{_free_port()}" for _ in range(2)]
    command = [sys.executable, "-m", "benchmarks.replicated", json.dumps(case), *addresses]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    peer = subprocess.Popen(command, stdin=subprocess.PIPE, **silent)
    contestant = _worker(0, case, addresses)
    step = contestant.step
    # The step holds the second worker, which ends when its standard input is closed.
    return dataclasses.replace(contestant, step=lambda: step() if peer.poll() is None else math.nan)


def _worker(index: int, case: dict[str, Any], addresses: list[str]) -> Contestant:
    _keep_to(index)
    task = {"type": "worker", "index": index}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
    return _contestant(case, tf.distribute.MultiWorkerMirroredStrategy())


def _contestant(case: dict[str, Any], strategy: tf.distribute.Strategy | None) -> Contestant:
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        model = VRNN(**case["model"])
        optimizer = keras.optimizers.Adam(cases.LEARNING_RATE, global_clipnorm=cases.CLIP_NORM)
        model.compile(optimizer)
        optimizer.build(model.trainable_variables)
    model.make_train_function()

    def share(context: tf.distribute.InputContext) -> tf.data.Dataset:
        x = cases.observations(case)[context.input_pipeline_id :: context.num_input_pipelines]
        return tf.data.Dataset.from_tensors({"x": x}).repeat()

    batches = iter(strategy.distribute_datasets_from_function(share))

    def step() -> float:
        return float(np.ravel(model.train_function(batches)["loss"])[0])

    parameters = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    return Contestant(step, parameters)


def _keep_to(*numbers: int) -> None:
    """Keeps this process to some of its cores."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[number % len(cores)] for number in numbers})


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _end_with_first() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_first, daemon=True).start()
    second = _worker(1, json.loads(sys.argv[1]), sys.argv[2:])
    while True:  # until the first is gone
        second.step()
