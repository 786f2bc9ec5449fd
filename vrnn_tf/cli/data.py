"""`vrnn data`: lists, describes and prepares data sets."""

from __future__ import annotations

import dataclasses
import inspect
import logging
from typing import Annotated

import typer

from vrnn_tf.cli.errors import import_tensorflow_quietly, readable_errors
from vrnn_tf.cli.options import DataDir, DataOptions, PreparedDir, Strict, key_values
from vrnn_tf.cli.tables import print_table

app = typer.Typer(help="List, describe and prepare data sets.", no_args_is_help=True)


@app.command("list")
@readable_errors()
def list_data() -> None:
    """Lists the data sets, what they hold and what they need."""
    from vrnn_tf.train import datasets

    rows = []
    for name in datasets.names():
        cls = datasets.get(name)
        about = {"kind": cls.KIND, "description": cls.SUMMARY, "needs": cls.needs()}
        rows.append({"name": name, **about})
    print_table(sorted(rows, key=lambda row: (row["kind"], row["name"])))


@app.command()
@readable_errors()
def info(name: Annotated[str, typer.Argument(help="Name of a data set.")]) -> None:
    """Shows what a data set is, its licence, its citation, its files and its options.

    Example: `vrnn data info iam_ondb`
    """
    from vrnn_tf.train import datasets

    cls = datasets.get(name)
    typer.echo(f"{name} ({cls.KIND}): {cls.SUMMARY}\n")
    for title in ("HOMEPAGE", "LICENSE", "LAYOUT", "CITATION"):
        if getattr(cls, title):
            typer.echo(f"{title.capitalize()}:\n{getattr(cls, title).strip()}\n")
    for file, (url, digest) in cls.DOWNLOADS.items():
        typer.echo(f"Without --data-dir, {file} is downloaded: {url} (SHA-256 {digest})\n")
    for field in dataclasses.fields(cls.Options):
        typer.echo(f"--data {field.name}={field.default!r}")
    for options in reversed(cls.Options.__mro__):
        if dataclasses.is_dataclass(options) and dataclasses.fields(options):
            typer.echo("\n" + inspect.cleandoc(options.__doc__ or ""))


@app.command()
@readable_errors()
def prepare(
    name: Annotated[str, typer.Argument(help="Name of a data set.")],
    data_dir: DataDir = None,
    data: DataOptions = None,
    prepared_dir: PreparedDir = None,
    strict: Strict = False,
    beam: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Read the files with workers of Apache Beam. Gives an option of its pipeline. "
            "Can be repeated.",
        ),
    ] = None,
) -> None:
    """Reads and checks the files of a data set once, and keeps them as records.

    `vrnn train` does the same if it has not been done. Malformed files are skipped and counted.

    Example: `vrnn data prepare iam_ondb --data-dir IAM`
    """
    import_tensorflow_quietly()
    from vrnn_tf.train import datasets

    if beam:
        logging.disable(logging.WARNING)  # Beam repeats what its workers log
    builder = datasets.get(name).prepare(
        data_dir,
        prepared_dir,
        strict,
        key_values("--beam", beam) if beam else None,
        **key_values("--data", data),
    )
    facts = builder.facts()
    for split, count in facts.get("records", {}).items():
        typer.echo(f"{name}: {count} records in {split}")
    skipped = facts.get("skipped", {})
    if skipped.get("count"):
        typer.echo(f"{name}: {skipped['count']} skipped; the warnings name them")
