"""What was malformed in files, and what was counted.

Reports add up in any order, so that many workers find what one process finds.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from vrnn_tf import files

REPORTED = 100  # of what is skipped is listed by name


class DataWarning(UserWarning):
    """The data are not quite what a user may think they are."""


class SkippedFileWarning(DataWarning):
    """A file, or a sequence of one, was malformed and is not in the data set."""


@dataclasses.dataclass
class Report:
    """What was found in files beside their records.

    Attributes:
        skipped: how many files and sequences were malformed.
        reasons: `(number of the file, where, why)` of the first `REPORTED` of them.
        counts: of whatever is counted.
    """

    skipped: int = 0
    reasons: list[tuple[int, str, str]] = dataclasses.field(default_factory=list)
    counts: Counter[str] = dataclasses.field(default_factory=Counter)

    def skip(self, number: int, path: Path, name: str, error: Exception) -> None:
        """Notes what is malformed: a file, or what has a name in it."""
        where = printable(f"{path} ({name})" if name else str(path))
        reason = printable(" ".join(str(error).split()) or type(error).__name__)
        self.skipped += 1
        self.reasons = [*self.reasons, (number, where, reason)][:REPORTED]

    @classmethod
    def joined(cls, reports: Iterable[Report]) -> Report:
        """The report of all files together."""
        total = cls()
        for report in reports:
            total.skipped += report.skipped
            found = total.reasons + report.reasons
            total.reasons = sorted(found, key=lambda reason: reason[0])[:REPORTED]
            total.counts.update(report.counts)
        return total

    def write(self, path: Path) -> None:
        """Writes the report as JSON."""
        files.write_json(path, vars(self))

    @classmethod
    def from_file(cls, path: Path) -> Report:
        """The report that `write` wrote."""
        content = files.read_json(path)
        reasons = [(number, where, why) for number, where, why in content["reasons"]]
        return cls(content["skipped"], reasons, Counter(content["counts"]))


def printable(name: str) -> str:
    """The name of a file as text: bytes that are not UTF-8 are written out."""
    return name.encode("utf-8", "backslashreplace").decode()
