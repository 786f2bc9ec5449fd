"""From sequences in raw units to padded, normalised batches."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from vrnn_tf.likelihoods import Likelihood
from vrnn_tf.normalization import Normalization


def prepare(
    sequences: Sequence[np.ndarray], normalization: Normalization, likelihood: Likelihood
) -> list[np.ndarray]:
    """Normalises sequences `[T_i, D]` and marks the end of those that a model learns to end.

    Raises:
        ValueError: if a sequence is not finite, is empty or is not `[T, D]`; names its number.
    """
    prepared = []
    for number, raw in enumerate(sequences):
        if raw.ndim != 2 or raw.shape[-1] != likelihood.event_size or not len(raw):
            raise ValueError(
                f"Sequence {number} must be [T, {likelihood.event_size}] "
                f"({likelihood.description}) with T >= 1. Received shape {raw.shape}."
            )
        if not np.isfinite(raw).all():
            raise ValueError(f"Sequence {number} holds NaN or infinity. Clean it or leave it out.")
        x = normalization.apply(raw)
        if likelihood.name == "bivariate_gmm" and likelihood.can_end:
            x[-1, 2] = 2.0
        prepared.append(x)
    return prepared


@dataclasses.dataclass(frozen=True, eq=False)
class Batches:
    """Batches of similar lengths in an order that is a pure function of the seed and the epoch.

    Sequences are padded to one of a few lengths (quantiles of the lengths), so that a graph is
    traced for few shapes and little of a batch is padding.

    Args:
        sequences: prepared arrays `[T_i, D]`.
        batch_size: B.
        num_buckets: at most this many lengths.
        seed: of the order; None keeps the order of lengths (validation).
    """

    sequences: list[np.ndarray]
    batch_size: int
    num_buckets: int
    seed: int | None = None

    def __len__(self) -> int:
        return sum(math.ceil(len(rows) / self.batch_size) for rows in self._buckets().values())

    def _buckets(self) -> dict[int, np.ndarray]:
        """`{padded length: row numbers}`, every row once."""
        lengths = np.array([len(x) for x in self.sequences])
        quantiles = np.linspace(0.0, 1.0, self.num_buckets + 1)[1:]
        limits = np.unique(np.quantile(lengths, quantiles, method="higher"))
        bucket = np.searchsorted(limits, lengths)
        return {int(limit): np.flatnonzero(bucket == i) for i, limit in enumerate(limits)}

    def padding(self) -> float:
        """The share of an epoch's steps that is padding."""
        steps = sum(limit * len(rows) for limit, rows in self._buckets().items())
        return 1.0 - sum(map(len, self.sequences)) / steps

    def epoch(self, epoch: int) -> Iterator[dict[str, np.ndarray]]:
        """The batches of an epoch, `{"x": [B, T, D] float32, "mask": [B, T] float32}`."""
        plan = []
        random = None if self.seed is None else np.random.default_rng([self.seed, epoch])
        for limit, rows in self._buckets().items():
            rows = rows if random is None else random.permutation(rows)
            starts = range(0, len(rows), self.batch_size)
            plan += [(limit, rows[start : start + self.batch_size]) for start in starts]
        order = range(len(plan)) if random is None else random.permutation(len(plan))
        for number in order:
            yield self._pad(*plan[number])

    def _pad(self, limit: int, rows: np.ndarray) -> dict[str, np.ndarray]:
        x = np.zeros((len(rows), limit, self.sequences[0].shape[-1]), np.float32)
        mask = np.zeros((len(rows), limit), np.float32)
        for i, row in enumerate(rows):
            length = len(self.sequences[row])
            x[i, :length] = self.sequences[row]
            mask[i, :length] = 1.0
        return {"x": x, "mask": mask}

    def dataset(self, first_epoch: int = 0, repeat: bool = False) -> tf.data.Dataset:
        """The batches as a tf.data set: those of one epoch, or of all epochs from `first_epoch`."""

        def generate() -> Iterator[dict[str, np.ndarray]]:
            epoch = first_epoch
            while True:
                yield from self.epoch(epoch)
                epoch += 1
                if not repeat:
                    return

        event_size = self.sequences[0].shape[-1]
        signature = {
            "x": tf.TensorSpec((None, None, event_size), tf.float32),
            "mask": tf.TensorSpec((None, None), tf.float32),
        }
        batches = tf.data.Dataset.from_generator(generate, output_signature=signature)
        count = tf.data.INFINITE_CARDINALITY if repeat else len(self)
        return batches.apply(tf.data.experimental.assert_cardinality(count)).prefetch(4)
