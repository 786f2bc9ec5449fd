"""A folder of your own recordings."""

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
        group: what stays together in a split: "file", "folder" (the one that a file lies in), or a
            regular expression that is searched for in the path of a file below the folder and whose
            first group is the name, for example `_([a-z]+)_\d+\.wav` for the speakers of
            7_jackson_32.wav.
        validation_fraction: of the recordings; whole groups.
        test_fraction: of the recordings; whole groups; 0 for no test split.

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
        """Of paths; its first group is the name of a recording's group."""
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
    """Every sound file below a folder; texts and speakers are unknown.

    Validation and test are whole groups (see `Options.group`), chosen by a hash of their names.
    """

    SUMMARY = "Your own recordings: any folder of wav, flac, ogg, mp3 or sph files"
    LICENSE = "Yours."
    LAYOUT = """Put sound files (wav, flac, ogg, mp3, sph) into a folder, which may have folders of
its own, or nothing but archives of them:

    DIR/one.wav
    DIR/more/two.flac

"""
    Options = Options

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        pattern = self.options.pattern()
        groups: dict[str, list[Item]] = {}
        for name, path in self.recordings(folder).items():
            found = pattern.search(name)
            if found is None:
                raise ValueError(
                    f"`group` {self.options.group!r} is not found in {name!r}. Change the regular "
                    "expression, or remove the file."
                )
            groups.setdefault(found[1] or "", []).append(Item(path, name, ("", "")))
        return self.carved(groups)
