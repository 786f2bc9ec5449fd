"""The configuration that `vrnn train` hands over, and what it says afterwards."""

import dataclasses

import pytest
from typer.testing import CliRunner

from vrnn_tf import cli, files
from vrnn_tf.train import run
from vrnn_tf.train.config import TrainConfig, defaults

SUMMARY = {
    "bound": "val_elbo",
    "before": {"val_elbo": -20.0},
    "after": {"val_elbo": 10.0},
    "raw_unit_offset": -4.0,
    "baselines": {"iid Gaussian": -9.0, "AR(2) Gaussian": 3.25},
    "best_epoch": 7,
}


@pytest.fixture
def calls(monkeypatch):
    """What `run.train` was called with; it returns a summary at once."""
    calls = []

    def train(config, out, **options):
        calls.append((config, out, options))
        return SUMMARY

    monkeypatch.setattr(run, "train", train)
    return calls


def vrnn_train(*arguments):
    result = CliRunner().invoke(cli.app, ["train", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result


def test_a_preset_without_options_is_trained_as_it_is(calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vrnn_train("demo")
    ((config, out, options),) = calls
    assert config == defaults("demo")
    assert str(out) == "runs/demo"
    assert options.pop("verbose") == 2
    assert options == {
        "resume": False,
        "overwrite": False,
        "tensorboard": False,
        "accept_changes": False,
        "repeat_of": None,
        "strategy": "none",
    }


def test_options_change_the_preset(calls, tmp_path):
    model = ["--model", "latent_size=0", "--model", "recurrent_cell=lstm"]
    data = ["--data", "max_words=1"]
    vrnn_train("demo", "--out", tmp_path, "--epochs", 2, "--strict", *model, *data, "--overwrite")
    ((config, out, options),) = calls
    preset = defaults("demo")
    assert config == dataclasses.replace(
        preset,
        epochs=2,
        strict=True,
        model={**preset.model, "latent_size": 0, "recurrent_cell": "lstm"},
        dataset_options={**preset.dataset_options, "max_words": 1},
    )
    assert out == tmp_path
    assert options["overwrite"] is True


def test_another_data_set_leaves_the_data_options_of_the_preset(calls, tmp_path):
    vrnn_train("demo", "--dataset", "strokes", "--data-dir", tmp_path, "--out", tmp_path / "run")
    ((config, _, _),) = calls
    assert config == dataclasses.replace(defaults("demo", "strokes"), data_dir=str(tmp_path))
    assert config.dataset_options == {}


def saved_run(folder):
    config = TrainConfig(preset="char", dataset="tiny_shakespeare", epochs=5, model={"dropout": 0})
    files.write_json(folder / "config.json", config.to_dict())
    return config


def test_resuming_takes_the_configuration_from_the_run(calls, tmp_path):
    saved = saved_run(tmp_path)
    options = ["--epochs", 6, "--model", "latent_size=1", "--dataset", "text_file"]
    vrnn_train("char", "--out", tmp_path, "--resume", *options)
    ((config, _, given),) = calls
    model = {"dropout": 0, "latent_size": 1}
    assert config == dataclasses.replace(saved, epochs=6, model=model, dataset="text_file")
    assert given["resume"] is True


def test_a_run_is_repeated_with_changes(calls, tmp_path):
    saved = saved_run(tmp_path)
    vrnn_train("--from", tmp_path, "--out", tmp_path / "again", "--deterministic")
    ((config, out, options),) = calls
    assert config == dataclasses.replace(saved, deterministic=True)
    assert (out, options["repeat_of"]) == (tmp_path / "again", tmp_path)


def test_the_outcome_is_one_sentence_on_bounds_and_baselines(calls, tmp_path, monkeypatch):
    line = vrnn_train("demo", "--out", tmp_path).output.strip()
    assert line == (
        f"{tmp_path}: the validation bound was -20.0 nats per sequence before training and is 10.0 "
        "(6.0 in raw units) after epoch 7. Simple baselines reach: iid Gaussian -9.0, "
        "AR(2) Gaussian 3.2."
    )
    monkeypatch.setitem(SUMMARY, "raw_unit_offset", 0.0)
    assert "raw units" not in vrnn_train("demo", "--out", tmp_path).output


def test_ctrl_c_leaves_a_usable_run_and_says_how_to_go_on(tmp_path, monkeypatch):
    def interrupted(config, out, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "train", interrupted)
    arguments = ["train", "demo", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(cli.app, arguments)
    assert (result.exit_code, result.stderr) == (130, "\nStopped. Nothing was saved.\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.keras").touch()
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 130
    assert "run holds a usable run. Continue it with --resume." in result.stderr
