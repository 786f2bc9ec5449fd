"""Links, pipes and odd names in the folder of a user."""

import os
from pathlib import Path

import pytest

from number_files import GOOD, write
from vrnn_tf.train.datasets.builders.carving import carve
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning


def test_linked_folders_are_followed_once_and_dead_links_skipped(folder, tmp_path, prepare):
    (folder / "train" / "more").symlink_to(write(tmp_path / "far", c=GOOD) / "train")
    (folder / "train" / "round").symlink_to(folder / "train")
    (folder / "train" / "dead.num").symlink_to(tmp_path / "nowhere.num")
    with pytest.warns(SkippedFileWarning, match="dead.num"):
        builder = prepare(folder)
    assert {record["text"] for record in builder.records("train")} == {b"a", b"b", b"c"}


def test_pipes_are_not_read_and_names_need_not_be_utf8(folder, prepare):
    os.mkfifo(folder / "train" / "pipe.num")
    name = os.fsencode(folder / "train") + b"/caf\xe9.num"
    Path(os.fsdecode(name)).write_text(GOOD)
    assert prepare(folder).facts()["records"]["train"] == 6
    Path(os.fsdecode(name)).write_text("x")
    with pytest.warns(SkippedFileWarning, match=r"caf.*e9.num"):
        prepare(folder)
    assert carve({os.fsdecode(b"\xe9"): 1, "b": 1}, 0.5)
