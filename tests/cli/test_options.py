"""What the values of shared options mean."""

from pathlib import Path

import pytest

from vrnn_tf.cli.options import absolute, key_values


def test_values_are_json_or_else_texts():
    pairs = ["a=1", "b=x", "c=[1, 2]", "d=null", "e=", "f=1=2", "g=true"]
    values = {"a": 1, "b": "x", "c": [1, 2], "d": None, "e": "", "f": "1=2", "g": True}
    assert key_values("--data", pairs) == values
    assert key_values("--data", None) == {}


@pytest.mark.parametrize("pair", ["fonts", "=1", ""])
def test_pairs_without_a_key_or_a_sign_are_refused(pair):
    with pytest.raises(ValueError, match=f"--data must be KEY=VALUE. Received '{pair}'"):
        key_values("--data", [pair])


def test_the_option_is_named_when_a_value_nests_too_deeply():
    with pytest.raises(ValueError, match="--data fonts: it nests more than"):
        key_values("--data", ["fonts=" + "[" * 60 + "]" * 60])


def test_folders_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute(Path("a/../b")) == str(tmp_path / "b")
    assert absolute(Path("~/c")) == str(Path.home() / "c")
    assert absolute(None) is None
