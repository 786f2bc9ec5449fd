"""The recordings of a user: a folder of sound files."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from .builders import audio
from .builders.reading import Item

_GROUPS = {"file": r"(.+)", "folder": r"(?:(.+)/)?[^/]+"}


@dataclasses.dataclass(frozen=True)
class Options(audio.CarvedOptions):
    r"""Choices of a folder of recordings.

    Args:
        group: what stays together in a split: each "file", the files of each "folder", or the files
            for which a regular expression gives the same name. The expression is searched for in
            the path of a file below the folder, and its first group is the name. For example
            `_([a-z]+)_\d+\.wav` gives the speaker of 7_jackson_32.wav.
        validation_fraction: which part of the recordings is set aside for validation.
        test_fraction: which part is set aside for test; 0 for no test split.

    Raises:
        ValueError: if a value is out of range.
    """

    validation_fraction: float = 0.1
    test_fraction: float = 0.0
    group: str = "file"

    def __post_init__(self):
        super().__post_init__()
        self.pattern()

    def pattern(self) -> re.Pattern[str]:
        """The pattern to search for in a path. Its first group is the name of the group."""
        try:
            pattern = re.compile(_GROUPS.get(self.group, self.group))
        except (re.error, TypeError):
            pattern = None
        if pattern is None or not pattern.groups:
            raise ValueError(
                "`group` must be 'file', 'folder' or a regular expression with a group in "
                f"parentheses, such as '_([a-z]+)_'. Received {self.group!r}."
            )
        return pattern


class AudioFolder(audio.AudioBuilder):
    """Every sound file below a folder. Texts and speakers are not known.

    A hash of their names chooses whole groups for validation and test, see `Options.group`.
    """

    SUMMARY = "Your own recordings: any folder of wav, flac, ogg, mp3 or sph files"
    LICENSE = "The licence of your recordings."
    LAYOUT = """Put sound files (wav, flac, ogg, mp3, sph) into a folder, at any depth. Or put
archives of them there, and nothing else:

    DIR/one.wav
    DIR/more/two.flac

"""
    Options = Options

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        pattern = self.options.pattern()
        groups: dict[str, list[Item]] = {}
        for name, path in self.recordings(folder).items():
            match = pattern.search(name)
            if match is None:
                raise ValueError(
                    f"`group` {self.options.group!r} is not found in {name!r}. Change the regular "
                    "expression, or remove the file."
                )
            groups.setdefault(match[1] or "", []).append(Item(path, name, ("", "")))
        return self.carved(groups)
