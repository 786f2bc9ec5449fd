"""Onomatopoeia: coughs, screams and laughs of voice actors, as in arXiv:1506.02216."""

from __future__ import annotations

from pathlib import Path

from .builders import audio
from .builders.reading import Item


class Onomatopoeia(audio.AudioBuilder):
    """Sounds in one folder for each actor; the paper's own recordings were never published.

    Validation and test are whole actors, chosen by a hash of the names of their folders; the
    fractions of 0.05 are the paper's.
    """

    SUMMARY = "Onomatopoeia: human sounds without words (6,738 of 51 actors in the paper)"
    LICENSE = "The paper's recordings, from Ubisoft, were never published; yours are your own."
    CITATION = """@inproceedings{chung2015recurrent,
  title={A Recurrent Latent Variable Model for Sequential Data},
  author={Chung, Junyoung and Kastner, Kyle and Dinh, Laurent and Goel, Kratarth and
          Courville, Aaron C. and Bengio, Yoshua},
  booktitle={Advances in Neural Information Processing Systems}, year={2015}}"""
    LAYOUT = """The paper's recordings are not public, so record or collect your own sounds and put
those of each actor into a folder of their own (wav, flac, ogg, mp3 or sph):

    DIR/actor01/cough.wav
    DIR/actor02/laugh.wav

"""
    Options = audio.CarvedOptions

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        actors: dict[str, list[Item]] = {}
        for name, path in self.recordings(folder).items():
            actor, _, rest = name.partition("/")
            if not rest:
                raise ValueError(f"{path} must lie in the folder of an actor. {self.help()}")
            actors.setdefault(actor, []).append(Item(path, name, ("", actor)))
        return self.carved(actors)
