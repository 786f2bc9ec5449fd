"""Damaged exports are refused, or draw what a whole one draws; native code does not crash."""

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fuzz.guard import limits, patient, snapshot, vrnn
from fuzz.mutate import damaged_json, mutants
from hypothesis import given, settings

from vrnn_tf.export import flatbuffer, metadata
from vrnn_tf.export.runtime import LiteModel

pytestmark = pytest.mark.slow
many = settings(patient, max_examples=300)


@pytest.fixture
def folder(whole_export, tmp_path):
    return shutil.copytree(whole_export, tmp_path / "export")


def test_damaged_lite_files_do_not_crash_the_runtime(folder):
    child = Path(__file__).with_name("load_lite.py")
    done = subprocess.run(
        [sys.executable, child, folder, "600", "0"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert set(seen) <= {"0", "2"} and sum(seen.values()) == 600, (seen, done.stderr)


def test_every_changed_byte_is_noticed(folder, tmp_path):
    path, out = folder / "model.tflite", tmp_path / "out" / "a.svg"
    whole = path.read_bytes()
    for damaged in mutants(whole, 100):
        if damaged != whole:
            path.write_bytes(damaged)
            code, message = vrnn("generate", path, "--out", out)
            assert code == 2 and "model.tflite" in message
    assert not out.parent.exists()


@pytest.mark.parametrize(
    "name",
    ["model.keras", "saved_model/1/saved_model.pb", "saved_model/1/variables/variables.index"],
)
def test_verify_opens_no_file_that_was_changed(folder, name):
    path = folder / name
    for damaged in mutants(path.read_bytes(), 10):
        path.write_bytes(damaged)
        code, message = vrnn("verify", folder)
        assert code == 2 and name in message


def test_damaged_metadata(whole_export, tmp_path):
    folder = shutil.copytree(whole_export, tmp_path / "export")
    path, out = folder / "metadata.json", tmp_path / "out.npz"
    whole = json.loads(path.read_text())
    before = {n: d for n, d in snapshot(tmp_path).items() if "metadata" not in n}

    @many
    @given(damaged_json(whole))
    def load(damaged):
        path.write_text(json.dumps(damaged))
        with limits(20, 500), contextlib.suppress(ValueError):
            model = LiteModel(folder / "model.tflite", num_threads=1)
            assert np.isfinite(model.score(np.zeros((2, 3), np.float32))["elbo"])
            (x,) = model.generate(1, 3, prime=np.zeros((2, 3), np.float32))
            assert x.shape[0] <= 3 and x.shape[1] == 3

    @settings(many, max_examples=100)
    @given(damaged_json(whole))
    def draw(damaged):
        path.write_text(json.dumps(damaged))
        vrnn("generate", folder / "model.tflite", "--num", 1, "--steps", 2, "--out", out)

    load()
    draw()
    for damaged in mutants(json.dumps(whole).encode(), 400):
        path.write_bytes(damaged)
        with contextlib.suppress(ValueError):
            metadata.read(path)
    out.unlink(missing_ok=True)
    assert {n: d for n, d in snapshot(tmp_path).items() if "metadata" not in n} == before


def test_operators_of_damaged_files(folder):
    path = folder / "model.tflite"
    for damaged in mutants(path.read_bytes(), 60):
        path.write_bytes(damaged)
        with limits(30), contextlib.suppress(ValueError):
            assert all(isinstance(name, str) for name in flatbuffer.operators(path))
