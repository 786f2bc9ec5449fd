"""Omniglot: characters of fifty alphabets, drawn online and simplified for sketch-rnn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .builders.pen import PenBuilder
from .builders.reading import Item
from .formats.npz import read_object_arrays
from .formats.offsets import rows_to_strokes, to_offsets

_FILE = "omniglot.npz"
_SPLITS = {"train": "train", "validation": "valid", "test": "test"}


class OmniglotStrokes(PenBuilder):
    """Drawings of omniglot.npz with the splits of that file. y is negated so that it points up.

    The file has stroke-3 rows (dx, dy, pen), as many as a drawing has points. Each row is the step
    to its point, and pen is 1 if the pen lifts there. The first row of every drawing is zero, since
    the first point is the origin. That row is left out: a drawing of N points has N - 1 steps, as
    in every other data set of handwriting. The file says neither what the character is nor who drew
    it.
    """

    SUMMARY = "Omniglot: 32,000 pen drawings of characters, simplified for sketch-rnn"
    UNIT = "units of the file (a drawing is about 300 wide), y up"
    HOMEPAGE = "https://github.com/hardmaru/sketch-rnn-datasets/tree/master/omniglot"
    LICENSE = "MIT, Copyright (c) 2015 Brenden Lake"
    CITATION = """@article{lake2015human,
  title={Human-level concept learning through probabilistic program induction},
  author={Lake, Brenden M. and Salakhutdinov, Ruslan and Tenenbaum, Joshua B.},
  journal={Science}, volume={350}, number={6266}, pages={1332--1338}, year={2015}}"""
    LAYOUT = """Without --data-dir the file is downloaded. To fetch it yourself, take
https://raw.githubusercontent.com/hardmaru/sketch-rnn-datasets/master/omniglot/omniglot.npz
and put it into a folder:

    DIR/omniglot.npz

"""
    DOWNLOADS = {
        _FILE: (
            "https://raw.githubusercontent.com/hardmaru/sketch-rnn-datasets/master/omniglot/"
            "omniglot.npz",
            "bd5277621a8c577919491dfa729a59a8b5c216cff9e4fda9cef532db29f120c7",
        )
    }
    SUFFIXES = (".npz",)

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        path = folder if folder.is_file() else folder / _FILE
        if not path.is_file():
            raise ValueError(f"{path} is missing. {self.help()}")
        return {split: [Item(path, key, key)] for split, key in _SPLITS.items()}

    def read(self, item: Item) -> Iterator[tuple[str, dict[str, Any] | ValueError]]:
        drawings = read_object_arrays(item.path, [item.details])
        if item.details not in drawings:
            raise ValueError(f"holds no array {item.details!r}")
        for i, rows in enumerate(drawings[item.details]):
            try:
                x = to_offsets(rows_to_strokes(rows), y_down=True)
                yield str(i), {"x": x, "text": "", "writer": ""}
            except ValueError as error:
                yield str(i), error
