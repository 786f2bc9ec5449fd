"""Sequences that do not fit in memory: each is read from disk when it is needed.

`collect` keeps sequences that fit in memory in a list. It writes larger data to a folder of
array_record shards once. A `Store` reads them in any order, so batches, chunks and resumed runs are
the same as from memory.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from vrnn_tf import files
from vrnn_tf.validation import check_integer

SHARD = 8_192  # sequences in a file
_PREFIX = ".unfinished-"
_READING = (OSError, RuntimeError, ValueError, IndexError, EOFError)  # raised by damaged files


class Sequences(Sequence[np.ndarray]):
    """Float32 sequences `[T_i, D]` whose lengths are known without reading them.

    Attributes:
        lengths: int `[N]`.
    """

    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.lengths)

    def _read(self, number: int) -> np.ndarray:
        raise NotImplementedError

    @overload
    def __getitem__(self, number: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, number: slice) -> list[np.ndarray]: ...

    def __getitem__(self, number):
        if isinstance(number, slice):
            return [self._read(i) for i in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(f"There are {len(self)} sequences. Received the number {number}.")
        return self._read(int(number) % len(self))


class Store(Sequences):
    """The sequences in a folder that `write` made.

    Raises:
        ValueError: if the folder is damaged.
    """

    def __init__(self, folder: Path):
        from array_record.python.array_record_module import ArrayRecordReader

        self.folder = folder
        content = files.read_json(folder / "store.json")
        try:
            self._event_size = check_integer("event_size", content.get("event_size"), 1)
            self.lengths = np.load(folder / "lengths.npy", allow_pickle=False)
            paths = [folder / _shard(i) for i in range(-(-len(self) // SHARD))]
            self._shards = [ArrayRecordReader(str(path)) for path in paths]
        except _READING as error:
            raise self._damaged(error) from None
        if content.get("sequences") != len(self):
            raise self._damaged("store.json and lengths.npy do not agree")

    def _read(self, number: int) -> np.ndarray:
        shard, record = divmod(number, SHARD)
        try:
            (content,) = self._shards[shard].read([record])
            x = np.frombuffer(content, np.float32).reshape(-1, self._event_size)
        except _READING as error:
            raise self._damaged(error) from None
        if len(x) != self.lengths[number]:
            raise self._damaged(f"sequence {number} has another length")
        return x.copy()

    def _damaged(self, reason) -> ValueError:
        return ValueError(f"{self.folder} is damaged: {reason}. Delete it; it is made again.")


class Mapped(Sequences):
    """Sequences with a function applied to each when it is read; it keeps the lengths."""

    def __init__(self, sequences: Sequences, function: Callable[[int, np.ndarray], np.ndarray]):
        self.lengths = sequences.lengths
        self._sequences, self._function = sequences, function

    def _read(self, number: int) -> np.ndarray:
        return self._function(number, self._sequences[number])


def lengths(sequences: Sequence[np.ndarray]) -> np.ndarray:
    """The lengths of sequences, int `[N]`."""
    if isinstance(sequences, Sequences):
        return sequences.lengths
    return np.array([len(x) for x in sequences], dtype=int)


def head(sequences: Sequence[np.ndarray], memory: float) -> Sequence[np.ndarray]:
    """The first sequences that take at most `memory` bytes together, at least one.

    A list is in memory already: it is returned as it is.
    """
    if not isinstance(sequences, Sequences):
        return sequences
    size = sequences[0].itemsize * sequences[0].shape[-1]  # bytes of a step
    number = np.searchsorted(np.cumsum(sequences.lengths) * size, memory)
    return sequences[: max(int(number), 1)]


def collect(
    sequences: Iterable[np.ndarray], memory: float, folder: Path
) -> list[np.ndarray] | Store:
    """A list of the sequences if they take at most `memory` bytes, else a `Store` in `folder`.

    Args:
        sequences: `[T_i, D]`; not read if the folder exists.
        memory: bytes.
        folder: where these sequences, and no others, are or will be stored.

    Raises:
        ValueError: if the folder is damaged.
        OSError: if the disk is full.
    """
    if folder.is_dir():
        return Store(folder)
    kept: list[np.ndarray] = []
    rest = iter(sequences)
    for x in rest:
        kept.append(x)
        memory -= x.nbytes
        if memory < 0:
            write(itertools.chain(_emptied(kept), rest), folder)
            return Store(folder)
    return kept


def write(sequences: Iterable[np.ndarray], folder: Path) -> None:
    """Writes sequences `[T_i, D]` to a folder, which appears as a whole or not at all."""
    from array_record.python.array_record_module import ArrayRecordWriter

    with files.atomic_folder(folder, _PREFIX) as unfinished:
        steps, size = [], 0
        with contextlib.ExitStack() as shard:
            for number, x in enumerate(sequences):
                if number % SHARD == 0:
                    shard.close()
                    path = unfinished / _shard(number // SHARD)
                    writer = ArrayRecordWriter(str(path), "group_size:1")  # read one at a time
                    shard.callback(writer.close)
                writer.write(np.ascontiguousarray(x, np.float32).tobytes())
                steps.append(len(x))
                size = x.shape[1]
        np.save(unfinished / "lengths.npy", np.array(steps, np.int64))
        files.write_json(unfinished / "store.json", {"sequences": len(steps), "event_size": size})


def _emptied(kept: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Yields the sequences of a list and removes each from it."""
    kept.reverse()
    while kept:
        yield kept.pop()


def _shard(number: int) -> str:
    return f"{number:05d}.array_record"
