"""An export as a folder: what is written, refused and replaced."""

import pytest

from tiny_exports import ARGUMENTS
from vrnn_tf.export import export, exporter, metadata


def test_the_folder_holds_every_file(directory):
    names = {path.name for path in directory.iterdir()}
    assert names == {
        "model.keras",
        "saved_model",
        "model.tflite",
        "model_int8.tflite",
        "metadata.json",
    }
    assert [path.name for path in (directory / "saved_model").iterdir()] == ["1"]
    assert not [path for path in directory.parent.iterdir() if path.name.startswith(".")]


def test_a_folder_of_others_is_not_touched(model, tmp_path):
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(ValueError, match=r"is not empty and is not an earlier export"):
        export(model, tmp_path, **ARGUMENTS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    file = tmp_path / "thesis.tex"
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=r"is a file. Choose a folder"):
            export(model, file, overwrite=overwrite, **ARGUMENTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_steps": 0}, r"`max_steps` must be an integer >= 1"),
        ({"quantize": "int3"}, r"`quantize` must be one of \['none', 'float16', 'int8', 'int4'\]"),
        ({"normalization": {"mean": [0.0]}}, r"has name, mean and std"),
        ({"units": None}, r"'units' in the metadata of this export must be a text"),
    ],
)
def test_wrong_export_arguments_are_explained(model, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        export(model, tmp_path / "out", **{**ARGUMENTS, **changes})
    assert not list(tmp_path.iterdir())


def test_a_failed_export_leaves_the_earlier_one(copy, model, monkeypatch, no_saved_model):
    before = (copy / "metadata.json").read_bytes()

    def fail(*args):
        raise ValueError("no operator")

    monkeypatch.setattr(exporter, "write_tflite", fail)
    with pytest.raises(ValueError, match="no operator"):
        export(model, copy, **ARGUMENTS)
    assert (copy / "metadata.json").read_bytes() == before
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


@pytest.fixture
def no_saved_model(monkeypatch):
    """Skips what takes seconds and is not the point."""
    monkeypatch.setattr(exporter, "write_saved_model", lambda model, signatures, path: path)


def test_an_earlier_export_is_replaced(copy, model, tmp_path, no_saved_model):
    (copy / "notes.txt").write_text("old")
    export(model, copy, quantize=(), **{**ARGUMENTS, "max_steps": 5})
    assert {path.name for path in copy.iterdir()} == {"model.keras", "metadata.json"}
    assert metadata.read(copy / "metadata.json")["max_steps"] == 5
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_overwrite_replaces_anything(model, tmp_path, no_saved_model):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "other.txt").write_text("other")
    export(model, tmp_path / "out", quantize=(), overwrite=True, **ARGUMENTS)
    assert not (tmp_path / "out" / "other.txt").exists()
