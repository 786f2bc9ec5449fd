"""Keeps standard error readable: one line for each mistake, and nothing from TensorFlow."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator

import typer

_MAX_MESSAGE = 1_000  # characters


@contextlib.contextmanager
def readable_errors() -> Iterator[None]:
    """Decorates a command: errors that a user can cause become one line and exit code 2."""
    warnings.filterwarnings("ignore", category=UserWarning, module="keras")
    warnings.showwarning = _show_warning
    try:
        yield
    except (ValueError, OSError, ArithmeticError) as error:
        message = " ".join(str(error).split())
        if len(message) > _MAX_MESSAGE:  # it quotes a long value
            half = _MAX_MESSAGE // 2
            message = f"{message[:half]} ... {message[-half:]}"
        typer.echo(f"vrnn: {message}", err=True)
        raise typer.Exit(2) from None


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """Shows the package's warnings as one line and hides all others."""
    if category.__module__.startswith("vrnn_tf"):
        typer.echo(f"vrnn: warning: {message}", err=True)


def import_tensorflow_quietly() -> None:
    """Imports TensorFlow without the messages that its libraries print while they load."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import absl.logging
        import tensorflow  # noqa: F401

        absl.logging.set_verbosity(absl.logging.ERROR)
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
