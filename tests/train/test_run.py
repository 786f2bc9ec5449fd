"""Runs leave what they should, resume to the same numbers, and never save what is not finite."""

import csv
import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tiny_runs import CONFIG, Killed, assert_same_run, kill_at, train, train_text, write_text
from vrnn_tf import files
from vrnn_tf.train import callbacks, checkpoints, datasets, plan, run


def test_a_run_folder_is_complete(demo_run):
    names = {path.name for path in demo_run.iterdir()}
    assert {"model.keras", "checkpoints", "config.json", "metadata.json", "summary.json"} <= names
    assert len(list((demo_run / "pictures").glob("epoch_*.png"))) == 3
    with open(demo_run / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for row in rows:
        values = {name: float(value) for name, value in row.items()}
        assert values["val_elbo"] == pytest.approx(-values["val_nll"] - values["val_kl"], rel=1e-4)
    summary = json.loads((demo_run / "summary.json").read_text())
    best = max(float(row["val_elbo"]) for row in rows)
    assert summary["after"]["val_elbo"] == pytest.approx(best)
    assert summary["after"]["val_elbo"] > summary["before"]["val_elbo"]
    metadata = json.loads((demo_run / "metadata.json").read_text())
    assert metadata["versions"]["keras"] == keras.__version__
    assert len(metadata["data_sha256"]) == 64


def test_the_saved_model_is_the_best_one(demo_run):
    loaded = run.load(demo_run)
    assert loaded.config == CONFIG
    splits = datasets.get(CONFIG.dataset).load(40, 10, 0, **CONFIG.dataset_options)
    _, validation = plan.make_batches(CONFIG, splits, loaded.normalization, loaded.model)
    bound = loaded.model.evaluate(validation.dataset(), verbose=0, return_dict=True)["elbo"]
    summary = json.loads((demo_run / "summary.json").read_text())
    assert bound == pytest.approx(summary["after"]["val_elbo"], rel=1e-5)


@pytest.mark.slow
def test_a_run_keeps_the_weights_that_are_best_by_its_own_bound(tmp_path):
    bound = {"name": "fivo", "num_samples": 2}
    summary = train(tmp_path / "run", model={**CONFIG.model, "bound": bound}, epochs=2)
    assert summary["bound"] == "val_fivo"
    with open(tmp_path / "run" / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"epoch", "loss", "fivo", "val_loss", "val_fivo"}
    assert summary["after"]["val_fivo"] == max(float(row["val_fivo"]) for row in rows)
    resumed = train(tmp_path / "run", model={**CONFIG.model, "bound": bound}, epochs=2, resume=True)
    assert resumed["after"] == summary["after"]


class StopAfterTwo(callbacks.SampleDrawer):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_an_epoch_under_way_is_left_if_fewer_are_wanted_now(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, 9)  # of 6 steps an epoch
        train(tmp_path / "run", checkpoint_every=4)
    assert checkpoints.newest(tmp_path / "run")[1].step == 8
    with pytest.warns(checkpoints.RunWarning, match="epochs was 3, now 1"):
        summary = train(tmp_path / "run", epochs=1, resume=True, accept_changes=True)
    assert summary["epochs"] == 1


@pytest.mark.slow
def test_a_stopped_and_resumed_run_ends_like_one_that_never_stopped(
    demo_run, tmp_path, monkeypatch
):
    out = tmp_path / "resumed"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(callbacks, "SampleDrawer", StopAfterTwo)
        train(out)
    assert run.load(out).model.count_params() == run.load(demo_run).model.count_params()
    train(out, resume=True)
    assert_same_run(demo_run, out)


def test_stopping_in_the_first_epoch_leaves_a_usable_run(tmp_path, monkeypatch):
    class StopAtOnce(callbacks.NonFiniteGuard):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(callbacks, "NonFiniteGuard", StopAtOnce)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run")
    assert len(run.load(tmp_path / "run").model.generate(2, 5)) == 2


def test_what_cannot_start_leaves_the_old_run_alone(demo_run, monkeypatch):
    before = (demo_run / "model.keras").read_bytes()
    with pytest.raises(ValueError, match="`option of synthetic_handwriting` must be one of"):
        train(demo_run, overwrite=True, dataset_options={"font": "scripts"})
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ValueError, match="--tensorboard needs the package tensorboard"):
        run.train(CONFIG, demo_run, overwrite=True, tensorboard=True)
    assert (demo_run / "model.keras").read_bytes() == before


def test_precision_of_matrix_products_is_that_of_the_run_and_ends_with_it():
    a, b = np.random.default_rng(0).normal(size=(2, 64, 64)).astype("float32")
    exact = np.maximum(a, 0.0).astype("float64") @ b

    def error():
        product = tf.function(lambda a, b: tf.matmul(tf.nn.relu(a), b) + 1.0)(a, b)
        return np.abs(product - exact - 1.0).max()

    assert error() < 1e-4
    with pytest.raises(KeyError), run._matmul_precision("bfloat16"):
        rounded = error()
        raise KeyError
    assert error() < 1e-4
    processor = Path("/proc/cpuinfo")
    if processor.exists() and "avx512_bf16" in processor.read_text():
        assert 1e-3 < rounded < 2.0**-5 * np.abs(exact).max()
    with run._matmul_precision("float32"):
        assert error() < 1e-4


@pytest.mark.slow
def test_a_run_in_chunks_resumes_to_the_same_numbers_and_knows_its_data(
    text_run, tmp_path, monkeypatch
):
    shutil.copytree(text_run.parent / "text", tmp_path / "text")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(callbacks, "SampleDrawer", StopAfterTwo)
        train_text(tmp_path / "text", tmp_path / "part")
    elsewhere = (tmp_path / "text").rename(tmp_path / "moved")
    train_text(elsewhere, tmp_path / "part", resume=True)
    assert_same_run(text_run, tmp_path / "part")
    write_text(elsewhere / "a.txt", lines=61)
    with pytest.raises(ValueError, match="the data had 25 training.*--accept-changes"):
        train_text(elsewhere, tmp_path / "part", resume=True)


def test_the_parameters_are_what_is_trained(text_run):
    """Counts the weights of `text_run` by hand; states that chunks carry on do not count."""
    symbols = run.load(text_run).model.likelihood.num_symbols
    gaussian = 2 * (6 * 3 + 3)
    phi_x, phi_z = symbols * 4 + 4 * 6 + 6, 3 * 6 + 6
    prior, posterior = 8 * 6 + 6 + gaussian, (6 + 8) * 6 + 6 + gaussian
    decoder, gru = (6 + 8) * 6 + 6 + 6 * symbols + symbols, 3 * 8 * (6 + 6 + 8 + 2)
    total = phi_x + phi_z + prior + posterior + decoder + gru
    assert files.read_json(text_run / "summary.json")["parameters"] == total


def test_a_resumed_run_misses_no_file_silently(text_run, tmp_path):
    out = tmp_path / "whole"
    shutil.copytree(text_run, out)
    for name in ("history.csv", "summary.json"):  # the checkpoint has what they hold
        (out / name).unlink()
    train_text(text_run.parent / "text", out, resume=True)
    assert_same_run(text_run, out)
    (out / "model.keras").unlink()
    with pytest.raises(ValueError, match=r"model.keras, the best model so far, is missing"):
        train_text(text_run.parent / "text", out, resume=True)
    shutil.rmtree(out)
    shutil.copytree(text_run, out)
    metadata = files.read_json(out / "metadata.json")
    del metadata["longest_sequence"]
    files.write_json(out / "metadata.json", metadata)
    with pytest.raises(ValueError, match="metadata.json lacks 'longest_sequence'"):
        run.load(out)


def test_the_summary_is_in_the_units_it_says(demo_run, text_run):
    for out in (demo_run, text_run):
        loaded, summary = run.load(out), files.read_json(out / "summary.json")
        splits = plan.load_splits(loaded.config)
        steps = np.mean([len(x) for x in splits.validation])
        best = summary["after"]["val_elbo"]
        assert summary["after_nats_per_step"] == pytest.approx(best / steps)
        # A density of raw x is that of the normalised x over the product of all std.
        std = np.prod(loaded.normalization.std)
        assert summary["raw_unit_offset"] == pytest.approx(-steps * np.log(std))
