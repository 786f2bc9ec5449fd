"""Verification passes right exports and fails wrong ones."""

import json
import shutil

import keras
import numpy as np
import pytest

import tiny_models
from tiny_exports import ARGUMENTS, MAX_STEPS, make_model
from vrnn_tf.export import LiteModel, export, exporter, metadata, verify
from vrnn_tf.export.inference_model import inference_model
from vrnn_tf.export.tflite import QUANTIZATIONS, write_tflite


def test_verify_passes_and_every_row_is_text(directory):
    report = verify.verify(directory)
    failed = [row for row in report["rows"] if not row["passed"]]
    assert report["passed"], failed
    checks = {row["check"] for row in report["rows"] if row["file"] == "model.tflite"}
    assert {
        "operators beside builtins",
        "generate = Keras, 25 steps",
        "step = Keras",
        "prime + step = Keras",
        "init + step = generate",
        "score = Keras, nats a step",
        "prime = Keras",
        "lost bound, nats a sequence",
        "microseconds a step",
    } <= checks
    json.dumps(report)
    for row in verify.table(report):
        assert all(isinstance(value, str) for value in row.values())


@pytest.mark.slow
def test_verify_on_real_sequences_judges_the_bound(model, directory):
    generator = np.random.default_rng(0)
    lengths = (1, 9, 30)  # the last is longer than T_max
    real = [tiny_models.observations(model, 1, n)[0] * generator.normal() for n in lengths]
    for x in real:
        x[:, 2] = np.arange(len(x)) % 2
    report = verify.verify(directory, real)
    assert report["passed"], report["rows"]
    rows = {(row["file"], row["check"]): row for row in report["rows"]}
    lost = rows["model_int8.tflite", "lost bound, nats a sequence"]
    assert "3 real" in rows["model_int8.tflite", "score = Keras, nats a step"]["note"]
    # The same figure from the two files themselves.
    files = [LiteModel(directory / name) for name in ("model.tflite", "model_int8.tflite")]
    exact, rounded = (
        np.mean([file.score(x[:MAX_STEPS], seed)["elbo"] for seed, x in enumerate(real)])
        for file in files
    )
    assert lost["value"] == pytest.approx(exact - rounded, abs=1e-3)
    steps = np.mean([min(n, MAX_STEPS) for n in lengths])
    assert lost["limit"] == pytest.approx(max(0.01 * abs(exact), 0.01 * steps), rel=1e-3)
    for wrong in ([], [np.zeros((0, 3), "float32")], [np.zeros((4, 2), "float32")]):
        with pytest.raises(ValueError, match="`sequences` must"):
            verify.verify(directory, wrong)


@pytest.mark.slow
def test_verify_fails_for_changed_files_and_another_models_file(copy):
    other = make_model(seed=1)
    for weight in other.trainable_weights:
        weight.assign(1.5 * weight)
    other = inference_model(other)
    write_tflite(other, exporter.signatures(other, MAX_STEPS), copy / "model.tflite")
    metadata.write(metadata.add_files(metadata.read(copy / "metadata.json"), copy), copy)
    report = verify.verify(copy)
    assert not report["passed"]
    failed = {(row["file"], row["check"]) for row in report["rows"] if not row["passed"]}
    assert ("model.tflite", "score = Keras, nats a step") in failed
    assert ("model.tflite", "step = Keras") in failed
    assert {file for file, _ in failed} == {"model.tflite"}
    with open(copy / "saved_model" / "1" / "fingerprint.pb", "ab") as file:
        file.write(b"x")
    with pytest.raises(ValueError, match=r"changed or missing: saved_model/1/fingerprint.pb\."):
        verify.verify(copy)


def test_verify_names_what_is_missing(copy):
    shutil.rmtree(copy / "saved_model")
    with pytest.raises(
        ValueError, match=r"changed or missing: saved_model/1/.*export the model again"
    ):
        verify.verify(copy)
    (copy / "model.keras").unlink()
    with pytest.raises(ValueError, match=r"lacks model.keras. Export the model again"):
        verify.verify(copy)


@pytest.mark.slow
def test_a_cell_of_more_than_ten_states_passes(tmp_path):
    """TensorFlow returns state_10 before state_2."""
    cells = [keras.layers.GRUCell(3) for _ in range(11)]
    model = tiny_models.make(tiny_models.STROKES, recurrent_units=None, recurrent_cell=cells)
    assert len(model.cell.state_size) == 12
    report = verify.verify(export(model, tmp_path / "out", quantize="none", **ARGUMENTS))
    files = {row["file"] for row in report["rows"] if row["check"] == "step = Keras"}
    assert files == {"saved_model/1", "model.tflite"}
    assert report["passed"], [row for row in report["rows"] if not row["passed"]]


@pytest.mark.slow
def test_a_mixed_precision_model_exports(tmp_path):
    folder = export(make_model(dtype="mixed_float16"), tmp_path / "out", **ARGUMENTS)
    assert verify.verify(folder)["passed"]


@pytest.mark.slow
def test_the_demo_preset_is_small(tmp_path):
    from vrnn_tf import VRNN

    arguments = {**ARGUMENTS, "max_steps": 300, "quantize": QUANTIZATIONS}
    report = verify.verify(export(VRNN.from_preset("demo"), tmp_path / "out", **arguments))
    assert report["passed"], verify.table(report)
    ratio = next(row for row in report["rows"] if row["check"] == "file bytes / parameter bytes")
    assert ratio["limit"] == 1.05
