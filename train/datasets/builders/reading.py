"""Reads the files of a data set one by one.

Whoever reads a file yields its records, and then a `Report` of what else was found there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .report import Report, printable

Record = dict[str, Any]
Read = Callable[["Item"], Iterable[tuple[str, Record | ValueError | Counter[str]]]]


class Item(NamedTuple):
    """A file to read.

    Attributes:
        path: of the file.
        name: unique in the split; the same wherever the files lie.
        details: whatever `Builder.read` needs beside the path.
    """

    path: Path
    name: str
    details: Any = None


def read_file(read: Read, number: int, item: Item) -> Iterator[tuple[str, Record] | Report]:
    """Yields `(key, record)` of what is sound in a file, and last the `Report`.

    Args:
        read: `Builder.read`.
        number: of the file in its split.
        item: the file.
    """
    report, keys = Report(), set()
    try:
        found = list(read(item))
    except Exception as error:  # whatever a parser raises on a damaged file
        report.skip(number, item.path, "", error)
        found = []
    for name, record in found:
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
