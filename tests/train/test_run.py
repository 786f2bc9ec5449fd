"""Runs: what a folder holds, what is refused, what resuming gives, and what is never saved."""

import csv
import dataclasses
import json
import sys

import keras
import numpy as np
import pytest

from vrnn_tf.train import callbacks, config, run

CONFIG = config.TrainConfig(
    preset="demo",
    model={"latent_size": 3, "recurrent_units": 8, "hidden_units": 6, "kl_warmup_steps": 5},
    dataset_options={"min_words": 1, "max_words": 1, "points_per_letter": 6.0},
    num_train=40,
    num_validation=10,
    batch_size=8,
    num_buckets=2,
    epochs=3,
)


def train(out, **changes):
    options = {k: changes.pop(k) for k in ("resume", "overwrite") if k in changes}
    return run.train(dataclasses.replace(CONFIG, **changes), out, verbose=0, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "whole"
    train(out)
    return out


def test_a_run_folder_is_complete(folder):
    names = {path.name for path in folder.iterdir()}
    assert {"model.keras", "last.keras", "config.json", "metadata.json", "summary.json"} <= names
    assert len(list((folder / "pictures").glob("epoch_*.png"))) == 3
    with open(folder / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for row in rows:
        values = {name: float(value) for name, value in row.items()}
        assert values["val_elbo"] == pytest.approx(-values["val_nll"] - values["val_kl"], rel=1e-4)
    summary = json.loads((folder / "summary.json").read_text())
    best = max(float(row["val_elbo"]) for row in rows)
    assert summary["after"]["val_elbo"] == pytest.approx(best)
    assert summary["after"]["val_elbo"] > summary["before"]["val_elbo"]
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["versions"]["keras"] == keras.__version__
    assert len(metadata["data_sha256"]) == 64


def test_the_saved_model_is_the_best_one(folder):
    loaded = run.load(folder)
    assert loaded.config == CONFIG
    splits = run.datasets.get(CONFIG.dataset).load(40, 10, 0, **CONFIG.dataset_options)
    _, validation = run._batches(CONFIG, splits, loaded.normalization, loaded.model)
    bound = loaded.model.evaluate(validation.dataset(), verbose=0, return_dict=True)["elbo"]
    summary = json.loads((folder / "summary.json").read_text())
    assert bound == pytest.approx(summary["after"]["val_elbo"], rel=1e-5)


def test_a_stopped_and_resumed_run_ends_like_one_that_never_stopped(folder, tmp_path, monkeypatch):
    class StopAfterTwo(callbacks.DrawSamples):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    out = tmp_path / "resumed"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(callbacks, "DrawSamples", StopAfterTwo)
        train(out)
    assert run.load(out).model.count_params() == run.load(folder).model.count_params()
    train(out, resume=True)
    whole, resumed = (keras.saving.load_model(f / "last.keras") for f in (folder, out))
    for a, b in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.path)
    for a, b in zip(whole.optimizer.variables, resumed.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (folder / "history.csv").read_text() == (out / "history.csv").read_text()


def test_stopping_in_the_first_epoch_leaves_a_usable_run(tmp_path, monkeypatch):
    class StopAtOnce(callbacks.StopOnNonFinite):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(callbacks, "StopOnNonFinite", StopAtOnce)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run")
    assert len(run.load(tmp_path / "run").model.generate(2, 5)) == 2


def test_numbers_that_explode_stop_the_run_and_are_not_saved(tmp_path):
    with pytest.raises(callbacks.NonFiniteError, match=r"epoch 1, batch \d+: .*not finite"):
        train(tmp_path / "run", learning_rate=1e30)
    assert not (tmp_path / "run" / "model.keras").exists()
    assert not (tmp_path / "run" / "last.keras").exists()


def test_folders_are_not_overwritten_without_saying_so(folder, tmp_path):
    before = (folder / "model.keras").read_bytes()
    with pytest.raises(ValueError, match="already holds a run.*--resume.*--overwrite"):
        train(folder)
    assert (folder / "model.keras").read_bytes() == before
    with pytest.raises(ValueError, match="epochs was 3, now 4"):
        train(folder, resume=True, epochs=4)
    with pytest.raises(ValueError, match="holds no run to resume"):
        train(tmp_path, resume=True)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty and is not a run folder"):
        train(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_what_cannot_start_leaves_the_old_run_alone(folder, monkeypatch):
    before = (folder / "model.keras").read_bytes()
    with pytest.raises(ValueError, match="`option of synthetic_handwriting` must be one of"):
        train(folder, overwrite=True, dataset_options={"font": "scripts"})
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ValueError, match="--tensorboard needs the package tensorboard"):
        run.train(CONFIG, folder, overwrite=True, tensorboard=True)
    assert (folder / "model.keras").read_bytes() == before


def test_overwriting_replaces_the_run_and_nothing_else(tmp_path):
    train(tmp_path / "run", epochs=2)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    summary = train(tmp_path / "run", overwrite=True, epochs=1, seed=1)
    assert summary["epochs"] == 1
    assert run.load(tmp_path / "run").config.seed == 1
    pictures = sorted(path.name for path in (tmp_path / "run" / "pictures").iterdir())
    assert pictures == ["epoch_001.png"]
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_damaged_runs_are_named(folder, tmp_path):
    with pytest.raises(ValueError, match="not a run folder: config.json is missing"):
        run.load(tmp_path)
    for name in run.FILES:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    whole = (folder / "model.keras").read_bytes()
    for damaged in (b"", whole[:500], whole[:200] + bytes(400) + whole[600:]):
        (tmp_path / "model.keras").write_bytes(damaged)
        with pytest.raises(ValueError, match="model.keras is not a model that can be loaded"):
            run.load(tmp_path)


def test_configurations_round_trip_and_refuse_what_they_do_not_know():
    assert config.TrainConfig.from_dict(json.loads(json.dumps(CONFIG.to_dict()))) == CONFIG
    with pytest.raises(ValueError, match="Did you mean 'epochs'"):
        config.TrainConfig.from_dict({"preset": "demo", "epoch": 3})
    with pytest.raises(ValueError, match="`epochs` must be an integer >= 1"):
        dataclasses.replace(CONFIG, epochs=0)
    with pytest.raises(ValueError, match="'char' has no data set"):
        config.defaults("char")
    for preset in config.TRAINING:
        assert config.defaults(preset).preset == preset
