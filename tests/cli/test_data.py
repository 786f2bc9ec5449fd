"""`vrnn data`."""

import re

from typer.testing import CliRunner

from vrnn_tf import cli
from vrnn_tf.train import datasets


def vrnn_data(*arguments):
    return CliRunner().invoke(cli.app, ["data", *map(str, arguments)])


def test_data_sets_are_listed_and_described():
    listed = vrnn_data("list").output
    for name in datasets.names():
        assert name in listed
        described = vrnn_data("info", name)
        assert described.exit_code == 0, described.output
        assert datasets.get(name).SUMMARY in described.output
    assert "lineStrokes" in vrnn_data("info", "iam_ondb").output


def test_prepare_says_what_it_read_and_what_it_skipped(tmp_path):
    (tmp_path / "texts").mkdir()
    for i in range(4):
        (tmp_path / "texts" / f"{i}.txt").write_text(f"the text number {i}\n" * 9)
    (tmp_path / "texts" / "bad.txt").write_bytes(b"caf\xe9")
    arguments = ["--data-dir", tmp_path / "texts", "--prepared-dir", tmp_path / "prepared"]
    result = vrnn_data("prepare", "text_file", *arguments)
    assert result.exit_code == 0, result.output
    assert "records in train" in result.output
    assert "text_file: 1 skipped" in result.output
    assert re.search(r"vrnn: warning: skipped .*bad.txt", result.stderr)
    result = vrnn_data("prepare", "text_file", *arguments, "--strict")
    assert result.exit_code == 2
    assert re.search(r"bad.txt is malformed", result.stderr)
