"""Tiny Shakespeare is one file, split as its distributor does."""

import pathlib

import pytest

from vrnn_tf.train.datasets.tiny_shakespeare import TinyShakespeare

DATA = pathlib.Path(__file__).parents[3].parent / "shared" / "data" / "tiny_shakespeare"


@pytest.mark.parametrize("content", [b"", b"To be, or not to be", "Être".encode("latin-1")])
def test_tiny_shakespeare_is_one_file_and_no_other(tmp_path, content):
    assert TinyShakespeare.name == "tiny_shakespeare"
    with pytest.raises(ValueError, match="input.txt is missing in .*data info tiny_shakespeare"):
        TinyShakespeare.prepare(tmp_path, tmp_path / "prepared")
    (tmp_path / "input.txt").write_bytes(content)
    with pytest.raises(ValueError, match="input.txt is not the file that is expected.*text_file"):
        TinyShakespeare.prepare(tmp_path, tmp_path / "prepared")


@pytest.mark.skipif(not DATA.is_dir(), reason="the development data are not here")
@pytest.mark.parametrize("download", [False, True])
def test_tiny_shakespeare_is_split_as_its_distributor_does(tmp_path, monkeypatch, download):
    ((name, (_, digest)),) = TinyShakespeare.DOWNLOADS.items()
    original = (DATA / name).read_text(encoding="utf-8")
    monkeypatch.setattr(TinyShakespeare, "DOWNLOADS", {name: ((DATA / name).as_uri(), digest)})
    source = None if download else DATA
    builder = TinyShakespeare.prepare(source, tmp_path, sequence_length=100)
    texts = [
        "".join(builder.medium().decode(x) for x in builder.all_sequences(split))
        for split in ("train", "validation", "test")
    ]
    assert "".join(texts) == original and len(original) == 1_115_394
    assert [len(part) for part in texts] == [1_003_854, 55_770, 55_770]
    assert len(builder.medium().charset) == 65
    assert builder.facts()["skipped"]["count"] == 0
