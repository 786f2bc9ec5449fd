"""The conversion to TFLite: builtin operators only, and the sizes of quantised files."""

import sys

import keras
import pytest

import tiny_models
from tiny_exports import ARGUMENTS, make_model
from vrnn_tf.export import export, exporter, flatbuffer, metadata, verify
from vrnn_tf.export.tflite import write_tflite


def test_operators_beside_builtins_are_named(tmp_path):
    model = make_model()
    model.phi_x.layers[0].activation = lambda a: keras.ops.erfinv(keras.ops.tanh(a) * 0.5)
    with pytest.raises(ValueError, match=r"not TFLite builtins: tf.Erfinv in phi_x\w*/dense\w*/"):
        only_prime = [s for s in exporter.signatures(model, 3) if s.name == "prime"]
        write_tflite(model, only_prime, tmp_path / "model.tflite")
    assert not list(tmp_path.iterdir())


def test_quantised_files_are_smaller(directory):
    sizes = [(directory / name).stat().st_size for name in ("model.tflite", "model_int8.tflite")]
    assert sizes[1] < sizes[0]


@pytest.mark.slow
def test_four_bits_are_half_of_eight(tmp_path):
    model = tiny_models.make(tiny_models.STROKES, recurrent_units=200)
    folder = export(model, tmp_path / "out", quantize=("none", "int8", "int4"), **ARGUMENTS)
    sizes = {path.stem: path.stat().st_size for path in folder.glob("*.tflite")}
    parameters = metadata.read(folder / "metadata.json")["parameter_bytes"]
    saved = (sizes["model_int8"] - sizes["model_int4"]) / parameters
    assert 0.10 < saved < 0.15  # an eighth of each weight; int8 leaves small kernels alone
    assert not [op for op in flatbuffer.operators(folder / "model_int4.tflite") if "CUSTOM" in op]
    report = verify.verify(folder)
    assert report["passed"], report["rows"]
    drift = {r["file"]: r["value"] for r in report["rows"] if r["check"].startswith("drift")}
    assert 0.0 < drift["model_int8.tflite"] < drift["model_int4.tflite"] < 0.1


def test_four_bits_need_a_package(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'vrnn_tf\[int4\]'"):
        export(model, tmp_path / "out", quantize="int4", **ARGUMENTS)
    assert not list(tmp_path.iterdir())
