"""What `export(serving=...)` writes."""

import shutil

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

import prediction_service
from prediction_service import RequestError, Server
from serving_requests import (
    ARGUMENTS,
    NAME,
    NAMES,
    make_model,
    signature_defs,
)
from vrnn_tf.export import export, metadata, serving
from vrnn_tf.export.inference_model import inference_model
from vrnn_tf.export.signatures import signatures

pytestmark = pytest.mark.slow  # a model is exported and served


def test_the_folder_is_what_tf_serving_is_started_on(directory, served):
    version = served / NAME / "1"
    assert {path.name for path in served.iterdir()} == {NAME, "model.config", "batching.config"}
    assert f'base_path: "/models/{NAME}"' in (served / "model.config").read_text()
    original = directory / "saved_model" / "1" / "saved_model.pb"
    assert (version / "saved_model.pb").read_bytes() == original.read_bytes()
    files = set(metadata.read(directory / "metadata.json")["files"])
    inside = {
        path.relative_to(directory).as_posix() for path in served.rglob("*") if path.is_file()
    }
    assert inside <= files and f"serving/{NAME}/1/{serving.WARM_UP_FILE}" in inside


def test_the_batching_settings_are_those_of_tf_serving(served, tmp_path):
    settings = prediction_service.read_batching(served / "batching.config")
    assert settings["allowed_batch_sizes"] == [8, 16, 32, 64]
    assert settings["max_batch_size"] == 64 and settings["batch_timeout_micros"] > 0
    text = (served / "batching.config").read_text()
    (tmp_path / "wrong").write_text(
        text.replace("max_batch_size { value: 64", "max_batch_size { value: 63")
    )
    with pytest.raises(ValueError, match="must increase up to max_batch_size"):
        prediction_service.read_batching(tmp_path / "wrong")


@pytest.mark.parametrize(
    "name", ["", "a/b", "..", ".x", "a b", "a:b", "model.config", "ü", "a" * 129]
)
def test_names_that_cannot_be_served_are_explained(tmp_path, name):
    with pytest.raises(ValueError, match=r"letters, digits, _ and -.* Received '"):
        export(make_model(), tmp_path / "out", serving=name, **ARGUMENTS)
    assert not list(tmp_path.iterdir())


def test_every_input_and_output_has_the_batch_first(served):
    definitions = signature_defs(served / NAME / "1")
    assert set(definitions) == {*NAMES, "serving_default"}
    for name, signature in definitions.items():
        for key, tensor in {**signature.inputs, **signature.outputs}.items():
            sizes = [dim.size for dim in tensor.tensor_shape.dim]
            assert not tensor.tensor_shape.unknown_rank and sizes, (name, key)
            assert sizes[0] == -1 and -1 not in sizes[1:], (name, key, sizes)


def test_warm_up_requests_are_those_of_a_client(served):
    path = served / NAME / "1" / serving.WARM_UP_FILE
    assert path.stat().st_size < 10_000
    definitions, seen = signature_defs(served / NAME / "1"), []
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert not log.FindInitializationErrors() and log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        inputs = {key: tf.make_ndarray(proto) for key, proto in request.inputs.items()}
        signature = definitions[request.model_spec.signature_name]
        assert set(inputs) == set(signature.inputs)
        (rows,) = {len(array) for array in inputs.values()}
        for key, array in inputs.items():
            sizes = [dim.size for dim in signature.inputs[key].tensor_shape.dim]
            assert array.shape == (rows, *sizes[1:])
            assert array.dtype == tf.dtypes.as_dtype(signature.inputs[key].dtype)
        assert all((inputs[key] == 2).all() for key in ("steps", "length") if key in inputs)
        # Read and written again by the real messages, nothing is lost.
        again = type(log).FromString(log.SerializeToString())
        assert again == log and log.ByteSize() == len(record.numpy())
        seen.append((request.model_spec.signature_name, rows))
    assert sorted(seen) == sorted(
        (name, rows) for name in definitions for rows in serving.WARM_UP_ROWS
    )


def test_a_long_sequence_takes_no_room_in_warm_up_requests():
    described = signatures(inference_model(make_model()), 5000)
    assert sum(map(len, serving.warm_up_records(described))) < 10_000


def test_warm_up_requests_that_fail_keep_a_model_from_loading(served, tmp_path):
    copy = shutil.copytree(served, tmp_path / "copy")
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.model_spec.signature_name = "sample"
    with tf.io.TFRecordWriter(str(copy / NAME / "1" / serving.WARM_UP_FILE)) as writer:
        writer.write(log.SerializeToString())
    with pytest.raises(RequestError, match='"sample" not found'):
        Server(copy, batching=False)
