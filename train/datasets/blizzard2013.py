"""Blizzard Challenge 2013: audiobooks read by one speaker, as in arXiv:1506.02216."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path, PurePosixPath

from .builders import audio
from .builders.reading import Item

_CHAPTER = re.compile(r"[A-Z]{2}-[A-Z0-9]+-\d+")  # CB-EM-54 of CB-EM-54-136.wav
_SPEAKER = "Catherine Byers"


@dataclasses.dataclass(frozen=True)
class Options(audio.CarvedOptions):
    """Choices of Blizzard 2013. The pieces of half a second and the fractions are the paper's."""

    min_seconds: float = 0.5
    max_seconds: float | None = 0.5


class Blizzard2013(audio.AudioBuilder):
    """Audiobooks of Blizzard 2013, cut into half-seconds. Transcripts are not read.

    A hash of their names chooses whole chapters for validation and test. The distributor's names
    start with the chapter (CB-EM-54 of CB-EM-54-136.wav). The folder of a file with another name
    counts as a chapter. If there are fewer chapters than splits, files are chosen instead.
    """

    SUMMARY = "Blizzard Challenge 2013: 300 hours of English audiobooks, one speaker"
    HOMEPAGE = "https://www.cstr.ed.ac.uk/projects/blizzard/2013/lessac_blizzard2013/"
    LICENSE = "Research only, to be signed; no commercial use and no redistribution."
    CITATION = """@inproceedings{king2013blizzard,
  title={The {Blizzard} Challenge 2013},
  author={King, Simon and Karaiskos, Vasilis},
  booktitle={Blizzard Challenge Workshop}, year={2013}}"""
    LAYOUT = """Ask for a licence at the home page and fetch the recordings, either segmented or as
whole chapters. Put the archives, or what they unpack to, into one folder:

    DIR/BC2013_segmented_v0_wav1/emma/CB-EM-54-136.wav
    DIR/BC2013_segmented_v0_wav2/a_room_with_a_view/CB-RV-10-114.wav

"""
    Options = Options

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        items = [Item(path, name, ("", _SPEAKER)) for name, path in self.recordings(folder).items()]
        chapters: dict[str, list[Item]] = {}
        for item in items:
            chapters.setdefault(_chapter(item.name), []).append(item)
        if len(chapters) < 3:
            return self.carved({item.name: [item] for item in items})
        return self.carved(chapters)


def _chapter(name: str) -> str:
    path = PurePosixPath(name)
    match = _CHAPTER.match(path.name)
    return match[0] if match else str(path.parent)
