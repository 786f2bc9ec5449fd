"""Free Spoken Digit Dataset: the ten digits, said in English by a few speakers."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import tensorflow_datasets as tfds

from .builders import audio
from .builders.reading import Item

_NAME = re.compile(r"(\d)_([^_]+)_(\d+)\.wav")
_SPLITS = {"test": range(5), "validation": range(5, 10)}  # indices; higher ones are for training


@dataclasses.dataclass(frozen=True)
class Options(audio.Options):
    """Choices of the spoken digits, which are recorded at 8 kHz."""

    sampling_rate: int = 8_000


class SpokenDigit(audio.AudioBuilder, skip_registration=True):
    """Spoken digits. The text of a recording is the digit.

    The first five recordings of each digit and speaker (0 to 4) are the distributor's test split.
    The next five (5 to 9) are for validation, the others (10 to 49) for training. All speakers are
    in every split. The address of the archive and its checksum come from the builder of the same
    name in tensorflow-datasets.
    """

    SUMMARY = "Free Spoken Digit Dataset: five (later six) speakers say each digit 50 times, 8 kHz"
    HOMEPAGE = "https://github.com/Jakobovski/free-spoken-digit-dataset"
    LICENSE = "CC BY-SA 4.0"
    CITATION = """@misc{jackson2016spoken,
  title={Free Spoken Digit Dataset}, author={Jackson, Zohar}, year={2016},
  url={https://github.com/Jakobovski/free-spoken-digit-dataset}}"""
    LAYOUT = """Without --data-dir the archive is downloaded. --data-dir can name a folder with the
archive, or with what it unpacks to:

    DIR/recordings/7_jackson_32.wav       digit_speaker_index

"""
    DOWNLOADS = {
        file.filename: (url, file.checksum)
        for url, file in tfds.builder_cls("spoken_digit").url_infos.items()
    }
    Options = Options

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        splits: dict[str, list[Item]] = {"train": [], **{split: [] for split in _SPLITS}}
        for path in {path.name: path for path in self.recordings(folder).values()}.values():
            name = _NAME.fullmatch(path.name)
            if name is None:
                self.skip(path, "", ValueError("not named digit_speaker_index.wav"))
                continue
            index = int(name[3])
            split = next((s for s, indices in _SPLITS.items() if index in indices), "train")
            splits[split].append(Item(path, path.stem, (name[1], name[2])))
        return {split: items for split, items in splits.items() if items}
