"""A small data set for the tests of what all data sets share."""

import tarfile
import zipfile
from pathlib import Path

import numpy as np

from vrnn_tf.train.datasets.builders.pen import PenBuilder
from vrnn_tf.train.datasets.builders.reading import Item
from vrnn_tf.train.datasets.sources.folders import files_with


class Numbers(PenBuilder, skip_registration=True):
    """Files of numbers, "dx dy pen" on each line, a blank line between sequences."""

    SUMMARY = "numbers"
    LAYOUT = "Put *.num files into DIR/train and DIR/validation."
    SUFFIXES = (".num",)

    def splits(self, folder):
        data = self.unpack(folder, "train")
        self.note(places=str(len(files_with(data, self.SUFFIXES))))
        return {
            split: [Item(p, f"{split}/{p.stem}") for p in files_with(data / split, ".num")]
            for split in ("train", "validation")
        }

    def read(self, item):
        for number, part in enumerate(item.path.read_text().split("\n\n")):
            x = np.array([line.split() for line in part.splitlines()], np.float32)
            if len(x) == 1:
                yield f"{number}", ValueError("only one row")
            else:
                yield f"{number}", {"x": x, "text": item.path.stem, "writer": ""}


GOOD = "1 2 0\n3 4 1\n\n5 6 0\n7 8 1"


def write(folder, **files):
    for name, text in files.items():
        for split in ("train", "validation"):
            path = folder / split / f"{name}.num"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text if split == "train" else GOOD)
    return folder


def as_archive(folder: Path, path: Path) -> None:
    path.parent.mkdir(parents=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in folder.rglob("*.num"):
                archive.write(file, file.relative_to(folder))
    else:
        with tarfile.open(path, f"w:{path.suffix[1:]}") as archive:
            for file in folder.iterdir():
                archive.add(file, file.name)
