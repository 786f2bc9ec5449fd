"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

Out = Annotated[Path, typer.Option("--out", "-o", help="Where to write.", show_default=False)]
Seed = Annotated[int, typer.Option(help="Same seed, same result.")]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the data set's files, see `vrnn data info NAME`.")
]
PreparedDir = Annotated[
    Path | None,
    typer.Option(help="Where records are kept. $TFDS_DATA_DIR or ~/tensorflow_datasets."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at a malformed file.")]
DataOptions = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="KEY=VALUE", help="Option of the data set; repeat it."),
]
Split = Annotated[
    str | None, typer.Option(help="train, validation or test. test, if there is one.")
]
OtherDataset = Annotated[str | None, typer.Option(help="Another data set of that kind.")]


def absolute(folder: Path | None) -> str | None:
    """The same folder wherever the command is given next."""
    return None if folder is None else str(folder.expanduser().resolve())


def key_values(option: str, pairs: Sequence[str] | None) -> dict[str, Any]:
    """`["a=1", "b=x"]` as `{"a": 1, "b": "x"}`: values are JSON, or else plain text."""
    import json

    from vrnn_tf.files import parse_json

    found = {}
    for pair in pairs or ():
        key, equals, text = pair.partition("=")
        if not (key and equals):
            raise ValueError(f"{option} must be KEY=VALUE. Received {pair!r}.")
        try:
            found[key] = parse_json(text)
        except json.JSONDecodeError:
            found[key] = text
    return found
