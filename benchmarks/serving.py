"""Contestants of serving. A step answers as many requests as a case has sequences.

Each request asks `generate` for one sequence of a quarter, half, three quarters or all of the
case's steps. The server is `tests/prediction_service.py`, which has TF Serving's interface and
TensorFlow's batching kernel. Server and clients share a process and its cores, so a server alone on
its machine is faster.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import cases
from benchmarks.worker import Contestant

TESTS = Path(__file__).parents[1] / "tests"
NAME = "model"


def _handwriting(units: int) -> dict[str, Any]:
    return {**cases.TRAINING[f"handwriting{units}"], "batch": 64, "steps": 200}


CASES = {f"H {units}, 64 requests": _handwriting(units) for units in (400, 1200)}
CASES["tiny"] = cases.TINY
REFERENCE = "one by one"  # the others are compared with it
CONTESTANTS = {
    "one by one": "serving:one_by_one",
    "one by one, batching": "serving:one_by_one_batching",
    "all at once": "serving:all_at_once",
    "all at once, batching": "serving:all_at_once_batching",
    "all at once, batching, REST": "serving:all_at_once_rest",
}


def one_by_one(case: dict[str, Any]) -> Contestant:
    """One client waits for each answer, and every request runs alone."""
    return _contestant(case, clients=1, batching=False)


def one_by_one_batching(case: dict[str, Any]) -> Contestant:
    """One client waits for each answer of a batching server. This shows what batching costs."""
    return _contestant(case, clients=1, batching=True)


def all_at_once(case: dict[str, Any]) -> Contestant:
    """There are as many clients as requests, and every request runs alone."""
    return _contestant(case, clients=case["batch"], batching=False)


def all_at_once_batching(case: dict[str, Any]) -> Contestant:
    """There are as many clients as requests, and the requests share batches."""
    return _contestant(case, clients=case["batch"], batching=True)


def all_at_once_rest(case: dict[str, Any]) -> Contestant:
    """There are as many clients as requests, which share batches, over REST."""
    return _contestant(case, clients=case["batch"], batching=True, form="rest rows")


def requests(case: dict[str, Any], options: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Yields the inputs of `generate` for each step, with new seeds every time.

    Args:
        case: an entry of `CASES`.
        options: the options in the export's metadata.json.
    """
    defaults = {name: np.array([option["default"]], "float32") for name, option in options.items()}
    seeds = itertools.count()
    while True:
        yield [
            {
                "seed": np.array([next(seeds)], "int32"),
                "steps": np.array([max(1, case["steps"] * (1 + i % 4) // 4)], "int32"),
                **defaults,
            }
            for i in range(case["batch"])
        ]


def _contestant(
    case: dict[str, Any], clients: int, batching: bool, form: str = "grpc"
) -> Contestant:
    if str(TESTS) not in sys.path:
        sys.path.append(str(TESTS))
    import prediction_service
    from vrnn_tf import VRNN
    from vrnn_tf.export import export, metadata

    with tempfile.TemporaryDirectory() as folder:
        exported = export(
            VRNN(**case["model"]),
            Path(folder) / "exported",
            max_steps=case["steps"],
            normalization={"name": "none", "mean": [0.0] * 3, "std": [1.0] * 3},
            units="pixels",
            quantize=(),
            serving=NAME,
        )
        described = metadata.read(exported / metadata.FILE_NAME)
        server = prediction_service.Server(exported / "serving", batching).__enter__()
    client = prediction_service.Client(NAME, server.grpc_port, server.rest_port)
    executor, batches = ThreadPoolExecutor(clients), requests(case, described["options"])
    sizes = server.servables[NAME].batch_sizes

    def ask(inputs: dict[str, Any]) -> dict[str, np.ndarray]:
        return client.predict("generate", inputs, form)

    def step() -> list[dict[str, np.ndarray]]:
        server.servables[NAME].batch_sizes.clear()  # the closure also keeps the server alive
        return list(executor.map(ask, next(batches)))

    return Contestant(step, described["parameter_bytes"] // 4, {"batch_sizes": sizes})
