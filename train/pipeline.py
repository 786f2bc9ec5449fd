"""Turns sequences in raw units into padded, normalised batches.

`Batches` holds whole sequences, sorted into a few lengths. `Chunks` cuts long sequences into pieces
for truncated back-propagation through time. The order of both is a pure function of the seed and
the epoch, so that a run can go on anywhere.
"""

from __future__ import annotations

import dataclasses
import functools
import heapq
import math
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from vrnn_tf.likelihoods import Likelihood
from vrnn_tf.normalization import Normalization
from vrnn_tf.validation import check_integer

from . import store

_CANDIDATES = 1_000  # at most so many different lengths are considered as lengths to pad to


def prepare(
    sequences: Sequence[np.ndarray], normalization: Normalization, likelihood: Likelihood
) -> Sequence[np.ndarray]:
    """Normalises sequences `[T_i, D]`, and marks their ends if the model learns them.

    Sequences of a `store.Store` are read and prepared when they are needed.

    Raises:
        ValueError: if a sequence is not finite, is empty or is not `[T, D]`; names its number.
    """

    def one(number: int, raw: np.ndarray) -> np.ndarray:
        if raw.ndim != 2 or raw.shape[-1] != likelihood.event_size or not len(raw):
            raise ValueError(
                f"Sequence {number} must be [T, {likelihood.event_size}] "
                f"({likelihood.description}) with T >= 1. Received shape {raw.shape}."
            )
        if not np.isfinite(raw).all():
            raise ValueError(f"Sequence {number} holds NaN or infinity. Clean it or leave it out.")
        return likelihood.mark_end(normalization.apply(raw))

    if isinstance(sequences, store.Sequences):
        return store.Mapped(sequences, one)
    return [one(number, raw) for number, raw in enumerate(sequences)]


@dataclasses.dataclass(frozen=True, eq=False)
class _Epochs:
    """The common part of `Batches` and `Chunks`.

    Args:
        sequences: prepared arrays `[T_i, D]`.
        batch_size: B, the rows of all workers together.
        seed: seed of the order; None keeps an order that never changes (validation).
        worker: number of the worker that reads these batches. Every row of a batch is in exactly
            one worker's share. All shares have the same shape, and all workers have as many.
        num_workers: number of workers that share the rows of each batch.

    Raises:
        ValueError: if there is no sequence or a number is out of range.
    """

    sequences: Sequence[np.ndarray]
    batch_size: int
    seed: int | None = None
    worker: int = 0
    num_workers: int = 1

    def __post_init__(self):
        if not len(self.sequences):
            raise ValueError("Batches need at least one sequence. Received none.")
        check_integer("batch_size", self.batch_size, 1)
        check_integer("num_workers", self.num_workers, 1)
        if check_integer("worker", self.worker, 0) >= self.num_workers:
            raise ValueError(
                f"`worker` must be below num_workers={self.num_workers}. Received {self.worker}."
            )

    def __len__(self) -> int:
        """The number of batches in every epoch."""
        raise NotImplementedError

    def epoch(self, epoch: int, first_batch: int = 0) -> Iterator[dict[str, np.ndarray]]:
        """Yields the batches of an epoch from `first_batch` on, without making earlier ones."""
        raise NotImplementedError

    def padded_steps(self) -> int:
        """The number of steps in all batches of an epoch, padding included."""
        raise NotImplementedError

    def padding(self) -> float:
        """The share of an epoch's steps that is padding."""
        return 1.0 - int(self._lengths.sum()) / self.padded_steps()

    def dataset(
        self, first_epoch: int = 0, repeat: bool = False, first_batch: int = 0
    ) -> tf.data.Dataset:
        """The batches as a `tf.data.Dataset`, prepared ahead of the training step.

        Args:
            first_epoch: the epoch to start with.
            repeat: whether all later epochs follow, without end.
            first_batch: the batch of the first epoch to start with.
        """

        def generate() -> Iterator[dict[str, np.ndarray]]:
            yield from self.epoch(first_epoch, first_batch)
            epoch = first_epoch
            while repeat:
                epoch += 1
                yield from self.epoch(epoch)

        batches = tf.data.Dataset.from_generator(generate, output_signature=self._signature())
        count = tf.data.INFINITE_CARDINALITY if repeat else len(self) - first_batch
        return batches.apply(tf.data.experimental.assert_cardinality(count)).prefetch(4)

    def _signature(self) -> dict[str, tf.TensorSpec]:
        return {
            "x": tf.TensorSpec((None, None, self.event_size), tf.float32),
            "mask": tf.TensorSpec((None, None), tf.float32),
        }

    @functools.cached_property
    def _lengths(self) -> np.ndarray:
        return store.lengths(self.sequences)

    @functools.cached_property
    def event_size(self) -> int:
        """D."""
        return self.sequences[0].shape[-1]

    def _random(self, epoch: int) -> np.random.Generator | None:
        return None if self.seed is None else np.random.default_rng([self.seed, epoch])

    def _pad(self, pieces: Sequence[np.ndarray], steps: int) -> dict[str, np.ndarray]:
        x = np.zeros((len(pieces), steps, self.event_size), np.float32)
        mask = np.zeros((len(pieces), steps), np.float32)
        for i, piece in enumerate(pieces):
            x[i, : len(piece)] = piece
            mask[i, : len(piece)] = 1.0
        return {"x": x, "mask": mask}


@dataclasses.dataclass(frozen=True, eq=False)
class Batches(_Epochs):
    """Batches of whole sequences of similar lengths.

    Each sequence is padded to one of at most `num_buckets` lengths. These are chosen such that an
    epoch holds as little padding as possible. A batch is `{"x": [B, T, D], "mask": [B, T]}`, both
    float32.

    Args:
        num_buckets: largest number of lengths.

    Raises:
        ValueError: as for all batches, and if `num_buckets` is below 1.
    """

    num_buckets: int = 10

    def __post_init__(self):
        super().__post_init__()
        check_integer("num_buckets", self.num_buckets, 1)

    @functools.cached_property
    def _buckets(self) -> dict[int, np.ndarray]:
        """`{padded length: numbers of sequences}`, every sequence once."""
        limits = bucket_limits(self._lengths, self.num_buckets)
        bucket = np.searchsorted(limits, self._lengths)
        return {int(limit): np.flatnonzero(bucket == i) for i, limit in enumerate(limits)}

    def __len__(self) -> int:
        return sum(math.ceil(len(numbers) / self.batch_size) for numbers in self._buckets.values())

    def padded_steps(self) -> int:
        return sum(limit * len(numbers) for limit, numbers in self._buckets.items())

    def shapes(self) -> set[tuple[int, int]]:
        """The shapes (B, T) that x has in an epoch."""
        return {
            (int(min(self.batch_size, len(numbers) - start)), limit)
            for limit, numbers in self._buckets.items()
            for start in range(0, len(numbers), self.batch_size)
        }

    def epoch(self, epoch: int, first_batch: int = 0) -> Iterator[dict[str, np.ndarray]]:
        batches = []
        random = self._random(epoch)
        for limit, numbers in self._buckets.items():
            numbers = numbers if random is None else random.permutation(numbers)
            starts = range(0, len(numbers), self.batch_size)
            batches += [(limit, numbers[start : start + self.batch_size]) for start in starts]
        order = np.arange(len(batches)) if random is None else random.permutation(len(batches))
        for batch in order[first_batch:]:
            limit, numbers = batches[batch]
            share = [self.sequences[n] for n in numbers[self.worker :: self.num_workers]]
            missing = math.ceil(len(numbers) / self.num_workers) - len(share)
            nothing = np.zeros((0, self.event_size), np.float32)
            yield self._pad(share + [nothing] * missing, limit)


@dataclasses.dataclass(frozen=True, eq=False)
class Chunks(_Epochs):
    """Pieces of long sequences for truncated back-propagation through time.

    Each of the B rows is a lane. A sequence goes through its lane chunk by chunk, in successive
    batches, and then the next sequence does. A batch is `{"x": [B, chunk_steps, D], "mask": [B,
    chunk_steps], "reset": [B]}`, all float32. `reset` is 1 where a row holds the first chunk of a
    sequence; a model with `stateful_batch_size` carries its states on where it is 0. Sequences stay
    in their lanes, which are of nearly equal length. Their order in a lane changes with the epoch.

    Args:
        chunk_steps: T, the steps of a chunk.

    Raises:
        ValueError: as for all batches, if `chunk_steps` is below 1 or the lanes cannot be divided
            among the workers.
    """

    chunk_steps: int = 40

    def __post_init__(self):
        super().__post_init__()
        check_integer("chunk_steps", self.chunk_steps, 1)
        if self.batch_size % self.num_workers:
            raise ValueError(
                f"`batch_size` must be a multiple of num_workers={self.num_workers}, because a "
                f"row of a batch stays with its worker. Received {self.batch_size}."
            )

    @functools.cached_property
    def _lanes(self) -> list[list[int]]:
        """The numbers of each lane's sequences: the longest first, each to the emptiest lane."""
        lanes: list[list[int]] = [[] for _ in range(self.batch_size)]
        loads = [(0, lane) for lane in range(self.batch_size)]
        for number in sorted(range(len(self.sequences)), key=lambda n: -self._num_chunks(n)):
            load, lane = loads[0]
            lanes[lane].append(number)
            heapq.heapreplace(loads, (load + self._num_chunks(number), lane))
        return lanes

    def _num_chunks(self, number: int) -> int:
        return math.ceil(int(self._lengths[number]) / self.chunk_steps)

    def __len__(self) -> int:
        return max(sum(map(self._num_chunks, lane)) for lane in self._lanes)

    def padded_steps(self) -> int:
        return len(self) * self.batch_size * self.chunk_steps

    def epoch(self, epoch: int, first_batch: int = 0) -> Iterator[dict[str, np.ndarray]]:
        random = self._random(epoch)
        lanes = []
        for lane in self._lanes:
            numbers = lane if random is None else random.permutation(np.array(lane, int)).tolist()
            lanes.append(
                [
                    (number, start)
                    for number in numbers
                    for start in range(0, int(self._lengths[number]), self.chunk_steps)
                ]
            )
        share = lanes[self.worker :: self.num_workers]
        for batch in range(first_batch, len(self)):
            pieces = [self._piece(lane, batch) for lane in share]
            padded = self._pad([piece for piece, _ in pieces], self.chunk_steps)
            yield {**padded, "reset": np.array([reset for _, reset in pieces], np.float32)}

    def _piece(self, lane: list[tuple[int, int]], batch: int) -> tuple[np.ndarray, bool]:
        """The steps of a lane in a batch, and whether they start a sequence."""
        if batch >= len(lane):
            return np.zeros((0, self.event_size), np.float32), True
        number, start = lane[batch]
        return self.sequences[number][start : start + self.chunk_steps], start == 0

    def _signature(self) -> dict[str, tf.TensorSpec]:
        rows = self.batch_size // self.num_workers
        return {
            "x": tf.TensorSpec((rows, self.chunk_steps, self.event_size), tf.float32),
            "mask": tf.TensorSpec((rows, self.chunk_steps), tf.float32),
            "reset": tf.TensorSpec((rows,), tf.float32),
        }


def bucket_limits(lengths: np.ndarray, num_buckets: int) -> np.ndarray:
    """Finds the lengths to pad to that waste the fewest steps, by dynamic programming.

    Sorted sequences fall into `num_buckets` groups, each padded to its longest. Let C(j) be the
    number of sequences of length at most u_j. In k buckets, the first j lengths take

        S_k(j) = min over i < j of S_{k-1}(i) + u_j (C(j) - C(i)) steps.

    Args:
        lengths: `[N]` integers >= 1.
        num_buckets: K >= 1.

    Returns:
        At most K ascending lengths, the last one the largest of `lengths`.
    """
    unique, counts = np.unique(lengths, return_counts=True)
    if len(unique) > _CANDIDATES:  # nearby lengths share the longest of them as a candidate
        kept = np.linspace(0, len(unique) - 1, _CANDIDATES).round().astype(int)
        counts = np.diff(np.cumsum(counts)[kept], prepend=0)
        unique = unique[kept]
    below = np.concatenate([[0], np.cumsum(counts)])
    steps = np.concatenate([[0.0], np.full(len(unique), np.inf)])
    choices = []
    for _ in range(min(num_buckets, len(unique))):
        # [i, j]: the last bucket holds the lengths i .. j - 1.
        cost = steps[:, None] + np.concatenate([[0], unique]) * (below - below[:, None])
        cost[np.tril_indices(len(cost))] = np.inf
        choices.append(cost.argmin(axis=0))
        steps = cost.min(axis=0)
    limits, j = [], len(unique)
    for choice in reversed(choices):
        limits.append(unique[j - 1])
        j = choice[j]
    return np.array(limits[::-1])
