"""Models from files that nobody vouches for: no code of theirs runs, no size is believed."""

import contextlib
import io
import json
import os
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest

import tiny_models
import vrnn_tf
from vrnn_tf import VRNN
from vrnn_tf.model import saving


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("saving") / "model.keras"
    VRNN("bivariate_gmm", latent_size=2, recurrent_units=4, hidden_units=3).save(path)
    return path


def test_a_whole_model_is_loaded(whole):
    assert saving.load_model(whole).latent_size == 2


@pytest.mark.parametrize("content", [b"", b"not a zip archive", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_model_is_named(tmp_path, content):
    (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(ValueError, match="a.keras is not a model that can be loaded"):
        saving.load_model(tmp_path / "a.keras")


def test_other_models_are_refused(tmp_path):
    keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "a.keras")
    with pytest.raises(ValueError, match="a.keras must hold a VRNN. Received a Sequential"):
        saving.load_model(tmp_path / "a.keras")


def with_configuration(path, change):
    """Writes a .keras file again with another configuration."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    content = change(json.loads(members["config.json"]))
    members["config.json"] = json.dumps(content).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)


def function(module, name):
    return {"class_name": "function", "module": module, "config": name, "registered_name": name}


def layer(module, name, **config):
    return {"class_name": name, "module": module, "config": config, "registered_name": name}


MARSHALLED = {"value": ["4wAAAAAA", None, None]}
ATTACKS = {
    "a lambda": {"class_name": "__lambda__", "config": MARSHALLED},
    "os.system": function("os", "system"),
    "eval": function("builtins", "eval"),
    "a class": layer("subprocess", "Popen", args=["touch", "attacked"]),
    "a layer": layer(
        "keras.layers", "Lambda", function={"class_name": "__lambda__", "config": MARSHALLED}
    ),
    "a file": layer("keras.utils", "get_file", fname="attacked", origin="file:///etc/passwd"),
    "loading": layer("keras.models", "load_model", filepath="other.keras", safe_mode=False),
}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize(
    "place", ["activation", "recurrent_cell", "likelihood", "dtype", "root", "compile"]
)
def test_no_code_of_a_model_runs(whole, tmp_path, monkeypatch, name, place):
    path = tmp_path / "model.keras"
    shutil.copy(whole, path)

    def change(content):
        if place == "root":
            return ATTACKS[name]
        if place == "compile":
            return {**content, "compile_config": {"optimizer": ATTACKS[name]}}
        return {**content, "config": {**content["config"], place: ATTACKS[name]}}

    def forbidden(*arguments, **options):
        raise AssertionError("executed")

    with_configuration(path, change)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "system", forbidden)
    with pytest.raises(ValueError, match="model.keras") as raised:
        saving.load_model(path)
    assert "executed" not in str(raised.value)
    assert [found.name for found in tmp_path.iterdir()] == ["model.keras"]


@pytest.mark.parametrize(
    "change",
    [
        {"recurrent_units": 10**5},
        {"hidden_units": 10**9},
        {"latent_size": 10**8},
        {"stateful_batch_size": 10**9},
        {"likelihood": {"name": "bivariate_gmm", "num_components": 10**8}},
        {"recurrent_units": [500] * 50},
    ],
)
def test_models_that_are_larger_than_their_file(whole, tmp_path, change):
    path = tmp_path / "model.keras"
    shutil.copy(whole, path)
    with_configuration(path, lambda content: {**content, "config": {**content["config"], **change}})
    with pytest.raises(ValueError, match="asks for more than the"):
        saving.load_model(path)


def weights(write):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write(file)
    return buffer.getvalue()


def test_archives_that_declare_more_than_they_hold(whole, tmp_path):
    with zipfile.ZipFile(whole) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    huge = weights(
        lambda f: f.create_dataset("a", (2**31,), "f4", chunks=(2**20,), compression="gzip")
    )
    for content, packed in ((bytes(2**28), zipfile.ZIP_DEFLATED), (huge, zipfile.ZIP_STORED)):
        path = tmp_path / "model.keras"
        with zipfile.ZipFile(path, "w", packed) as archive:
            for name, member in {**members, "model.weights.h5": content}.items():
                archive.writestr(name, member)
        with pytest.raises(ValueError, match="declares .* bytes"):
            saving.load_model(path)


def test_members_that_climb_out_of_the_archive(whole, tmp_path):
    path = tmp_path / "in" / "model.keras"
    path.parent.mkdir()
    shutil.copy(whole, path)
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("../../climbed", "assets/../../climbed", "/tmp/climbed_out"):
            archive.writestr(name, "out")
    with contextlib.suppress(ValueError):
        saving.load_model(path)
    assert not list(tmp_path.rglob("*climbed*")) and not os.path.exists("/tmp/climbed_out")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere.keras does not exist. Name a .keras file"):
        saving.load_model(tmp_path / "nowhere.keras")


def test_the_front_of_the_package_has_the_safe_loader(tmp_path):
    model = tiny_models.make()
    model.save(tmp_path / "m.keras")
    loaded = vrnn_tf.load_model(tmp_path / "m.keras")
    for a, b in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(a, b)
