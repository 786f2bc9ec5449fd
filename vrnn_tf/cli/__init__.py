"""The `vrnn` command."""

from vrnn_tf.cli.app import app, main

__all__ = ["app", "main"]
