"""`LiteModel` draws and scores what Keras does, and explains files that it cannot run."""

import hashlib
import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import tiny_models
from tiny_exports import MAX_STEPS
from vrnn_tf.export import LiteModel


def test_the_runtime_draws_what_keras_draws(model, lite):
    prime = tiny_models.observations(model, 1, 4)[0]
    for arguments in ({}, {"temperature": 0.4, "pen_bias": -1.0}, {"prime": prime}):
        expected = model.generate(3, MAX_STEPS, seed=2**31 - 2, **arguments)
        drawn = lite.generate(3, MAX_STEPS, seed=2**31 - 2, **arguments)
        for a, b in zip(expected, drawn, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)


def test_the_runtime_scores_what_keras_scores(model, lite):
    x = tiny_models.observations(model, 1, 7)
    seeds, mask = keras.ops.array([5], "int32"), keras.ops.ones((1, 7), "bool")
    outputs, _ = model.observe(keras.ops.array(x), mask, seeds)
    score = lite.score(x[0], seed=5)
    assert score["nll"] == pytest.approx(-float(np.sum(outputs["log_likelihood"])), rel=1e-5)
    assert score["kl"] == pytest.approx(float(np.sum(outputs["kl"])), rel=1e-5)
    assert score["elbo"] == pytest.approx(-score["nll"] - score["kl"], rel=1e-5)


def test_no_steps_are_no_steps(model, lite):
    assert lite.generate(num_steps=0)[0].shape == (0, 3)
    prime = tiny_models.observations(model, 1, 4)[0]
    assert lite.generate(num_steps=0, prime=prime)[0].shape == (0, 3)


def test_raw_units_are_there_and_back(lite):
    x = np.array([[1.0, -1.0, 1.0]], "float32")
    np.testing.assert_array_equal(lite.to_raw(x), [[58.0, -33.0, 1.0]])
    np.testing.assert_allclose(lite.to_normalized(lite.to_raw(x)), x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temprature": 1.0}, r"must be one of \['temperature', .*Did you mean 'temperature'"),
        ({"temperature": -1.0}, r"`temperature` must be a number >= 0.0"),
        ({"temperature": 101.0}, r"`temperature` must be at most 100.0"),
        ({"num_steps": 13}, r"`num_steps` must be at most 12"),
        ({"num_sequences": 0}, r"`num_sequences` must be an integer >= 1"),
        ({"prime": np.zeros((13, 3))}, r"\[T, 3\] with T at most 12. Received shape \(13, 3\)"),
        ({"prime": np.full((2, 3), np.nan)}, r"must be finite"),
    ],
)
def test_wrong_arguments_are_explained(lite, arguments, message):
    with pytest.raises(ValueError, match=message):
        lite.generate(**arguments)


def test_an_unknown_signature_lists_the_known(lite):
    with pytest.raises(ValueError, match=r"\['generate', 'init', 'prime', 'step', 'score'\]"):
        lite.signature("sample")


def test_the_runtime_loads_neither_tensorflow_nor_keras(directory):
    code = (
        "import sys; from vrnn_tf.export import LiteModel;"
        f"LiteModel({str(directory / 'model.tflite')!r}).generate(seed=1);"
        "print(sorted({'tensorflow', 'keras', 'tensorflow_probability'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"Cannot read .*none.tflite: No such file"):
        LiteModel(tmp_path / "none.tflite")


def test_another_format_is_named(copy):
    (copy / "model.tflite").write_bytes(b"PK\3\4 a zip file")
    with pytest.raises(ValueError, match=r"is not a TFLite file: bytes 4 to 8 must be b'TFL3'"):
        LiteModel(copy / "model.tflite")


def test_a_damaged_file_is_named(copy):
    content = (copy / "model.tflite").read_bytes()
    (copy / "model.tflite").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"model.tflite is not the file that metadata.json"):
        LiteModel(copy / "model.tflite")


def test_an_operator_without_inputs_is_refused_before_native_code_meets_it(directory, tmp_path):
    folder = shutil.copytree(directory, tmp_path / "export")
    path = folder / "model.tflite"
    content = bytearray(path.read_bytes())
    operator = schema.Model.GetRootAs(bytes(content), 0).Subgraphs(0).Operators(3)
    content[operator._tab.Pos : operator._tab.Pos + 4] = bytes(4)  # its fields are lost
    path.write_bytes(content)
    described = json.loads((folder / "metadata.json").read_text())
    described["files"]["model.tflite"]["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "metadata.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match="is damaged: an operator has no inputs or no outputs"):
        LiteModel(path)
