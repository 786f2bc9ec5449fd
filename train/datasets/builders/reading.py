"""Reads the files of a data set one by one.

Reading a file yields its records, and at the end a `Report` of what else was in the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .report import Report, printable

Record = dict[str, Any]
Read = Callable[["Item"], Iterable[tuple[str, Record | ValueError | Counter[str]]]]


class Item(NamedTuple):
    """A file to read.

    Attributes:
        path: the file.
        name: unique in the split, and the same wherever the files lie.
        details: whatever `Builder.read` needs beside the path.
    """

    path: Path
    name: str
    details: Any = None


def read_file(read: Read, number: int, item: Item) -> Iterator[tuple[str, Record] | Report]:
    """Yields `(key, record)` for every sound record of a file, and last the `Report`.

    Args:
        read: `Builder.read`.
        number: the place of the file in its split.
        item: the file.
    """
    report, keys = Report(), set()
    try:
        contents = list(read(item))
    except Exception as error:  # whatever a parser raises on a damaged file
        report.skip(number, item.path, "", error)
        contents = []
    for name, record in contents:
        if isinstance(record, Counter):
            report.counts.update(record)
            continue
        key = printable(f"{item.name}/{name}" if name else item.name)
        if key in keys:
            record = ValueError(f"the file has another {name}")
        if isinstance(record, ValueError):
            report.skip(number, item.path, name, record)
            continue
        keys.add(key)
        yield key, {k: printable(v) if isinstance(v, str) else v for k, v in record.items()}
    yield report


def read_files(
    read: Read, items: Sequence[Item], split: str
) -> Iterator[tuple[str, Record] | Report]:
    """Yields what `read_file` yields for each file of a split, one file after the other.

    Args:
        read: `Builder.read`.
        items: the files.
        split: a name of the split for people.

    Raises:
        ValueError: at the end, if no file has a sound record.
    """
    is_sound, total = False, Report()
    for number, item in enumerate(items):
        for result in read_file(read, number, item):
            if isinstance(result, Report):
                total = Report.joined((total, result))
            else:
                is_sound = True
            yield result
    if not is_sound:
        first = f" The first: {': '.join(total.reasons[0][1:])}" if total.reasons else ""
        raise ValueError(
            f"None of the {len(items)} files of {split} could be read. Repair or remove "
            f"them.{first}"
        )
