"""Speech Accent Archive: one paragraph read in many accents, as in arXiv:1506.02216."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from .builders import audio
from .builders.reading import Item


@dataclasses.dataclass(frozen=True)
class Options(audio.CarvedOptions):
    """Choices of the archive. The pieces of half a second and the fractions are the paper's."""

    min_seconds: float = 0.5
    max_seconds: float | None = 0.5


class SpeechAccentArchive(audio.AudioBuilder):
    """Recordings of the Speech Accent Archive, cut into half-seconds.

    Each file has another speaker (afrikaans1). A hash of their names chooses the files for
    validation and test. Recordings that are not cut (max_seconds=None) have the text of
    reading-passage.txt, if it is there.
    """

    SUMMARY = "Speech Accent Archive: one English paragraph, 2,140 speakers (2,046 in the paper)"
    HOMEPAGE = "https://accent.gmu.edu"
    LICENSE = "CC BY-NC-SA 2.0"
    CITATION = """@misc{weinberger2013speech,
  title={Speech Accent Archive}, author={Weinberger, Steven H.},
  publisher={George Mason University}, year={2013}, url={https://accent.gmu.edu}}"""
    LAYOUT = """Fetch https://www.kaggle.com/datasets/rtatman/speech-accent-archive and put the
archive, or what it unpacks to, into a folder:

    DIR/recordings/recordings/afrikaans1.mp3
    DIR/reading-passage.txt       optional

"""
    SUFFIXES = (*audio.AudioBuilder.SUFFIXES, ".txt")
    Options = Options

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        root = self.unpack(folder, "recordings")
        passage = root / "reading-passage.txt"
        text = " ".join(passage.read_text(encoding="utf-8").split()) if passage.is_file() else ""
        speakers: dict[str, list[Item]] = {}
        for name, path in self.recordings(root / "recordings").items():
            speakers.setdefault(path.stem, []).append(Item(path, name, (text, path.stem)))
        return self.carved(speakers)
