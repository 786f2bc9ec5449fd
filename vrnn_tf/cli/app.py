"""The `vrnn` command. Each command imports what it needs when it runs."""

from __future__ import annotations

import typer

from vrnn_tf.cli import data
from vrnn_tf.cli.analyze import analyze
from vrnn_tf.cli.demo import demo
from vrnn_tf.cli.evaluate import evaluate
from vrnn_tf.cli.export import export
from vrnn_tf.cli.generate import generate
from vrnn_tf.cli.train import train
from vrnn_tf.cli.verify import verify

app = typer.Typer(
    help="Variational recurrent neural networks: train, generate, export.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for command in (train, evaluate, analyze, generate, export, verify, demo):
    app.command()(command)
app.add_typer(data.app, name="data")


def main() -> None:
    """The console script."""
    app()
