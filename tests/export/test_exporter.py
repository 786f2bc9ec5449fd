"""An export as a folder: what is written, refused, replaced, read back and verified."""

import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import tiny_models
from vrnn_tf.export import LiteModel, export, exporter, flatbuffer, metadata, verify
from vrnn_tf.export.inference_model import inference_model
from vrnn_tf.export.tflite import QUANTIZATIONS, write_tflite
from vrnn_tf.export.verify.loading import load_saved_model

MAX_STEPS = 12
NORMALIZATION = {"name": "paper", "mean": [8.0, 7.0, 0.0], "std": [50.0, 40.0, 1.0]}
ARGUMENTS = {"max_steps": MAX_STEPS, "normalization": NORMALIZATION, "units": "pixels"}


def make_model(**arguments):
    strokes = {**tiny_models.STROKES, "end_of_sequence": True}
    # A kernel of 1024 entries or more is quantised.
    return tiny_models.make(strokes, recurrent_units=32, **arguments)


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def directory(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "out"
    return export(model, folder, extra_metadata={"alphabet": "abc"}, **ARGUMENTS)


@pytest.fixture
def copy(directory, tmp_path):
    return shutil.copytree(directory, tmp_path / "copy")


@pytest.fixture
def lite(directory):
    return LiteModel(directory / "model.tflite")


def test_the_folder_holds_every_file(directory):
    names = {path.name for path in directory.iterdir()}
    assert names == {
        "model.keras",
        "saved_model",
        "model.tflite",
        "model_int8.tflite",
        "metadata.json",
    }
    assert [path.name for path in (directory / "saved_model").iterdir()] == ["1"]
    assert not [path for path in directory.parent.iterdir() if path.name.startswith(".")]


def test_the_metadata_says_how_to_use_the_files(directory, model):
    read = metadata.read(directory / "metadata.json")
    assert read["max_steps"] == MAX_STEPS
    assert read["event_size"] == 3
    assert read["end_mark"] == [2, 2.0]
    assert read["normalization"] == NORMALIZATION
    assert read["units"] == "pixels"
    assert read["extra"] == {"alphabet": "abc"}
    assert read["options"]["temperature"] == {"default": 1.0, "range": [0.0, 100.0]}
    assert read["signatures"]["generate"]["outputs"] == [
        {"name": "x", "dtype": "float32", "shape": ["B", MAX_STEPS, 3]},
        {"name": "length", "dtype": "int32", "shape": ["B"]},
    ]
    sizes = {weight.path: np.prod(weight.shape) for weight in model.trainable_weights}
    assert read["parameter_bytes"] == 4 * sum(sizes.values())
    assert "saved_model/1/saved_model.pb" in read["files"]
    assert {"vrnn_tf", "tensorflow", "keras"} <= set(read["versions"])


def test_the_runtime_draws_what_keras_draws(model, lite):
    prime = tiny_models.observations(model, 1, 4)[0]
    for arguments in ({}, {"temperature": 0.4, "pen_bias": -1.0}, {"prime": prime}):
        expected = model.generate(3, MAX_STEPS, seed=2**31 - 2, **arguments)
        found = lite.generate(3, MAX_STEPS, seed=2**31 - 2, **arguments)
        for a, b in zip(expected, found, strict=True):
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


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "other", r"must have 'format': 'vrnn_tf.export'. Received 'other'"),
        ("format_version", 99, r"has format_version 99; this vrnn_tf reads 1"),
        ("max_steps", "12", r"'max_steps' in .* must be a positive integer. Received '12'"),
        ("max_steps", None, r"'max_steps' in .* The key is missing"),
        ("event_size", True, r"'event_size' in .* must be a positive integer"),
        ("end_mark", [1], r"'end_mark' in .* must be null or \[feature, value\]"),
        ("options", {"temperature": 1.0}, r"'options' in .* must be an object of"),
        ("signatures", {"generate": {}}, r"'signatures' in .* must be an object of"),
        ("normalization", {"mean": [0.0] * 3}, r"'normalization' in .* has name, mean and std"),
        ("normalization", {"name": "paper", "mean": 0, "std": 1}, r"must be lists of numbers"),
        ("normalization", {**NORMALIZATION, "std": [1.0, 0.0, 1.0]}, r"must be a number > 0"),
        ("normalization", {"name": "none", "mean": [0.0], "std": [1.0]}, r"each of 3 features"),
        ("files", {"model.tflite": "abc"}, r"'files' in .* must be"),
    ],
)
def test_bad_metadata_is_explained(directory, tmp_path, key, value, message):
    read = json.loads((directory / "metadata.json").read_text())
    read[key] = value
    if value is None:
        del read[key]
    path = metadata.write(read, tmp_path)
    with pytest.raises(ValueError, match=message):
        metadata.read(path)


def test_missing_metadata_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"Cannot read .*metadata.json"):
        metadata.read(tmp_path / "metadata.json")


def test_a_folder_of_others_is_not_touched(model, tmp_path):
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(ValueError, match=r"is not empty and is not an earlier export"):
        export(model, tmp_path, **ARGUMENTS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    file = tmp_path / "thesis.tex"
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=r"is a file. Choose a folder"):
            export(model, file, overwrite=overwrite, **ARGUMENTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_steps": 0}, r"`max_steps` must be an integer >= 1"),
        ({"quantize": "int3"}, r"`quantize` must be one of \['none', 'float16', 'int8', 'int4'\]"),
        ({"normalization": {"mean": [0.0]}}, r"has name, mean and std"),
        ({"units": None}, r"'units' in the metadata of this export must be a text"),
    ],
)
def test_wrong_export_arguments_are_explained(model, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        export(model, tmp_path / "out", **{**ARGUMENTS, **changes})
    assert not list(tmp_path.iterdir())


def test_a_failed_export_leaves_the_earlier_one(copy, model, monkeypatch, no_saved_model):
    before = (copy / "metadata.json").read_bytes()

    def fail(*args):
        raise ValueError("no operator")

    monkeypatch.setattr(exporter, "write_tflite", fail)
    with pytest.raises(ValueError, match="no operator"):
        export(model, copy, **ARGUMENTS)
    assert (copy / "metadata.json").read_bytes() == before
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


@pytest.fixture
def no_saved_model(monkeypatch):
    """Skips what takes seconds and is not the point."""
    monkeypatch.setattr(exporter, "write_saved_model", lambda model, signatures, path: path)


def test_an_earlier_export_is_replaced(copy, model, tmp_path, no_saved_model):
    (copy / "notes.txt").write_text("old")
    export(model, copy, quantize=(), **{**ARGUMENTS, "max_steps": 5})
    assert {path.name for path in copy.iterdir()} == {"model.keras", "metadata.json"}
    assert metadata.read(copy / "metadata.json")["max_steps"] == 5
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_overwrite_replaces_anything(model, tmp_path, no_saved_model):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "other.txt").write_text("other")
    export(model, tmp_path / "out", quantize=(), overwrite=True, **ARGUMENTS)
    assert not (tmp_path / "out" / "other.txt").exists()


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


def test_compaction_keeps_only_what_is_needed(directory):
    content = (directory / "model.tflite").read_bytes()
    assert flatbuffer.compact(content) == content
    assert content.count(b"TensorArray") == 0


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


@pytest.mark.parametrize(
    ("reach", "operation"),
    [
        (lambda path: tf.io.write_file(path, "x"), "WriteFile"),
        (lambda path: next(iter(tf.data.TextLineDataset(path))), "TextLineDataset"),
        *(
            pytest.param(reach, operation, marks=pytest.mark.slow)
            for reach, operation in (
                (lambda path: tf.io.read_file(path), "ReadFile"),
                (lambda path: tf.numpy_function(lambda: 1.0, [], tf.float32), "PyFunc"),
                (lambda path: tf.print(path), "PrintV2"),
                (lambda path: tf.raw_ops.SummaryWriter(), "SummaryWriter"),
            )
        ),
    ],
)
def test_a_saved_model_that_does_more_than_compute_is_not_loaded(reach, operation, tmp_path):
    class Reaching(tf.Module):
        @tf.function(input_signature=[])
        def reach(self):
            reach(str(tmp_path / "written"))

    tf.saved_model.save(Reaching(), str(tmp_path / "model"))
    with pytest.raises(ValueError, match=f"it uses .*{operation}"):
        load_saved_model(tmp_path / "model")
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is not a SavedModel that can be loaded"):
        load_saved_model(tmp_path / "model")
    assert not (tmp_path / "written").exists()


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
