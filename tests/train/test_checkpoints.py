"""Checkpoints are whole or missing, the newest two stay, and runs go on from them bit for bit."""

import dataclasses
import errno
import shutil

import keras
import numpy as np
import pytest

from tiny_runs import CONFIG, Killed, assert_same_run, kill_at, train
from vrnn_tf import files
from vrnn_tf.train import callbacks, checkpoints, plan, run
from vrnn_tf.train.checkpoints import Progress


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of 3 epochs of 6 steps that never stopped."""
    out = tmp_path_factory.mktemp("checkpoints") / "whole"
    train(out, checkpoint_every=4)
    assert checkpoints.newest(out)[1].step == 18
    return out


@pytest.mark.parametrize(
    "kills",  # steps that a run takes, and the step of the checkpoint that it leaves
    [
        ((5, 4), (7, 8)),
        # Before the first checkpoint; twice in the same epoch; twice after the same checkpoint.
        pytest.param(((3, None), (5, 4), (3, 6), (3, 8), (1, 8), (7, 12)), marks=pytest.mark.slow),
    ],
)
def test_a_run_goes_on_from_the_middle_of_an_epoch_to_the_same_bits(
    kills, whole, tmp_path, monkeypatch
):
    out = tmp_path / "run"
    for taken, saved in kills:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_at(patch, taken)
            train(out, checkpoint_every=4, resume=True)
        checkpoint = checkpoints.newest(out)
        assert saved == (checkpoint and checkpoint[1].step)
    train(out, checkpoint_every=5, resume=True)
    assert_same_run(whole, out)
    for name in ("summary.json", "model.keras"):
        assert (out / name).exists()
    a, b = (keras.saving.load_model(folder / "model.keras") for folder in (whole, out))
    for one, other in zip(a.weights, b.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    a, b = (files.read_json(folder / "summary.json") for folder in (whole, out))
    assert {**a, "seconds": 0} == {**b, "seconds": 0}
    for picture in (whole / "pictures").iterdir():
        assert picture.read_bytes() == (out / "pictures" / picture.name).read_bytes()


@pytest.mark.slow
def test_the_newest_two_are_kept_and_a_damaged_one_is_passed_over(whole, tmp_path):
    out = shutil.copytree(whole, tmp_path / "run")
    names = sorted(path.name for path in (out / "checkpoints").iterdir())
    assert names == ["0000000016", "0000000018"]
    model = out / "checkpoints" / names[1] / "model.keras"
    content = model.read_bytes()
    model.write_bytes(content[:-100] + bytes(100))
    with pytest.warns(checkpoints.RunWarning, match=r"0018/model.keras is damaged.*0016 instead"):
        assert checkpoints.newest(out)[1].step == 16
    with pytest.warns(checkpoints.RunWarning, match="damaged"):
        train(out, checkpoint_every=4, resume=True)
    assert_same_run(whole, out)
    for name in names:
        (out / "checkpoints" / name / "progress.json").write_text("{}")
    with pytest.raises(ValueError, match=r"No checkpoint is whole.*Start a new run"):
        checkpoints.newest(out)


@pytest.mark.slow
def test_a_full_disk_stops_the_run_and_leaves_what_there_is(whole, tmp_path, monkeypatch):
    out, save = tmp_path / "run", keras.Model.save
    left = [4]

    def save_while_there_is_room(self, path, *arguments, **options):
        save(self, path, *arguments, **options)
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left on device"):
        patch.setattr(keras.Model, "save", save_while_there_is_room)
        train(out, checkpoint_every=4)
    assert checkpoints.newest(out)[1].step == 8
    assert not list((out / "checkpoints").glob(f"{checkpoints._PREFIX}*"))
    assert run.load(out).model.count_params()
    train(out, checkpoint_every=4, resume=True)
    assert_same_run(whole, out)


@pytest.mark.slow
def test_a_run_killed_in_its_first_write_starts_again(whole, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    left = [out / name for name in (".config-a1b2.json", ".model-c3d4.keras")]
    for path in left:
        path.write_text("half")
    (out / ".notes").write_text("mine")
    with pytest.raises(ValueError, match="not empty and is not a run folder"):
        train(out, checkpoint_every=4, resume=True)
    (out / ".notes").unlink()
    train(out, checkpoint_every=4, resume=True)
    assert_same_run(whole, out)
    assert not any(path.exists() for path in left)


@pytest.mark.slow
def test_a_run_killed_between_an_epoch_and_its_checkpoint_misses_no_picture(
    whole, tmp_path, monkeypatch
):
    out = tmp_path / "run"

    class Kill(callbacks.SampleDrawer):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise Killed
            super().on_epoch_end(epoch, logs)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(callbacks, "SampleDrawer", Kill)
        train(out, checkpoint_every=4)
    train(out, checkpoint_every=4, resume=True)
    assert_same_run(whole, out)
    names = [sorted(path.name for path in (run / "pictures").iterdir()) for run in (whole, out)]
    assert names[0] == names[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"step": "18"},
        {"epoch": 2},
        {"batch": -1},
        {"batch": True},
        {"rows": None},
        {"before": {"val_elbo": "high"}},
        {"metrics": 3},
        {"more": 1},
    ],
    ids=str,
)
def test_progress_that_is_none_is_passed_over(whole, tmp_path, changes):
    out = shutil.copytree(whole, tmp_path / "run")
    path = out / "checkpoints" / "0000000018" / "progress.json"
    files.write_json(path, {**files.read_json(path), **changes})
    with pytest.warns(checkpoints.RunWarning, match="does not say how far"):
        assert checkpoints.newest(out)[1].step == 16


def test_what_a_kill_left_unfinished_is_cleaned_up(whole, tmp_path):
    out = shutil.copytree(whole, tmp_path / "run")
    leftover = out / "checkpoints" / f"{checkpoints._PREFIX}abc"
    leftover.mkdir()
    (leftover / "model.keras").write_bytes(b"half")
    path, progress = checkpoints.newest(out)
    later = dataclasses.replace(progress, step=19)
    checkpoints.write(out, keras.saving.load_model(path), later)
    assert checkpoints.newest(out)[1] == later and not leftover.exists()
    checkpoints.remove(out)
    assert not (out / "checkpoints").exists()


def test_metrics_survive_exactly():
    model = plan.new_model(CONFIG, plan.load_splits(CONFIG).medium)
    plan.compile_model(model, CONFIG, 5)
    variables = [v for metric in model.metrics for v in metric.variables]
    values = np.random.default_rng(0).normal(size=len(variables)).astype("float32") * 1e4
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    progress = Progress(1, 0, 1, [], {}, checkpoints.metrics_of(model))
    for variable in variables:
        variable.assign(0.0)
    checkpoints.restore_metrics(model, progress.metrics)
    np.testing.assert_array_equal([np.array(v) for v in variables], values)
