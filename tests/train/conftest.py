"""Runs that several test modules read. Each is made once; tests change copies only."""

import pytest

import tiny_runs


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory):
    """The folder of a run of three epochs on handwriting."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    tiny_runs.train(out)
    return out


@pytest.fixture(scope="session")
def text_run(tmp_path_factory):
    """The folder of a run of three epochs, in chunks, on the text in `text/` beside it."""
    parent = tmp_path_factory.mktemp("text_runs")
    tiny_runs.write_text(parent / "text" / "a.txt")
    tiny_runs.train_text(parent / "text", parent / "whole")
    return parent / "whole"
