"""Tiny Shakespeare: 1.1 million characters of plays, with the splits of tensorflow-datasets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds

from vrnn_tf import files

from .builders.reading import Item
from .builders.text import TextBuilder

_FILE = "input.txt"
_URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


class TinyShakespeare(TextBuilder, skip_registration=True):  # tfds has this name
    """The records of `tiny_shakespeare` in tensorflow-datasets, which splits them 90/5/5 %.

    The builder of tensorflow-datasets is given a file that is already there. Without a network it
    would wait for minutes before it gave up.
    """

    SUMMARY = "Tiny Shakespeare: plays, 1,115,394 characters, of which 65 are different"
    HOMEPAGE = "https://github.com/karpathy/char-rnn"
    LICENSE = "The text is in the public domain."
    CITATION = """@misc{karpathy2015charrnn,
  author={Karpathy, Andrej},
  title={char-rnn},
  year={2015},
  howpublished={\\url{https://github.com/karpathy/char-rnn}}}"""
    LAYOUT = f"""Without --data-dir the file is downloaded. To fetch it yourself, take
{_URL}
and put it into a folder:

    DIR/{_FILE}

"""
    DOWNLOADS = {_FILE: (_URL, _SHA256)}
    SUFFIXES = (".txt",)

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        path = self.unpack(folder, _FILE) / _FILE
        if files.sha256(path) != _SHA256:
            raise ValueError(
                f"{path} is not the file that is expected (SHA-256 {_SHA256}). Fetch it again; to "
                "learn another text, use the data set text_file."
            )
        source = tfds.builder(self.name, data_dir=self._data_dir_root)
        source.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=str(path.parent))
        )
        return {str(split): [Item(path, str(split), source)] for split in source.info.splits}

    def read(self, item: Item) -> Iterator[tuple[str, dict[str, str] | Counter[str]]]:
        for record in tfds.as_numpy(item.details.as_dataset(split=item.name)):
            content = record["text"].decode()
            yield "", Counter(content)
            yield "", {"text": content}
