"""Errors and warnings that people read."""

import warnings

import pytest
import typer

from vrnn_tf.cli.errors import readable_errors


def failing(error):
    @readable_errors()
    def command():
        raise error

    return command


@pytest.mark.parametrize("error", [ValueError, OSError, OverflowError])
def test_an_error_of_the_user_becomes_one_line(error, capsys):
    with pytest.raises(typer.Exit) as end:
        failing(error("a wrong\n  value"))()
    assert end.value.exit_code == 2
    assert capsys.readouterr().err == "vrnn: a wrong value\n"


def test_other_errors_are_not_hidden():
    with pytest.raises(RuntimeError, match="a flaw"):
        failing(RuntimeError("a flaw"))()


def test_long_messages_keep_both_ends(capsys):
    with pytest.raises(typer.Exit):
        failing(ValueError("begin " + "x" * 5_000 + " end"))()
    message = capsys.readouterr().err
    assert len(message) < 1_100
    assert message.startswith("vrnn: begin xxx")
    assert message.endswith("xxx end\n")


def test_only_warnings_of_the_package_are_shown(capsys, monkeypatch):
    monkeypatch.setattr(warnings, "showwarning", None)  # restored afterwards
    from vrnn_tf.train.checkpoints import RunWarning

    with warnings.catch_warnings():
        readable_errors()(lambda: None)()
        warnings.simplefilter("always")
        warnings.warn("versions differ", RunWarning, stacklevel=1)
        warnings.warn("of somebody else", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "vrnn: warning: versions differ\n"
