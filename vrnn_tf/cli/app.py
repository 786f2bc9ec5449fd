"""Puts the commands of `vrnn` together. Each imports what it needs when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

import vrnn_tf
from vrnn_tf.cli import data
from vrnn_tf.cli.analyze import analyze
from vrnn_tf.cli.demo import demo
from vrnn_tf.cli.evaluate import evaluate
from vrnn_tf.cli.export import export
from vrnn_tf.cli.generate import generate
from vrnn_tf.cli.train import train
from vrnn_tf.cli.verify import verify

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vrnn_tf {vrnn_tf.__version__}")
        raise typer.Exit


@app.callback()
def vrnn(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Variational recurrent neural networks: train, generate, export."""


for command in (train, evaluate, analyze, generate, export, verify, demo):
    app.command()(command)
app.add_typer(data.app, name="data")


def main() -> None:
    """Runs the console script."""
    app()
