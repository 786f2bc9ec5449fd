"""Onomatopoeia: coughs, screams and laughs of voice actors, as in arXiv:1506.02216."""

from __future__ import annotations

from pathlib import Path

from .builders import audio
from .builders.reading import Item


class Onomatopoeia(audio.AudioBuilder):
    """Sounds in one folder for each actor. The recordings of the paper were never published.

    A hash of the names of their folders chooses whole actors for validation and test. The fractions
    of 0.05 are the paper's.
    """

    SUMMARY = "Onomatopoeia: human sounds without words (6,738 of 51 actors in the paper)"
    LICENSE = "That of your recordings. Those of the paper, from Ubisoft, were never published."
    CITATION = """@inproceedings{chung2015recurrent,
  title={A Recurrent Latent Variable Model for Sequential Data},
  author={Chung, Junyoung and Kastner, Kyle and Dinh, Laurent and Goel, Kratarth and
          Courville, Aaron C. and Bengio, Yoshua},
  booktitle={Advances in Neural Information Processing Systems}, year={2015}}"""
    LAYOUT = """The paper's recordings are not public. Record or collect your own sounds (wav, flac,
ogg, mp3 or sph) and put those of each actor into another folder:

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
