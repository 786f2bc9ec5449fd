"""The parent of data sets of recordings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from vrnn_tf import media
from vrnn_tf.media import MAX_RATE
from vrnn_tf.validation import check_integer, check_number

from ..formats.sound import FULL_SCALE, MIN_RATE, SUFFIXES, read_samples
from ..sources.folders import files_with
from .builder import Builder
from .carving import carve, check_fraction
from .options import loading
from .reading import Item


@dataclasses.dataclass(frozen=True)
class Options:
    """Choices that all sets of recordings have.

    Args:
        sampling_rate: samples a second. Recordings with another rate are converted.
        frame_size: samples a step. Samples at the end that do not fill a step are left out.
        min_seconds: recordings that are shorter are skipped as malformed.
        max_seconds: longer recordings are cut into consecutive pieces of this length. The rest at
            the end is a piece too unless it is shorter than `min_seconds`. None: nothing is cut.
        trim_silence: decibels. Blocks of 20 ms at both ends are removed if they are by more than
            this below the loudest block of the recording. None: they are kept, as in the paper.

    Raises:
        ValueError: if a value is out of range.
    """

    sampling_rate: int = 16_000
    frame_size: int = loading(200)
    min_seconds: float = 0.0
    max_seconds: float | None = None
    trim_silence: float | None = None

    def __post_init__(self):
        if check_integer("sampling_rate", self.sampling_rate, MIN_RATE) > MAX_RATE:
            raise ValueError(
                f"`sampling_rate` must be at most {MAX_RATE}. Received {self.sampling_rate}."
            )
        check_integer("frame_size", self.frame_size, 1)
        check_number("min_seconds", self.min_seconds, 0.0)
        if self.max_seconds is not None:
            check_number("max_seconds", self.max_seconds, 0.0, strict=True)
            if self.max_seconds < self.min_seconds:
                raise ValueError(
                    f"`max_seconds` must be at least `min_seconds` = {self.min_seconds}. "
                    f"Received {self.max_seconds}."
                )
        if self.trim_silence is not None:
            check_number("trim_silence", self.trim_silence, 0.0, strict=True)


@dataclasses.dataclass(frozen=True)
class CarvedOptions(Options):
    """Choices of a set whose distributor defines no splits.

    Args:
        validation_fraction: which part of the recordings is set aside for validation.
        test_fraction: which part is set aside for test; 0 for no test split.

    Raises:
        ValueError: if a value is out of range.
    """

    validation_fraction: float = 0.05
    test_fraction: float = 0.05

    def __post_init__(self):
        super().__post_init__()
        check_fraction("validation_fraction", self.validation_fraction)
        check_number("test_fraction", self.test_fraction, 0.0)
        if self.validation_fraction + self.test_fraction >= 1.0:
            raise ValueError(
                "`validation_fraction` and `test_fraction` must leave something to train on. "
                f"Received {self.validation_fraction} and {self.test_fraction}."
            )


class AudioBuilder(Builder, skip_registration=True):
    """A data set of recordings. `Item.details` is `(text, speaker)`, each "" if it is not known.

    Records hold x int16 `[n]` at `sampling_rate`, the text that is said and the speaker. The text
    of a recording that was cut is "". A recording that is shorter than one frame is a record
    without a training sequence.

    Example:

    >>> AudioBuilder.Options().frame_size  # samples a step
    200
    """

    KIND = "audio"
    SUFFIXES: ClassVar[tuple[str, ...]] = SUFFIXES
    Options = Options

    def features(self) -> dict[str, Any]:
        return {
            "x": tfds.features.Tensor(shape=(None,), dtype=np.int16, encoding="zlib"),
            "text": tfds.features.Text(),
            "speaker": tfds.features.Text(),
        }

    def read(self, item: Item) -> Iterator[tuple[str, dict[str, Any]]]:
        text, speaker = item.details
        options = self.options
        samples = read_samples(item.path, options.sampling_rate)
        if options.trim_silence is not None:
            samples = trim(samples, options.sampling_rate, options.trim_silence)
        pieces = cut(samples, options.sampling_rate, options.min_seconds, options.max_seconds)
        whole = len(pieces[0]) == len(samples)
        for number, x in enumerate(pieces):
            record = {"x": x, "text": text if whole else "", "speaker": speaker}
            yield "" if whole else f"{number:05d}", record

    def sequences(self, record: Mapping[str, Any]) -> list[np.ndarray]:
        """One sequence of frames, float32 `[T, frame_size]` in [-1, 1]; none if T is 0."""
        size = self.options.frame_size
        steps = len(record["x"]) // size
        frames = record["x"][: steps * size].reshape(steps, size)
        return [frames.astype(np.float32) / FULL_SCALE] if steps else []

    def medium(self) -> media.Audio:
        return media.Audio(self.options.sampling_rate, self.options.frame_size)

    def recordings(self, folder: Path) -> dict[str, Path]:
        """Finds the sound files: `{path below the folder, parts joined by /: file}`, sorted.

        If the folder has no sound file, its archives are unpacked and searched.

        Raises:
            ValueError: if the archives have none either.
        """
        folder = self.unpack(folder, suffixes=SUFFIXES)
        paths = files_with(folder, SUFFIXES)
        return {path.relative_to(folder).as_posix(): path for path in paths}

    def carved(self, groups: Mapping[str, list[Item]]) -> dict[str, list[Item]]:
        """Carves whole groups by the fractions of `CarvedOptions`.

        Args:
            groups: the recordings of each group.

        Returns:
            The recordings of each split that has any.

        Raises:
            ValueError: if there are fewer groups than splits.
        """
        options = self.options
        num_splits = 3 if options.test_fraction else 2
        if len(groups) < num_splits:
            raise ValueError(
                f"{num_splits} splits need as many groups (files, folders or speakers) of "
                f"recordings. Received {sorted(groups)}. Add recordings, or group or split them "
                "otherwise."
            )
        sizes = {group: len(items) for group, items in groups.items()}
        test = carve(sizes, options.test_fraction) if options.test_fraction else set()
        rest = {group: size for group, size in sizes.items() if group not in test}
        validation = carve(rest, options.validation_fraction / (1.0 - options.test_fraction))
        chosen = {"train": rest.keys() - validation, "validation": validation, "test": test}
        return {
            split: [item for group in groups if group in names for item in groups[group]]
            for split, names in chosen.items()
            if names
        }


def trim(samples: np.ndarray, sampling_rate: int, threshold: float) -> np.ndarray:
    """Removes quiet blocks of 20 ms at both ends.

    Args:
        samples: int16 `[n]`, not all zero.
        sampling_rate: samples a second.
        threshold: decibels. A block is quiet if its mean power is by more than this below that of
            the loudest block.

    Returns:
        A slice of `samples` with at least one block.
    """
    size = round(0.02 * sampling_rate)
    starts = np.arange(0, len(samples), size)
    lengths = np.diff(np.append(starts, len(samples)))
    power = np.add.reduceat(np.square(samples, dtype=np.float32), starts) / lengths
    loud = np.flatnonzero(power >= power.max() * 10.0 ** (-threshold / 10.0))
    return samples[loud[0] * size : (loud[-1] + 1) * size]


def cut(
    samples: np.ndarray, sampling_rate: int, min_seconds: float, max_seconds: float | None
) -> list[np.ndarray]:
    """Cuts samples `[n]` into consecutive pieces of `max_seconds`.

    The last piece may be shorter. It is left out if it is shorter than `min_seconds`.

    Raises:
        ValueError: if all samples together are shorter than `min_seconds`.
    """
    shortest = round(min_seconds * sampling_rate)
    if len(samples) < shortest:
        seconds = len(samples) / sampling_rate
        raise ValueError(f"{seconds:.3g} s long, shorter than min_seconds = {min_seconds}")
    size = len(samples) if max_seconds is None else max(1, round(max_seconds * sampling_rate))
    pieces = [samples[start : start + size] for start in range(0, len(samples), size)]
    return [piece for piece in pieces if len(piece) >= shortest]
