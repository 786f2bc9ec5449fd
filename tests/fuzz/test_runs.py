"""Damaged run folders are refused, or work as whole ones do. They never run code."""

import contextlib
import io
import json
import os
import shutil
import warnings
import zipfile

import numpy as np
import pytest
from fuzz.guard import limits, patient, snapshot, vrnn
from fuzz.mutate import damaged_json, mutants
from hypothesis import given, settings
from hypothesis import strategies as st

from vrnn_tf import media
from vrnn_tf.model import saving
from vrnn_tf.model.vrnn import VRNN
from vrnn_tf.normalization import Normalization
from vrnn_tf.train import checkpoints, run
from vrnn_tf.train.config import TrainConfig

pytestmark = pytest.mark.slow
many = settings(patient, max_examples=500)
# Commands that read data or start to train take a second.
CASES = {"generate": 60, "export": 60, "resume": 40, "evaluate": 20, "repeat": 8}


@pytest.fixture
def folder(whole_run, tmp_path):
    return shutil.copytree(whole_run, tmp_path / "run")


@pytest.fixture
def loaded_once(whole_run, monkeypatch):
    """Gives the model of the run without reading it again, where other files are damaged."""
    model = run.load(whole_run).model
    monkeypatch.setattr(saving, "load_model", lambda path: model)


@pytest.fixture
def untrained(monkeypatch):
    """Runs do everything but fit."""
    row = {"epoch": 1, "elbo": 0.0, "val_elbo": 0.0, "val_nll": 0.0, "val_kl": 0.0}
    monkeypatch.setattr(run, "_fit", lambda *arguments: [row])


# --- JSON -----------------------------------------------------------------------------------------


@many
@given(data=st.data())
@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
def test_damaged_entries(whole_run, loaded_once, data, name):
    content = json.loads((whole_run / name).read_text())
    folder = whole_run.parent / f"damaged_{name}"
    if not folder.exists():
        shutil.copytree(whole_run, folder)
    (folder / name).write_text(json.dumps(data.draw(damaged_json(content))))
    with limits(10, 500), contextlib.suppress(ValueError):
        loaded = run.load(folder)
        assert isinstance(loaded.config, TrainConfig)
        assert loaded.config == TrainConfig.from_dict(loaded.config.to_dict())
        x = np.zeros((2, 3), np.float32)
        assert loaded.normalization.invert(loaded.normalization.apply(x)).shape == x.shape


@many
@given(data=st.data())
def test_damaged_descriptions(data):
    described = [
        media.Strokes(),
        media.Audio(),
        media.PianoRoll(),
        media.Text("ab"),
    ]
    medium = data.draw(st.sampled_from(described))
    with contextlib.suppress(ValueError):
        read = media.from_dict(data.draw(damaged_json(medium.to_dict())))
        assert read == media.from_dict(read.to_dict())
        assert read.event_size > 0 and isinstance(read.units, str)
        json.dumps(read.to_dict())
    figures = Normalization("paper", (0.0, 1.0), (1.0, 2.0)).to_dict()
    with contextlib.suppress(ValueError):
        normalization = Normalization.from_dict(data.draw(damaged_json(figures)))
        assert np.isfinite(normalization.log_jacobian())


@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
@pytest.mark.parametrize("command", CASES)
def test_commands_on_damaged_entries(whole_run, loaded_once, untrained, monkeypatch, name, command):
    content = json.loads((whole_run / name).read_text())
    root = whole_run.parent / f"{command}_{name}"
    monkeypatch.setattr("vrnn_tf.export.exporter.export", lambda *a, **k: root)

    @settings(many, max_examples=CASES[command])
    @given(damaged_json(content))
    def check(damaged):
        _check_command(command, whole_run, root, name, damaged)

    check()


def _check_command(command, whole_run, root, name, damaged):
    folder = root / "run"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(whole_run, folder)
    (folder / name).write_text(json.dumps(damaged))
    before = snapshot(root.parent)
    vrnn(
        *{
            "generate": ["generate", folder, "--num", 1, "--steps", 4, "--out", root / "a.svg"],
            "evaluate": ["evaluate", folder, "--repeats", 1],
            "export": ["export", folder, "--out", root / "export"],
            "resume": ["train", "demo", "--out", folder, "--resume"],
            "repeat": ["train", "--from", folder, "--out", root / "again"],
        }[command],
        seconds=60,
    )
    after = snapshot(root.parent)
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert all(path.startswith(f"{root.name}/") for path in changed), changed


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "checkpoints/*/progress.json"])
def test_damaged_bytes(folder, loaded_once, name):
    (path,) = folder.glob(name)
    for damaged in mutants(path.read_bytes(), 400):
        path.write_bytes(damaged)
        with limits(10, 500), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(ValueError):
                run.load(folder)
            with contextlib.suppress(ValueError):
                checkpoint = checkpoints.newest(folder)
                assert checkpoint is None or isinstance(checkpoint[1], checkpoints.Progress)


@many
@given(data=st.data())
def test_damaged_progress(whole_run, data):
    (path,) = whole_run.glob("checkpoints/*/progress.json")
    folder = whole_run.parent / "damaged_progress"
    if not folder.exists():
        shutil.copytree(whole_run, folder)
    content = json.loads(path.read_text())
    damaged = data.draw(damaged_json(content))
    (folder / path.relative_to(whole_run)).write_text(json.dumps(damaged))
    with contextlib.suppress(ValueError):
        checkpoints.newest(folder)


@settings(many, max_examples=40)
@given(data=st.data())
def test_resuming_from_damaged_progress(whole_run, loaded_once, untrained, data):
    (path,) = whole_run.glob("checkpoints/*/progress.json")
    folder = whole_run.parent / "resumed_progress"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole_run, folder)
    damaged = data.draw(damaged_json(json.loads(path.read_text())))
    (folder / path.relative_to(whole_run)).write_text(json.dumps(damaged))
    vrnn("train", "demo", "--out", folder, "--resume")


# --- .keras ---------------------------------------------------------------------------------------


def load_or_refuse(path):
    with limits(30):
        try:
            result = saving.load_model(path)
        except ValueError as error:
            result = str(error)
    assert isinstance(result, VRNN) or (result.startswith(str(path)) and "\n" not in result)


def test_damaged_models(folder):
    path = folder / "model.keras"
    for damaged in mutants(path.read_bytes(), 300):
        path.write_bytes(damaged)
        load_or_refuse(path)
    path.write_bytes(b"damaged")
    code, message = vrnn("generate", folder, "--out", folder / "a.svg")
    assert code == 2 and "model.keras is not a model" in message


@settings(many, max_examples=150)
@given(data=st.data())
def test_damaged_configurations_of_models(whole_run, data):
    path = whole_run.parent / "damaged.keras"
    with zipfile.ZipFile(whole_run / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    damaged = data.draw(damaged_json(json.loads(members["config.json"])))
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in {**members, "config.json": json.dumps(damaged)}.items():
            archive.writestr(name, member)
    load_or_refuse(path)


# --- beginnings -----------------------------------------------------------------------------------


def test_damaged_beginnings(whole_run, loaded_once, tmp_path):
    buffer = io.BytesIO()
    np.savez(buffer, x=np.array([[30, 10, 0], [20, -60, 1]], np.float32))
    path, out = tmp_path / "prime.npz", tmp_path / "a.svg"
    for damaged in mutants(buffer.getvalue(), 150):
        path.write_bytes(damaged)
        vrnn("generate", whole_run, "--num", 1, "--steps", 2, "--prime", path, "--out", out)
    np.savez(path, x=np.array([os.system], dtype=object))
    code, message = vrnn("generate", whole_run, "--prime", path, "--out", out)
    assert code == 2 and "numbers x" in message
