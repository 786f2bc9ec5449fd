"""Options that several commands share, and what their values mean."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vrnn_tf.files import parse_json
from vrnn_tf.train.config import TrainConfig

_HELP = {field.name: field.metadata.get("help") for field in dataclasses.fields(TrainConfig)}

Run = Annotated[Path, typer.Argument(help="A run folder.")]
Out = Annotated[
    Path, typer.Option("--out", "-o", help="Where to write the result.", show_default=False)
]
Seed = Annotated[int, typer.Option(help="The same seed gives the same result.")]
DataDir = Annotated[Path | None, typer.Option(help=_HELP["data_dir"])]
PreparedDir = Annotated[Path | None, typer.Option(help=_HELP["prepared_dir"])]
Strict = Annotated[bool, typer.Option("--strict", help=_HELP["strict"])]
DataOptions = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="KEY=VALUE", help=_HELP["dataset_options"]),
]
Split = Annotated[
    str | None,
    typer.Option(
        help="train, validation or test. The default is test, or validation if there is no test "
        "split."
    ),
]
OtherDataset = Annotated[
    str | None, typer.Option(help="Use another data set of the same kind as that of the run.")
]


def absolute(folder: Path | None) -> str | None:
    """The absolute path of a folder, which stays right in another working directory."""
    return None if folder is None else str(folder.expanduser().resolve())


def key_values(option: str, pairs: Sequence[str] | None) -> dict[str, Any]:
    """`["a=1", "b=x"]` as `{"a": 1, "b": "x"}`. Values that are not JSON are texts.

    Raises:
        ValueError: if a pair is not KEY=VALUE, or a value nests too deeply; names the option.
    """
    values = {}
    for pair in pairs or ():
        key, equals, text = pair.partition("=")
        if not (key and equals):
            raise ValueError(f"{option} must be KEY=VALUE. Received {pair!r}.")
        try:
            values[key] = parse_json(text)
        except json.JSONDecodeError:
            values[key] = text
        except ValueError as error:
            raise ValueError(f"{option} {key}: {error}.") from None
    return values
