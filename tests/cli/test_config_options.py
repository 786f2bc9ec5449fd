"""An option of `vrnn train` for each field of a configuration, and what the command receives."""

import inspect
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from vrnn_tf.cli.config_options import FIELDS, add_config_options, option_name

OPTIONS = {
    **{"model": "--model", "dataset": "--dataset", "dataset_options": "--data"},
    **{"data_dir": "--data-dir", "prepared_dir": "--prepared-dir", "strict": "--strict"},
    **{"data_memory": "--data-memory", "num_train": "--num-train"},
    **{"num_validation": "--num-validation", "normalization": "--normalization"},
    **{"batch_size": "--batch-size", "num_buckets": "--num-buckets"},
    **{"chunk_steps": "--chunk-steps", "epochs": "--epochs", "learning_rate": "--learning-rate"},
    **{"weight_decay": "--weight-decay", "jit_compile": "--jit-compile"},
    **{"checkpoint_every": "--checkpoint-every", "seed": "--seed"},
    **{"deterministic": "--deterministic", "matmul_precision": "--matmul-precision"},
}


def received(*arguments):
    """The dictionary that a command gets for these arguments."""
    dictionaries = []

    @add_config_options
    def command(name: str = "", *, changes: dict, last: bool = False) -> None:
        dictionaries.append(changes)

    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    (changes,) = dictionaries
    return changes


def test_every_field_has_its_option():
    assert {field.name: option_name(field) for field in FIELDS} == OPTIONS


def test_the_options_stand_in_the_place_of_the_dictionary():
    def command(name: str = "", *, changes: dict, last: bool = False) -> None:
        pass

    parameters = inspect.signature(add_config_options(command)).parameters
    assert list(parameters) == ["name", *OPTIONS, "last"]


def test_options_that_are_not_given_change_nothing():
    assert received() == {}


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        (["--epochs", 3, "--seed", 0], {"epochs": 3, "seed": 0}),
        (
            ["--learning-rate", "1e-4", "--weight-decay", 0],
            {"learning_rate": 1e-4, "weight_decay": 0.0},
        ),
        (["--strict", "--jit-compile"], {"strict": True, "jit_compile": True}),
        (["--normalization", "none"], {"normalization": "none"}),
        (
            ["--data", "fonts=[]", "--data", "group=a=b", "--model", "latent_size=0"],
            {"dataset_options": {"fonts": [], "group": "a=b"}, "model": {"latent_size": 0}},
        ),
    ],
)
def test_options_have_the_types_of_the_fields(arguments, changes):
    result = received(*arguments)
    assert result == changes
    assert list(map(type, result.values())) == list(map(type, changes.values()))


def test_folders_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changes = received("--data-dir", "files", "--prepared-dir", "~/records")
    assert changes == {
        "data_dir": str(tmp_path / "files"),
        "prepared_dir": str(Path.home() / "records"),
    }


def test_flags_cannot_be_turned_off():
    app = typer.Typer()
    app.command()(add_config_options(lambda *, changes: None))
    assert CliRunner().invoke(app, ["--no-strict"]).exit_code == 2
