"""The text of a user: a file, or a folder of files."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .builders import text
from .builders.carving import carve, check_fraction
from .builders.reading import Item
from .sources.folders import files_with

MAX_BYTES = 2**30  # a record of tfds cannot hold 2 GiB
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and newline


@dataclasses.dataclass(frozen=True)
class Options(text.Options):
    """Choices for the text of a user.

    Args:
        sequence_length: how many characters a training sequence has at most.
        validation_fraction: which part of the characters is set aside for validation.

    Raises:
        ValueError: if a value is out of range.
    """

    validation_fraction: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        check_fraction("validation_fraction", self.validation_fraction)


class TextFile(text.TextBuilder):
    r"""A text file, or the .txt files below a folder, in UTF-8. Every newline becomes "\n".

    Several files are split as a whole: a hash of their names chooses those for validation. The end
    of a single file is for validation. There is no test split.
    """

    SUMMARY = "Your own text: a .txt file or a folder of them, learnt character by character"
    LAYOUT = """Name a text file in UTF-8. Or name a folder with .txt files at any depth, or with an
archive of them:

    DIR/first.txt
    DIR/more/second.txt

"""
    SUFFIXES = (".txt",)
    Options = Options

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        if folder.is_file():
            folder, paths = folder.parent, [folder]
        else:
            folder = self.unpack(folder, suffixes=self.SUFFIXES)
            paths = files_with(folder, self.SUFFIXES)
        if len(paths) == 1:
            return {split: [Item(paths[0], split, split)] for split in ("train", "validation")}
        items = [Item(path, path.relative_to(folder).as_posix()) for path in paths]
        sizes = {i.name: i.path.stat().st_size if i.path.exists() else 0 for i in items}
        chosen = carve(sizes, self.options.validation_fraction)
        return {
            "train": [item for item in items if item.name not in chosen],
            "validation": [item for item in items if item.name in chosen],
        }

    def read(self, item: Item) -> Iterator[tuple[str, dict[str, str] | Counter[str]]]:
        content = read_text(item.path)
        if item.details is not None:  # the split that gets a part of the single file
            start, end = _cut(content, self.options.validation_fraction)
            content = start if item.details == "train" else end
        yield "", Counter(content)
        yield "", {"text": content}


def read_text(path: Path) -> str:
    r"""Reads a UTF-8 file without its byte order mark, with "\n" for every kind of newline.

    Raises:
        ValueError: if it is empty, too large, not UTF-8, or holds a control character other than
            tab and newline.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"the file has more than {MAX_BYTES} bytes: split it")
    data = path.read_bytes()
    try:
        content = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"byte {error.start}, on line {line}, is not UTF-8: convert it") from None
    content = content.replace("\r\n", "\n").replace("\r", "\n")
    if not content:
        raise ValueError("the file is empty")
    control = _CONTROL.search(content)
    if control:
        line = content.count("\n", 0, control.start()) + 1
        raise ValueError(f"line {line} holds the control character {control[0]!r}: not a text")
    return content


def _cut(content: str, fraction: float) -> tuple[str, str]:
    """Cuts a text before its last `fraction`; each part has at least one character."""
    if len(content) < 2:
        raise ValueError("the file has a single character, which cannot be split")
    place = min(max(round(len(content) * (1.0 - fraction)), 1), len(content) - 1)
    return content[:place], content[place:]
