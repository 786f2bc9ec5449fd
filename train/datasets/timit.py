"""TIMIT: sentences of American English read by 630 speakers, as in arXiv:1506.02216."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vrnn_tf.validation import check_choice

from .builders import audio
from .builders.carving import carve, check_fraction
from .builders.reading import Item

_SENTENCE = re.compile(r"(?:^|/)(TRAIN|TEST)/DR[1-8]/([FM][A-Z]{3}\d)/(S[AIX]\d+)\.[^/]+$")
# fmt: off
_CORE = (
    "MDAB0", "MWBT0", "FELC0", "MTAS1", "MWEW0", "FPAS0", "MJMP0", "MLNT0", "FPKT0", "MLLL0",
    "MTLS0", "FJLM0", "MBPM0", "MKLT0", "FNLP0", "MCMJ0", "MJDH0", "FMGD0", "MGRT0", "MNJM0",
    "FDHC0", "MJLN0", "MPAM0", "FMLD0",
)
# fmt: on
_Speakers = dict[str, list[Item]]


@dataclasses.dataclass(frozen=True)
class Options(audio.Options):
    """Choices of TIMIT.

    Args:
        test_set: "complete" takes all 168 speakers of TEST, "core" the 24 of the core test set.
        sa_sentences: whether to keep SA1 and SA2, which every speaker reads. Without them the core
            test set has 192 sentences.
        validation_fraction: which part of the training sentences is set aside for validation.

    Raises:
        ValueError: if a value is out of range.
    """

    test_set: str = "complete"
    sa_sentences: bool = True
    validation_fraction: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        check_choice("test_set", self.test_set, ("complete", "core"))
        check_fraction("validation_fraction", self.validation_fraction)


class Timit(audio.AudioBuilder):
    """Sentences of TIMIT with their speakers and with their texts, from the .TXT files.

    TRAIN is for training, TEST for test. A hash of their names chooses speakers of TRAIN for
    validation, so that no two splits share a speaker. If `SA1.WAV` has a copy `SA1.WAV.wav`, the
    copy is read.
    """

    SUMMARY = "TIMIT: 6,300 English sentences, 630 speakers, 16 kHz"
    HOMEPAGE = "https://catalog.ldc.upenn.edu/LDC93S1"
    LICENSE = "Linguistic Data Consortium user agreement, for a fee; no redistribution."
    CITATION = """@misc{garofolo1993timit,
  title={{TIMIT} Acoustic-Phonetic Continuous Speech Corpus, {LDC93S1}},
  author={Garofolo, John S. and Lamel, Lori F. and Fisher, William M. and Fiscus, Jonathan G. and
          Pallett, David S. and Dahlgren, Nancy L. and Zue, Victor},
  publisher={Linguistic Data Consortium}, address={Philadelphia},
  year={1993}, doi={10.35111/17gk-bn40}}"""
    LAYOUT = """Buy LDC93S1 at the home page and put its archive, or what that unpacks to, into a
folder. Names may be in lower case:

    DIR/TIMIT/TRAIN/DR1/FCJF0/SA1.WAV, SA1.TXT, ...
    DIR/TIMIT/TEST/DR1/FAKS0/SA1.WAV, SA1.TXT, ...

"""
    SUFFIXES = (*audio.AudioBuilder.SUFFIXES, ".txt")
    Options = Options

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        speakers = self._speakers(folder)
        for part, sentences in speakers.items():
            if not sentences:
                raise ValueError(f"{part}/DR1/... is missing in {folder}. {self.help()}")
        test = speakers["TEST"]
        if self.options.test_set == "core":
            missing = [speaker for speaker in _CORE if speaker not in test]
            if missing:
                raise ValueError(
                    f"Speakers of the core test set are missing below TEST in {folder}: "
                    f"{' '.join(missing)}. {self.help()}"
                )
            test = {speaker: test[speaker] for speaker in _CORE}
        sizes = {speaker: len(items) for speaker, items in speakers["TRAIN"].items()}
        chosen = carve(sizes, self.options.validation_fraction)
        train = [i for s, items in speakers["TRAIN"].items() if s not in chosen for i in items]
        validation = [i for s, items in speakers["TRAIN"].items() if s in chosen for i in items]
        return {
            "train": train,
            "validation": validation,
            "test": [item for items in test.values() for item in items],
        }

    def _speakers(self, folder: Path) -> dict[str, _Speakers]:
        """Finds the sentences of each speaker of TRAIN and of TEST."""
        paths: dict[tuple[str, str, str], Path] = {}
        for name, path in self.recordings(folder).items():
            place = _SENTENCE.search(name.upper())
            if place and (self.options.sa_sentences or not place[3].startswith("SA")):
                paths[place[1], place[2], place[3]] = path  # SA1.WAV.wav comes after SA1.WAV
        speakers: dict[str, _Speakers] = {"TRAIN": {}, "TEST": {}}
        for (part, speaker, sentence), path in paths.items():
            item = Item(path, f"{part}/{speaker}/{sentence}", speaker)
            speakers[part].setdefault(speaker, []).append(item)
        return speakers

    def read(self, item: Item) -> Iterator[tuple[str, dict[str, Any]]]:
        return super().read(item._replace(details=(_read_transcript(item.path), item.details)))


def _read_transcript(recording: Path) -> str:
    """The sentence of the .TXT beside a recording; "" if there is none."""
    name = recording.name.split(".")[0].upper() + ".TXT"
    for path in recording.parent.iterdir():
        if path.name.upper() == name:
            words = path.read_text(encoding="latin-1").split(maxsplit=2)
            if len(words) < 3 or not (words[0] + words[1]).isdecimal() or not words[2].isascii():
                raise ValueError(f"{path.name} must hold two sample numbers and a sentence")
            return words[2].strip()
    return ""
