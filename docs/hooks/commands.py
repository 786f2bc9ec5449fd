"""Puts the help texts of the `vrnn` command where a page asks for them."""

from __future__ import annotations

import subprocess
import sys

from mkdocs.exceptions import PluginError

MARK = "<!-- vrnn --help -->"


def on_page_markdown(markdown: str, **_) -> str:
    """Replaces the mark by what `vrnn --help` and `vrnn COMMAND --help` say, as Markdown."""
    return markdown.replace(MARK, _help_texts()) if MARK in markdown else markdown


def _help_texts() -> str:
    command = [sys.executable, "-m", "typer", "vrnn_tf.cli", "utils", "docs", "--name", "vrnn"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise PluginError(f"{' '.join(command)} failed. Is vrnn_tf installed?\n{result.stderr}")
    return result.stdout.split("\n", 1)[1]  # without its heading: the page has one
