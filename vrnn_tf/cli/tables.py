"""Prints tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def print_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Prints rows `{heading: text}`, which all have the headings of the first."""
    table = Table(*rows[0], box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)
