"""The replicas that train a run: tf.distribute behind one object.

`Cluster` stands for one process ("none"), the devices of one machine ("mirrored") or the processes
that TF_CONFIG lists ("multiworker"). The model's part is in `vrnn_tf.replicas`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from vrnn_tf.validation import check_choice

from .pipeline import Batches, Chunks

STRATEGIES = ("none", "mirrored", "multiworker")
_TF_CONFIG = {
    "cluster": {"worker": ["host0:2222", "host1:2222"]},
    "task": {"type": "worker", "index": 0},
}
# A collective operation raises one of these when another worker is gone.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


class WorkerLostError(ConnectionError):
    """Another worker of the run is gone, or cannot be reached; the message says what to do."""


class Cluster:
    """The replicas of a run.

    Args:
        name: one of `STRATEGIES`. Make the cluster before TensorFlow's first operation.

    Attributes:
        num_replicas: number of replicas that share a batch.
        is_chief: whether this process writes files and prints. Only one process does.

    Raises:
        ValueError: if the name is unknown, or "multiworker" finds no TF_CONFIG that can be used.
    """

    def __init__(self, name: str = "none"):
        check_choice("strategy", name, STRATEGIES)
        self._several = name == "multiworker"
        self.is_chief = not self._several or _is_chief(os.environ.get("TF_CONFIG"))
        self.strategy = _strategy(name)
        self.num_replicas = 1 if self.strategy is None else self.strategy.num_replicas_in_sync

    def scope(self) -> contextlib.AbstractContextManager:
        """The scope in which a model and its optimizer are made."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    def dataset(
        self, batches: Batches | Chunks, **options: Any
    ) -> tf.data.Dataset | tf.distribute.DistributedDataset:
        """`batches.dataset(**options)` with the rows of each batch divided among the replicas."""
        if self.strategy is None:
            return batches.dataset(**options)

        def shares(context: tf.distribute.InputContext) -> tf.data.Dataset:
            """The batches of this process's replicas, which take them in turns."""
            number = self.num_replicas // context.num_input_pipelines
            first = context.input_pipeline_id * number
            parts = [
                dataclasses.replace(batches, worker=replica, num_workers=self.num_replicas)
                for replica in range(first, first + number)
            ]
            turns = tf.data.Dataset.range(number).repeat()
            return tf.data.Dataset.choose_from_datasets(
                [part.dataset(**options) for part in parts], turns
            )

        return self.strategy.distribute_datasets_from_function(shares)

    @contextlib.contextmanager
    def chief_first(self) -> Iterator[None]:
        """A block that the other workers enter after the chief has left it."""
        if not self.is_chief:
            self._gather([0])
        yield
        if self.is_chief:
            self._gather([0])

    def check_agreement(self, facts: Mapping[str, Any]) -> None:
        """Compares facts that all workers must share.

        Raises:
            ValueError: on all workers if facts differ; names them.
        """
        digests = self._gather([zlib.crc32(repr(v).encode()) % 2**31 for v in facts.values()])
        different = [name for i, name in enumerate(facts) if len(np.unique(digests[:, i])) > 1]
        if different:
            here = ", ".join(f"{name} {facts[name]}" for name in different)
            raise ValueError(
                f"The workers do not agree. This one has {here}. Start all of them with the same "
                "command, data and versions, and with an --out on a file system that they share."
            )

    @contextlib.contextmanager
    def losses_named(self) -> Iterator[None]:
        """Raises `WorkerLostError` instead of TensorFlow's error if a worker is lost meanwhile."""
        try:
            yield
        except _LOST as error:
            if not self._several:
                raise
            raise WorkerLostError(
                f"Another worker is gone or cannot be reached ({type(error).__name__}). Start all "
                "workers again with --resume: they go on from the newest checkpoint."
            ) from error

    def _gather(self, values: Sequence[int]) -> np.ndarray:
        """The values `[replicas, n]` of all workers."""
        strategy = self.strategy
        if strategy is None or not self._several:
            return np.array([values])

        @tf.function(autograph=False)
        def gather() -> tf.Tensor:
            rows = strategy.run(lambda: tf.constant([values], tf.int32))
            return strategy.gather(rows, axis=0)

        return gather().numpy()


@functools.cache  # a second strategy would number its collective operations like the first
def _strategy(name: str) -> tf.distribute.Strategy | None:
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.MultiWorkerMirroredStrategy() if name == "multiworker" else None


def _is_chief(text: str | None) -> bool:
    """Whether TF_CONFIG makes this process the chief: the task "chief", or else worker 0."""
    try:
        content = json.loads(text or "")
        addresses = {k: [str(a) for a in v] for k, v in content["cluster"].items()}
        kind, index = content["task"]["type"], int(content["task"]["index"])
        addresses[kind][index]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        raise ValueError(
            "The strategy multiworker needs the environment variable TF_CONFIG, with the addresses "
            "of all workers and this one's place among them, for example "
            f"'{json.dumps(_TF_CONFIG)}'. Received {text!r}."
        ) from None
    return kind == "chief" or (kind == "worker" and index == 0 and "chief" not in addresses)
