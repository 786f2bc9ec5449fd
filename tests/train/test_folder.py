"""Run folders are not overwritten by accident, are removed as a whole, and name their damage."""

import shutil

import pytest

from tiny_runs import CONFIG, train
from vrnn_tf import files
from vrnn_tf.train import folder, run
from vrnn_tf.train.checkpoints import Progress


def test_folders_are_not_overwritten_without_saying_so(demo_run, tmp_path):
    before = (demo_run / "model.keras").read_bytes()
    with pytest.raises(ValueError, match="already holds a run.*--resume.*--overwrite"):
        train(demo_run)
    assert (demo_run / "model.keras").read_bytes() == before
    with pytest.raises(ValueError, match="epochs was 3, now 4"):
        train(demo_run, resume=True, epochs=4)
    (tmp_path / "thesis.txt").write_text("mine")
    for choice in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(ValueError, match="not empty and is not a run folder"):
            train(tmp_path, **choice)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.slow
def test_overwriting_replaces_the_run_and_nothing_else(demo_run, tmp_path):
    shutil.copytree(demo_run, tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    summary = train(tmp_path / "run", overwrite=True, epochs=1, seed=1)
    assert summary["epochs"] == 1
    assert run.load(tmp_path / "run").config.seed == 1
    pictures = sorted(path.name for path in (tmp_path / "run" / "pictures").iterdir())
    assert pictures == ["epoch_001.png"]
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_damaged_runs_are_named(demo_run, tmp_path):
    with pytest.raises(ValueError, match="not a run folder: config.json is missing"):
        run.load(tmp_path)
    for name in folder.FILES:
        (tmp_path / name).write_bytes((demo_run / name).read_bytes())
    whole = (demo_run / "model.keras").read_bytes()
    for damaged in (b"", whole[:500], whole[:200] + bytes(400) + whole[600:]):
        (tmp_path / "model.keras").write_bytes(damaged)
        with pytest.raises(ValueError, match="model.keras is not a model that can be loaded"):
            run.load(tmp_path)
    (tmp_path / "model.keras").write_bytes(whole)
    metadata = files.read_json(demo_run / "metadata.json")
    figures = {"name": "none", "mean": [0.0], "std": [1.0]}
    for other, message in (
        ({"medium": {"kind": "audio"}}, "describes audio that the model .* was not trained on"),
        ({"normalization": figures}, "describes strokes that the model .* was not trained on"),
        ({"longest_sequence": "9"}, "`longest_sequence` must be an integer >= 1"),
    ):
        files.write_json(tmp_path / "metadata.json", {**metadata, **other})
        with pytest.raises(ValueError, match=message):
            run.load(tmp_path)


def test_what_a_kill_left_unfinished_is_removed_when_the_run_goes_on(tmp_path):
    """Pictures too, which lie in a folder below."""
    (tmp_path / "pictures").mkdir()
    names = (".config-a1b2.json", ".model-c3d4.keras", "pictures/.epoch_002-e5f6.png")
    left = [tmp_path / name for name in names]
    others = [tmp_path / "pictures" / name for name in ("epoch_001.png", ".thumbnail.png")]
    for path in (*left, *others):
        path.write_bytes(b"half")
    start = Progress(step=0, epoch=0, batch=0, rows=[], before={}, metrics=[])
    folder.begin(tmp_path, {}, {}, start, {})
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)


def test_a_trained_run_without_checkpoints_is_not_begun_anew(demo_run, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(demo_run, out)
    shutil.rmtree(out / "checkpoints")
    before = (out / "model.keras").read_bytes()
    with pytest.raises(ValueError, match="no checkpoints to go on from. Restore checkpoints/"):
        train(out, resume=True)
    assert (out / "model.keras").read_bytes() == before
    folder.check_writable(out, CONFIG, resume=True, overwrite=True, accept_changes=False)
