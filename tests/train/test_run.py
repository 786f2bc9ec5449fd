"""Runs: what a folder holds, what is refused, what resuming gives, and what is never saved."""

import csv
import dataclasses
import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from tensorboard.compat.proto import event_pb2

from tiny_runs import CONFIG, assert_same_run, train
from vrnn_tf import files, likelihoods, media, presets
from vrnn_tf.model.vrnn import VRNN
from vrnn_tf.tasks import analysis
from vrnn_tf.train import (
    callbacks,
    checkpoints,
    config,
    datasets,
    evaluation,
    pipeline,
    plan,
    run,
)
from vrnn_tf.train import folder as run_folder
from vrnn_tf.train.baselines import baselines


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "whole"
    train(out)
    return out


def test_a_run_folder_is_complete(folder):
    names = {path.name for path in folder.iterdir()}
    assert {"model.keras", "checkpoints", "config.json", "metadata.json", "summary.json"} <= names
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


@pytest.mark.slow
def test_runs_are_compared_on_the_same_sequences(folder, tmp_path):
    twin = tmp_path / "twin"
    train(twin, model={**CONFIG.model, "latent_size": 0}, normalization="per_dimension", epochs=1)
    result = run.evaluate(folder, "validation", beside=[twin, folder])
    alone = run.evaluate(twin, "validation")
    found = result["difference_to"][str(twin)]
    means = [r["raw"]["nats_per_sequence"]["mean"] for r in (result, alone)]
    assert found["mean"] == pytest.approx(means[0] - means[1], rel=1e-5)
    assert found["bound"] == "exact"
    assert 0.0 < found["standard_error"] < alone["raw"]["nats_per_sequence"]["standard_error"]
    itself = result["difference_to"][str(folder)]
    assert (itself["mean"], itself["standard_error"]) == (0.0, 0.0)
    other = tmp_path / "other"
    train(other, dataset_options={**CONFIG.dataset_options, "max_words": 2}, epochs=1)
    with pytest.raises(ValueError, match="other cannot be compared: its validation split of synth"):
        run.evaluate(folder, "validation", beside=[other])
    loaded, found = run.load_with_data(folder, "validation")
    model = VRNN({"name": "discretized_logistic_mixture", "event_size": 3})
    levels = dataclasses.replace(loaded, model=model)
    with pytest.raises(ValueError, match="a density, the other probabilities"):
        evaluation._check_comparable(other, levels, found, loaded, found)


def test_the_saved_model_is_the_best_one(folder):
    loaded = run.load(folder)
    assert loaded.config == CONFIG
    splits = datasets.get(CONFIG.dataset).load(40, 10, 0, **CONFIG.dataset_options)
    _, validation = plan.make_batches(CONFIG, splits, loaded.normalization, loaded.model)
    bound = loaded.model.evaluate(validation.dataset(), verbose=0, return_dict=True)["elbo"]
    summary = json.loads((folder / "summary.json").read_text())
    assert bound == pytest.approx(summary["after"]["val_elbo"], rel=1e-5)


def test_evaluation_of_a_run(folder):
    summary = json.loads((folder / "summary.json").read_text())
    result = run.evaluate(folder, "validation", repeats=8)
    assert (result["num_sequences"], result["bound"], result["exact"]) == (10, "elbo", False)
    nats, raw = result["nats_per_sequence"], result["raw"]["nats_per_sequence"]
    assert abs(nats["mean"] - summary["after"]["val_elbo"]) < 10.0 * nats["noise_error"] * 8**0.5
    assert raw["mean"] - nats["mean"] == pytest.approx(summary["raw_unit_offset"], rel=1e-4)
    tighter = run.evaluate(folder, "validation", "fivo", 16)
    assert tighter["bound"] == "fivo-16"
    assert tighter["nats_per_sequence"]["mean"] > nats["mean"]
    again = run.evaluate(folder, "validation", "fivo", 16, dataset=CONFIG.dataset)
    assert again == tighter
    with pytest.raises(ValueError, match="`split` must be one of"):
        run.evaluate(folder, "holdout")
    with pytest.raises(ValueError, match="does not describe"):
        run.evaluate(folder, dataset="tiny_shakespeare")


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


def logged(folder):
    """`{name: [values of TensorBoard's tensors]}` of the summaries about z."""
    found = {}
    for path in sorted((folder / "tensorboard" / "latent").iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            for value in event_pb2.Event.FromString(record.numpy()).summary.value:
                found.setdefault(value.tag, []).append(tf.make_ndarray(value.tensor))
    return found


@pytest.mark.slow
def test_tensorboard_shows_samples_and_the_kl(tmp_path):
    out = tmp_path / "run"
    run.train(dataclasses.replace(CONFIG, epochs=2), out, tensorboard=True, verbose=0)
    found = logged(out)
    assert set(found) == {"samples", "kl_per_step", "kl_per_dimension"}
    width, height, *pictures = found["samples"][1]
    assert int(width) > 0 and int(height) > 0 and pictures[0][:4] == b"\x89PNG"
    loaded, data = run.load_with_data(out, "validation")
    loaded.model.load_weights(checkpoints.newest(out)[0])
    traces = [analysis.trace(loaded.model, x, i) for i, x in enumerate(data.sequences[:8])]
    buckets = found["kl_per_step"][1]  # [left, right, count]
    nats = np.concatenate([t.kl for t in traces])
    assert buckets[:, 2].sum() == len(nats)
    assert buckets[0, 0] == pytest.approx(nats.min(), rel=1e-3)
    assert buckets[-1, 1] == pytest.approx(nats.max(), rel=1e-3)


class StopAfterTwo(callbacks.DrawSamples):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_stopped_and_resumed_run_ends_like_one_that_never_stopped(folder, tmp_path, monkeypatch):
    out = tmp_path / "resumed"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(callbacks, "DrawSamples", StopAfterTwo)
        train(out)
    assert run.load(out).model.count_params() == run.load(folder).model.count_params()
    train(out, resume=True)
    assert_same_run(folder, out)


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
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_folders_are_not_overwritten_without_saying_so(folder, tmp_path):
    before = (folder / "model.keras").read_bytes()
    with pytest.raises(ValueError, match="already holds a run.*--resume.*--overwrite"):
        train(folder)
    assert (folder / "model.keras").read_bytes() == before
    with pytest.raises(ValueError, match="epochs was 3, now 4"):
        train(folder, resume=True, epochs=4)
    (tmp_path / "thesis.txt").write_text("mine")
    for choice in ({"overwrite": True}, {"resume": True}):
        with pytest.raises(ValueError, match="not empty and is not a run folder"):
            train(tmp_path, **choice)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_what_cannot_start_leaves_the_old_run_alone(folder, monkeypatch):
    before = (folder / "model.keras").read_bytes()
    with pytest.raises(ValueError, match="`option of synthetic_handwriting` must be one of"):
        train(folder, overwrite=True, dataset_options={"font": "scripts"})
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ValueError, match="--tensorboard needs the package tensorboard"):
        run.train(CONFIG, folder, overwrite=True, tensorboard=True)
    assert (folder / "model.keras").read_bytes() == before


@pytest.mark.slow
def test_overwriting_replaces_the_run_and_nothing_else(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "run")
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
    for name in run_folder.FILES:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    whole = (folder / "model.keras").read_bytes()
    for damaged in (b"", whole[:500], whole[:200] + bytes(400) + whole[600:]):
        (tmp_path / "model.keras").write_bytes(damaged)
        with pytest.raises(ValueError, match="model.keras is not a model that can be loaded"):
            run.load(tmp_path)
    (tmp_path / "model.keras").write_bytes(whole)
    metadata = files.read_json(folder / "metadata.json")
    figures = {"name": "none", "mean": [0.0], "std": [1.0]}
    for other, message in (
        ({"medium": {"kind": "audio"}}, "describes audio that the model .* was not trained on"),
        ({"normalization": figures}, "describes strokes that the model .* was not trained on"),
        ({"longest_sequence": "9"}, "`longest_sequence` must be an integer >= 1"),
    ):
        files.write_json(tmp_path / "metadata.json", {**metadata, **other})
        with pytest.raises(ValueError, match=message):
            run.load(tmp_path)


@pytest.mark.slow
def test_weight_decay_takes_a_share_of_every_weight():
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    x[..., 2] = 0.0
    ends = []
    for weight_decay in (0.0, 0.5):
        chosen = dataclasses.replace(CONFIG, weight_decay=weight_decay, learning_rate=0.01)
        model = VRNN(latent_size=2, recurrent_units=4, hidden_units=3, seed=0)
        model(x)
        start = [np.array(weight) for weight in model.trainable_weights]
        plan.compile_model(model, chosen, steps_per_epoch=10)
        model.train_on_batch(x)
        ends.append([np.array(weight) for weight in model.trainable_weights])
    for before, without, decayed in zip(start, *ends, strict=True):
        np.testing.assert_allclose(decayed, without - 0.01 * 0.5 * before, atol=1e-6)


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


def test_configurations_round_trip_and_refuse_what_they_do_not_know():
    assert config.TrainConfig.from_dict(json.loads(json.dumps(CONFIG.to_dict()))) == CONFIG
    with pytest.raises(ValueError, match="Did you mean 'epochs'"):
        config.TrainConfig.from_dict({"preset": "demo", "epoch": 3})
    with pytest.raises(ValueError, match="`epochs` must be an integer >= 1"):
        dataclasses.replace(CONFIG, epochs=0)
    with pytest.raises(ValueError, match="`jit_compile` needs matmul_precision 'float32'"):
        dataclasses.replace(CONFIG, jit_compile=True, matmul_precision="bfloat16")
    for name, value in (("model", []), ("strict", 1), ("data_dir", 5), ("learning_rate", "1")):
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            config.TrainConfig.from_dict({**CONFIG.to_dict(), name: value})
    for preset in presets.PRESETS:
        assert config.defaults(preset).preset == preset
    demo, other = config.defaults("demo"), config.defaults("demo", "iam_ondb")
    assert (demo.dataset, demo.num_train) == ("synthetic_handwriting", 6_000)
    assert (other.dataset, other.num_train, other.dataset_options) == ("iam_ondb", None, {})
    assert other.model == demo.model


@pytest.mark.parametrize("preset", config.TRAINING)
def test_every_preset_suits_its_own_data_set(preset):
    base = config.defaults(preset)
    kind = datasets.get(base.dataset).KIND
    likelihood = presets.get(preset)["likelihood"]["name"]
    assert likelihood in likelihoods.describing(kind)


def text_run(folder, out, **changes):
    """A run on a text, with truncated back-propagation through time."""
    arguments = {
        "preset": "char",
        "model": {"latent_size": 3, "recurrent_units": 8, "hidden_units": 6, "embedding_size": 4},
        "dataset": "text_file",
        "dataset_options": {"sequence_length": 50},
        "data_dir": str(folder),
        "prepared_dir": str(out.parent / "prepared"),
        "batch_size": 4,
        "chunk_steps": 20,
        "epochs": 3,
    }
    options = {k: changes.pop(k) for k in ("resume", "overwrite") if k in changes}
    return run.train(config.TrainConfig(**{**arguments, **changes}), out, verbose=0, **options)


def write_text(path, lines=60):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"line {i}: {'to be or not ' * (i % 3)}\n" for i in range(lines)))
    return path


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory):
    """A run of three epochs on a text in `text/`, in chunks."""
    parent = tmp_path_factory.mktemp("text_runs")
    write_text(parent / "text" / "a.txt")
    text_run(parent / "text", parent / "whole")
    return parent / "whole"


@pytest.mark.slow
def test_a_run_in_chunks_resumes_to_the_same_numbers_and_knows_its_data(
    text_folder, tmp_path, monkeypatch
):
    shutil.copytree(text_folder.parent / "text", tmp_path / "text")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(callbacks, "DrawSamples", StopAfterTwo)
        text_run(tmp_path / "text", tmp_path / "part")
    elsewhere = (tmp_path / "text").rename(tmp_path / "moved")
    text_run(elsewhere, tmp_path / "part", resume=True)
    assert_same_run(text_folder, tmp_path / "part")
    write_text(elsewhere / "a.txt", lines=61)
    with pytest.raises(ValueError, match="the data had 25 training.*--accept-changes"):
        text_run(elsewhere, tmp_path / "part", resume=True)


def test_the_parameters_are_what_is_trained(text_folder):
    """Not the states that go on from chunk to chunk; sizes of `text_run`, by hand."""
    symbols = run.load(text_folder).model.likelihood.num_symbols
    gaussian = 2 * (6 * 3 + 3)
    phi_x, phi_z = symbols * 4 + 4 * 6 + 6, 3 * 6 + 6
    prior, posterior = 8 * 6 + 6 + gaussian, (6 + 8) * 6 + 6 + gaussian
    decoder, gru = (6 + 8) * 6 + 6 + 6 * symbols + symbols, 3 * 8 * (6 + 6 + 8 + 2)
    total = phi_x + phi_z + prior + posterior + decoder + gru
    assert files.read_json(text_folder / "summary.json")["parameters"] == total


def test_a_resumed_run_misses_no_file_silently(text_folder, tmp_path):
    out = tmp_path / "whole"
    shutil.copytree(text_folder, out)
    for name in ("history.csv", "summary.json"):  # the checkpoint has what they hold
        (out / name).unlink()
    text_run(text_folder.parent / "text", out, resume=True)
    assert_same_run(text_folder, out)
    (out / "model.keras").unlink()
    with pytest.raises(ValueError, match=r"model.keras, the best model so far, is missing"):
        text_run(text_folder.parent / "text", out, resume=True)
    shutil.rmtree(out)
    shutil.copytree(text_folder, out)
    metadata = files.read_json(out / "metadata.json")
    del metadata["longest_sequence"]
    files.write_json(out / "metadata.json", metadata)
    with pytest.raises(ValueError, match="metadata.json lacks 'longest_sequence'"):
        run.load(out)


def test_states_go_on_from_chunk_to_chunk(text_folder):
    """The bound in chunks is that of whole sequences: evaluation only cuts, it does not forget."""
    loaded = run.load(text_folder)
    assert loaded.medium.kind == "text"
    splits = plan.load_splits(loaded.config)
    _, chunks = plan.make_batches(loaded.config, splits, loaded.normalization, loaded.model)
    found = loaded.model.evaluate(chunks.dataset(), verbose=0, return_dict=True)
    whole = VRNN.from_config({**loaded.model.get_config(), "stateful_batch_size": None})
    kept = [w for w in loaded.model.weights if "training_s" not in w.path]
    kept = [w for w in kept if "evaluation_s" not in w.path]
    for weight, value in zip(whole.weights, kept, strict=True):
        weight.assign(value)
    whole.compile()
    nats = whole.evaluate(
        pipeline.Batches(chunks.sequences, 1).dataset(), verbose=0, return_dict=True
    )
    # The noise of z differs, since rows stand elsewhere in their batches.
    assert found["elbo"] == pytest.approx(nats["elbo"], rel=0.02)


def test_the_summary_is_in_the_units_it_says(folder, text_folder):
    for out in (folder, text_folder):
        loaded, summary = run.load(out), files.read_json(out / "summary.json")
        splits = plan.load_splits(loaded.config)
        steps = np.mean([len(x) for x in splits.validation])
        best = summary["after"]["val_elbo"]
        assert summary["after_nats_per_step"] == pytest.approx(best / steps)
        # A density of raw x is that of the normalised x over the product of all std.
        std = np.prod(loaded.normalization.std)
        assert summary["raw_unit_offset"] == pytest.approx(-steps * np.log(std))


def test_baselines_of_discrete_levels_are_probabilities():
    model = VRNN(
        {"name": "discretized_logistic_mixture", "event_size": 4, "num_components": 1},
        latent_size=0,
        recurrent_units=2,
        hidden_units=2,
    )
    random = np.random.default_rng(0)
    waves = [random.normal(0, 0.1, (500, 4)) for _ in range(4)]
    found = baselines(media.Audio(8_000, 4), waves, waves, model.likelihood.level_width)["iid"]
    edges = (np.arange(65_537) - 32_768) / 32_767.5  # of levels, as wide as they are apart
    levels = np.diff(scipy.stats.norm(0, 0.1).cdf(edges))
    entropy = -(levels * np.log(levels, where=levels > 0, out=np.zeros_like(levels))).sum()
    assert found == pytest.approx(-2_000 * entropy, rel=0.01)


def test_what_the_data_fix_cannot_be_asked_otherwise(text_folder):
    base = run.load(text_folder).config
    asked = {**base.model, "likelihood": {"name": "categorical", "num_classes": 7}}
    with pytest.raises(ValueError, match="The data have num_classes=.*Received 7"):
        plan.new_model(dataclasses.replace(base, model=asked), media.Text("abc"))
    audio = config.defaults("speech")
    levels = {"name": "discretized_logistic_mixture", "num_components": 1}
    wrong = dataclasses.replace(audio, normalization="scalar", model={"likelihood": levels})
    splits = datasets.Splits([np.ones((2, 4))], [np.ones((2, 4))], [], media.Audio(8_000, 4))
    with pytest.raises(ValueError, match="needs normalization 'none'. Received 'scalar'"):
        plan.fit_normalization(wrong, splits, plan.new_model(wrong, splits.medium))


def test_a_data_set_of_another_kind_is_refused(tmp_path):
    wrong = config.defaults("pianoroll", "iam_ondb")  # found out before the data are looked for
    with pytest.raises(ValueError, match=r"holds strokes, which the likelihood 'bernoulli' does"):
        run.train(wrong, tmp_path / "run")
    assert not (tmp_path / "run").exists()
