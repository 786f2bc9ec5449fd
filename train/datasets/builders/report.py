"""Reports what was malformed in the files of a data set, and what was counted in them.

Reports add up in any order. Therefore many workers arrive at the report of a single process.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vrnn_tf import files

MAX_LISTED = 100  # malformed files and sequences that are listed by name; all are counted


class DataWarning(UserWarning):
    """The data may not be what the user thinks they are."""


class SkippedFileWarning(DataWarning):
    """A file, or a sequence in a file, is malformed and is not in the data set."""


@dataclasses.dataclass
class Report:
    """Everything but the records that reading some files gave.

    Attributes:
        skipped: how many files and sequences were malformed.
        reasons: `(number of the file, where, why)` of the first `MAX_LISTED` of them.
        counts: the sum of everything that `Builder.read` counted.
    """

    skipped: int = 0
    reasons: list[tuple[int, str, str]] = dataclasses.field(default_factory=list)
    counts: Counter[str] = dataclasses.field(default_factory=Counter)

    def skip(self, number: int, path: Path, name: str, error: Exception) -> None:
        """Adds a malformed file or sequence.

        Args:
            number: the place of the file in its split.
            path: the file.
            name: the name of the sequence in the file; "" if the whole file is malformed.
            error: why it is malformed.
        """
        where = printable(f"{path} ({name})" if name else str(path))
        reason = printable(" ".join(str(error).split()) or type(error).__name__)
        self.skipped += 1
        self.reasons = [*self.reasons, (number, where, reason)][:MAX_LISTED]

    @classmethod
    def joined(cls, reports: Iterable[Report]) -> Report:
        """The report of all files together."""
        total = cls()
        for report in reports:
            total.skipped += report.skipped
            reasons = total.reasons + report.reasons
            total.reasons = sorted(reasons, key=lambda reason: reason[0])[:MAX_LISTED]
            total.counts.update(report.counts)
        return total

    def add_to(self, skipped: dict[str, Any], strict: bool) -> None:
        """Adds what was skipped to the facts of a data set, and warns of each part that is listed.

        Args:
            skipped: `{"count": how many, "files": {where: why}}`; changed in place.
            strict: whether something malformed is an error.

        Raises:
            ValueError: if `strict` and something is malformed; names the first.
        """
        for _, where, reason in self.reasons:
            if strict:
                raise ValueError(f"{where} is malformed: {reason}")
            if len(skipped["files"]) < MAX_LISTED:
                skipped["files"][where] = reason
                warnings.warn(f"skipped {where}: {reason}", SkippedFileWarning, stacklevel=3)
        skipped["count"] += self.skipped

    def write(self, path: Path) -> None:
        """Writes the report as JSON."""
        files.write_json(path, vars(self))

    @classmethod
    def from_file(cls, path: Path) -> Report:
        """Reads a report that `write` wrote."""
        content = files.read_json(path)
        reasons = [(number, where, why) for number, where, why in content["reasons"]]
        return cls(content["skipped"], reasons, Counter(content["counts"]))


def printable(name: str) -> str:
    """The name of a file as text that UTF-8 can hold: other bytes are written as escapes."""
    return name.encode("utf-8", "backslashreplace").decode()
