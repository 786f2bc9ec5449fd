"""What `export(serving=...)` writes, and how it serves: the C API, gRPC and REST."""

import contextlib
import functools
import gc
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

import prediction_service
import tiny_models
from prediction_service import Client, RequestError, Server
from vrnn_tf.export import LiteModel, export, metadata, serving
from vrnn_tf.export.inference_model import inference_model
from vrnn_tf.export.signatures import signatures

pytestmark = pytest.mark.slow  # a model is exported and served

ROOT = pathlib.Path(__file__).parents[2]
NAME, MAX_STEPS = "handwriting", 12  # the name in docs/serving.md
NAMES = ("generate", "init", "prime", "step", "score")
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
NORMALIZATION = {"name": "none", "mean": [0.0] * 3, "std": [1.0] * 3}
ARGUMENTS = {"max_steps": MAX_STEPS, "normalization": NORMALIZATION, "units": "pixels"}
OPTIONS = {"temperature": 1.0, "latent_temperature": 1.0, "pen_bias": 0.0}
CLIENTS = 64


@functools.cache
def make_model():
    return tiny_models.make({**tiny_models.STROKES, "end_of_sequence": True}, recurrent_units=8)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serving") / "out"
    return export(make_model(), folder, quantize=(), serving=NAME, **ARGUMENTS)


@pytest.fixture(scope="module")
def served(directory):
    return directory / "serving"


@pytest.fixture(scope="module")
def functions(directory):
    """`{signature name: function of named arrays}`, as Keras runs them."""
    model = keras.saving.load_model(directory / "model.keras")

    def runner(signature):
        def run(**arrays):
            given = [keras.ops.array(arrays[spec.name]) for spec in signature.inputs]
            return tiny_models.numpy(signature.function(*given))

        return run

    return {signature.name: runner(signature) for signature in signatures(model, MAX_STEPS)}


@pytest.fixture(
    scope="module",
    params=["alone", "batched", "tensorflow_model_server"],
)
def client(request, served, tmp_path_factory):
    """A client of each kind of server."""
    if request.param != "tensorflow_model_server":
        with Server(served, batching=request.param == "batched") as server:
            yield from connected(server.grpc_port, server.rest_port)
    elif shutil.which(request.param) is None:
        pytest.skip("tensorflow_model_server is not on the PATH")
    else:
        with model_server(served, tmp_path_factory.mktemp("model_server")) as ports:
            yield from connected(*ports)


def connected(*ports):
    found = Client(NAME, *ports)
    yield found
    found.close()


@contextlib.contextmanager
def model_server(served, folder):
    """Runs TF Serving's own server on what was written; yields its ports."""
    config = folder / "model.config"
    text = (served / "model.config").read_text()
    config.write_text(text.replace(f'"/models/{NAME}"', f'"{served / NAME}"'))
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        ports = first.getsockname()[1], second.getsockname()[1]
    command = ["tensorflow_model_server", f"--port={ports[0]}", f"--rest_api_port={ports[1]}"]
    command += [f"--model_config_file={config}", "--enable_batching"]
    command += [f"--batching_parameters_file={served / 'batching.config'}"]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            until = time.monotonic() + 120
            while process.poll() is None and time.monotonic() < until:
                with (
                    contextlib.suppress(OSError),
                    socket.create_connection(("127.0.0.1", ports[1])),
                ):
                    break
                time.sleep(0.2)
            assert process.poll() is None, (folder / "log").read_text()
            yield ports
        finally:
            process.terminate()


def arrays_for(name, rows=3, seed=0):
    """Inputs of different rows."""
    generator = np.random.default_rng(seed)
    model = make_model()
    states = {f"state_{i}": (rows, size) for i, size in enumerate(model.cell.state_size)}
    x = tiny_models.observations(model, rows, MAX_STEPS, seed)
    integers = {
        "seed": generator.integers(-(2**31), 2**31, rows),
        "steps": np.resize([MAX_STEPS, 5, 0, 1], rows),
        "length": np.resize([MAX_STEPS, 4, 0], rows),
        "t": np.resize([0, 7, 3], rows),
    }
    arrays = {key: value.astype("int32") for key, value in integers.items()}
    arrays |= {key: generator.uniform(0.3, 1.2, rows).astype("float32") for key in OPTIONS}
    arrays |= {key: generator.normal(size=shape).astype("float32") for key, shape in states.items()}
    arrays["x"] = x
    wanted = {
        "generate": ("seed", "steps", *OPTIONS),
        "init": ("seed",),
        "prime": ("x", "length", "seed"),
        "step": (*states, "seed", "t", *OPTIONS),
        "score": ("x", "length", "seed"),
    }
    return {key: arrays[key] for key in wanted[name]}


def one(seed=0, steps=MAX_STEPS, **options):
    """The inputs of `generate` for one row."""
    arrays = {"seed": np.array([seed], "int32"), "steps": np.array([steps], "int32")}
    options = {**OPTIONS, **options}
    return arrays | {key: np.array([value], "float32") for key, value in options.items()}


def assert_close(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, **TOLERANCE, err_msg=name)


def signature_defs(saved_model):
    saved = saved_model_pb2.SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
    found = {**saved.meta_graphs[0].signature_def}
    del found["__saved_model_init_op"]  # of no inputs; restores nothing
    return found


# What is written


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
    found = prediction_service.read_batching(served / "batching.config")
    assert found["allowed_batch_sizes"] == [8, 16, 32, 64]
    assert found["max_batch_size"] == 64 and found["batch_timeout_micros"] > 0
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
    found = signature_defs(served / NAME / "1")
    assert set(found) == {*NAMES, "serving_default"}
    for name, signature in found.items():
        for key, tensor in {**signature.inputs, **signature.outputs}.items():
            sizes = [dim.size for dim in tensor.tensor_shape.dim]
            assert not tensor.tensor_shape.unknown_rank and sizes, (name, key)
            assert sizes[0] == -1 and -1 not in sizes[1:], (name, key, sizes)


def test_warm_up_requests_are_those_of_a_client(served):
    path = served / NAME / "1" / serving.WARM_UP_FILE
    assert path.stat().st_size < 10_000
    known, seen = signature_defs(served / NAME / "1"), []
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert not log.FindInitializationErrors() and log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        inputs = {key: tf.make_ndarray(proto) for key, proto in request.inputs.items()}
        signature = known[request.model_spec.signature_name]
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
    assert sorted(seen) == sorted((name, rows) for name in known for rows in serving.WARM_UP_ROWS)


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


# Without Python TensorFlow


def through_c(saved_model, requests, folder):
    """The answers of tests/c_api.py to `[(signature name, inputs)]`: arrays, or a message."""
    known, translated = signature_defs(saved_model), []
    for name, inputs in requests:
        tensors = {key: tensor.name for key, tensor in known[name].inputs.items()}
        given = {
            tensors[key]: [str(np.asarray(array).dtype), np.asarray(array).tolist()]
            for key, array in inputs.items()
        }
        outputs = [tensor.name for tensor in known[name].outputs.values()]
        translated.append({"inputs": given, "outputs": outputs})
    paths = [folder / "requests.json", folder / "answers.json"]
    paths[0].write_text(json.dumps(translated))
    libraries = os.path.dirname(tf.__file__)
    command = [sys.executable, ROOT / "tests" / "c_api.py", libraries, saved_model, *paths]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(paths[1].read_text())
    assert report["modules"] == []
    for (name, _), answer in zip(requests, report["answers"], strict=True):
        if "error" in answer:
            yield answer["error"]
        else:
            outputs = answer["outputs"]
            yield {key: np.array(outputs[t.name]) for key, t in known[name].outputs.items()}


WRONG_SHAPES = {
    "more steps than seeds": ("generate", {"steps": np.full(4, 3, "int32")}),
    "more seeds than the rest": ("generate", {"seed": np.arange(4, dtype="int32")}),
    "more temperatures": ("generate", {"temperature": np.ones(2, "float32")}),
    "a scalar": ("generate", {"seed": np.array(1, "int32")}),
    "a matrix of seeds": ("generate", {"seed": np.zeros((1, 1), "int32")}),
    "one step": ("score", {"x": np.zeros((1, 1, 3), "float32")}),
    "too many steps": ("score", {"x": np.zeros((1, MAX_STEPS + 1, 3), "float32")}),
    "one feature": ("score", {"x": np.zeros((1, MAX_STEPS, 1), "float32")}),
    "no batch": ("score", {"x": np.zeros((MAX_STEPS, 3), "float32")}),
    "more lengths": ("prime", {"length": np.ones(2, "int32")}),
    "another width": ("step", {"state_1": np.zeros((1, 9), "float32")}),
}


def test_the_c_api_runs_it_without_python_tensorflow(served, functions, tmp_path):
    requests = [(name, arrays_for(name)) for name in NAMES]
    wrong = [(name, {**arrays_for(name, 1), **bad}) for name, bad in WRONG_SHAPES.values()]
    wrong.append(("generate", {**one(), "seed": np.zeros(1, "float32")}))
    nobody = {key: array[:0] for key, array in one().items()}
    answers = list(
        through_c(served / NAME / "1", [*requests, *wrong, ("generate", nobody)], tmp_path)
    )
    for (name, arrays), answer in zip(requests, answers, strict=False):
        assert_close(answer, functions[name](**arrays))
    for case, answer in zip([*WRONG_SHAPES, "a dtype"], answers[len(requests) : -1], strict=True):
        assert isinstance(answer, str), case
        expected = r"not compatible with expected shape|as many rows as each other|to be int32 but"
        assert re.search(expected, answer), (case, answer)
    assert len(answers[-1]["length"]) == 0


# A server and its clients


@pytest.mark.parametrize("form", Client.FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_every_signature_answers_what_keras_computes(client, functions, name, form):
    arrays = arrays_for(name)
    assert_close(client.predict(name, arrays, form), functions[name](**arrays))


def test_serving_default_is_generate(client, functions):
    arrays = arrays_for("generate")
    assert_close(client.predict("", arrays), functions["generate"](**arrays))


def test_a_session_of_steps_is_generate(client):
    expected = client.predict("generate", one(seed=5, pen_bias=-100.0))
    assert expected["length"].tolist() == [MAX_STEPS]
    states = client.predict("init", {"seed": np.array([5], "int32")})
    options = one(seed=5, pen_bias=-100.0)
    del options["steps"]
    for t in range(MAX_STEPS):
        states = client.predict("step", {**options, **states, "t": np.array([t], "int32")})
        np.testing.assert_allclose(states.pop("x")[0], expected["x"][0, t], **TOLERANCE)


def test_the_server_tells_its_signatures(client, served):
    assert client.metadata().items() >= signature_defs(served / NAME / "1").items()


def test_an_output_can_be_asked_for_alone(client):
    request = client.request("generate", one())
    request.output_filter.append("length")
    assert set(client.stub.Predict(request, timeout=60).outputs) == {"length"}


@pytest.mark.parametrize("form", Client.FORMS)
@pytest.mark.parametrize(
    ("signature", "change", "code"),
    [
        ("sample", {}, "FAILED_PRECONDITION"),
        ("generate", {"seed": None}, "INVALID_ARGUMENT"),
        ("generate", {"sead": np.zeros(1, "int32")}, "INVALID_ARGUMENT"),
        ("generate", {"seed": np.array([0.5], "float32")}, "INVALID_ARGUMENT"),
        ("generate", {"temperature": np.array(["hot"])}, "INVALID_ARGUMENT"),
    ],
)
def test_wrong_names_and_types_are_refused(client, signature, change, code, form):
    arrays = {key: array for key, array in {**one(), **change}.items() if array is not None}
    if form == "rest columns" and "sead" in change:
        del arrays["seed"]  # what is too much is ignored there
    with pytest.raises(RequestError) as caught:
        client.predict(signature, arrays, form)
    assert caught.value.code == (code if form == "grpc" else "INVALID_ARGUMENT")


@pytest.mark.parametrize("case", WRONG_SHAPES)
def test_wrong_shapes_are_refused(client, case):
    signature, change = WRONG_SHAPES[case]
    with pytest.raises(RequestError) as caught:
        client.predict(signature, {**arrays_for(signature, 1), **change})
    assert caught.value.code == "INVALID_ARGUMENT"


def test_unknown_models_versions_and_outputs_are_refused(client):
    other = client.request("generate", one())
    other.model_spec.name = "music"
    version = client.request("generate", one())
    version.model_spec.version.value = 7
    output = client.request("generate", one())
    output.output_filter.append("y")
    for request, code in (
        (other, "NOT_FOUND"),
        (version, "NOT_FOUND"),
        (output, "INVALID_ARGUMENT"),
    ):
        with pytest.raises(prediction_service.grpc.RpcError) as caught:
            client.stub.Predict(request, timeout=60)
        assert caught.value.code().name == code


@pytest.mark.parametrize(
    "document",
    [
        b"{",
        {},
        {"instances": []},
        {"instances": [{"seed": 1}]},
        {"inputs": {"seed": [1]}},
        {"signature_name": "init", "instances": [1.5]},
        {"signature_name": "init", "instances": [2**31]},
        {"signature_name": "init", "inputs": [[1], [2, 3]]},
    ],
)
def test_malformed_json_is_refused(client, document):
    with pytest.raises(RequestError) as caught:
        client.post(document)
    assert caught.value.code == "INVALID_ARGUMENT"


def test_clients_at_once_get_what_each_gets_alone(client):
    """64 of them: other seeds, lengths and options, gRPC and REST, two signatures."""

    def ask(i):
        if i % 4 == 3:
            return client.predict("score", arrays_for("score", rows=1 + i % 3, seed=i))
        inputs = one(i, i % (MAX_STEPS + 1), temperature=i / CLIENTS, pen_bias=-float(i % 3))
        return client.predict("generate", inputs, Client.FORMS[i % 3])

    alone = [ask(i) for i in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as executor:
        together = list(executor.map(ask, range(CLIENTS)))
    for found, expected in zip(together, alone, strict=True):
        assert_close(found, expected)
    lengths = [len(answer["x"][0]) for answer in alone if "x" in answer]
    assert set(lengths) == {MAX_STEPS}  # static; `length` says how many steps there are
    assert len({float(np.sum(answer["x"])) for answer in alone if "x" in answer}) > CLIENTS / 2


def test_concurrent_requests_share_batches(served, tmp_path):
    text = (served / "batching.config").read_text()
    patient = tmp_path / "batching.config"
    patient.write_text(text.replace("{ value: 2000 }", "{ value: 300000 }"))
    with Server(served, batching_file=patient) as server:
        client = Client(NAME, server.grpc_port, server.rest_port)
        sizes = server.servables[NAME].batch_sizes
        assert set(sizes) == {8} and len(sizes) == server.servables[NAME].warmed_up
        sizes.clear()
        inputs = [one(seed, steps=seed % 5) for seed in range(CLIENTS)]
        with ThreadPoolExecutor(CLIENTS) as executor:
            found = list(executor.map(lambda i: client.predict("generate", i), inputs))
        assert sum(sizes) >= CLIENTS and len(sizes) < CLIENTS / 2
        assert set(sizes) <= {8, 16, 32, 64}
        for arrays, answer in zip(inputs, found, strict=True):
            assert answer["length"][0] <= arrays["steps"][0]
        with pytest.raises(RequestError, match="larger than"):
            client.predict("init", {"seed": np.zeros(65, "int32")})
        client.close()


# What no training ever saw


BAD_OPTIONS = (np.nan, np.inf, -np.inf, 1e38, -1e38, -0.5)
BAD_INTEGERS = (-5, 0, MAX_STEPS + 1, 2**31 - 1, -(2**31))


def taken(name, value):
    """What docs/serving.md says of an option: NaN and infinity are the default, else clipped."""
    low, high = (-100.0, 100.0) if name == "pen_bias" else (0.0, 100.0)
    return float(np.clip(value, low, high)) if np.isfinite(value) else OPTIONS[name]


def test_bad_options_are_replaced_and_touch_no_other_row(client):
    cases = [(name, value) for name in OPTIONS for value in BAD_OPTIONS]
    rows = [one(7, **{name: value}) for name, value in cases]
    rows += [one(7, **{name: taken(name, value)}) for name, value in cases]
    stacked = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
    found = client.predict("generate", stacked)
    for value in found.values():
        assert np.isfinite(value).all()
        np.testing.assert_allclose(*np.split(value, 2), **TOLERANCE)
    states = client.predict("init", {"seed": stacked["seed"]})
    steps = {**states, **stacked, "t": stacked.pop("steps")}
    del steps["steps"]
    for value in client.predict("step", steps).values():
        assert np.isfinite(value).all()
        np.testing.assert_allclose(*np.split(value, 2), **TOLERANCE)


@pytest.mark.parametrize("bad", BAD_INTEGERS)
def test_bad_numbers_of_steps_are_clipped(client, bad):
    endless = one(3, bad, pen_bias=-100.0)
    found = client.predict("generate", endless)
    assert found["length"].tolist() == [min(max(bad, 0), MAX_STEPS)]
    assert not found["x"][0, found["length"][0] :].any()
    arrays = arrays_for("score", 1)
    clipped = np.array([min(max(bad, 0), MAX_STEPS)], "int32")
    for name in ("prime", "score"):
        found = client.predict(name, {**arrays, "length": np.array([bad], "int32")})
        assert_close(found, client.predict(name, {**arrays, "length": clipped}))
    arrays = {**arrays_for("step", 1), "t": np.array([bad], "int32")}
    assert np.isfinite(client.predict("step", arrays)["x"]).all()


def test_an_empty_beginning_is_none(client):
    arrays = {**arrays_for("prime", 1), "length": np.zeros(1, "int32")}
    arrays["x"][:] = np.nan  # all of it lies beyond the length
    assert_close(client.predict("prime", arrays), client.predict("init", {"seed": arrays["seed"]}))
    assert not any(value.any() for value in client.predict("score", arrays).values())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 7.0])
def test_an_impossible_pen_is_nan_and_touches_no_other_row(client, bad):
    for name in ("prime", "score"):
        arrays = arrays_for(name)
        expected = client.predict(name, arrays)
        arrays["x"] = arrays["x"].copy()
        arrays["x"][1, 2, 2] = bad
        for form in Client.FORMS:
            for key, value in client.predict(name, arrays, form).items():
                assert np.isnan(value[1]).all(), key
                np.testing.assert_allclose(value[::2], expected[key][::2], **TOLERANCE)


def test_a_file_replaces_bad_values_too(tmp_path):
    exported = export(make_model(), tmp_path / "out", quantize="none", **ARGUMENTS)
    lite = LiteModel(exported / "model.tflite")

    def run(name, **arrays):
        result = lite.signature(name)(**arrays)  # what `generate` and `score` would refuse
        return {key: value.copy() for key, value in result.items()}

    for name in OPTIONS:
        for value in BAD_OPTIONS:
            found = run("generate", **one(7, **{name: value}))
            assert_close(found, run("generate", **one(7, **{name: taken(name, value)})))
            assert np.isfinite(found["x"]).all()
    arrays = arrays_for("score", 1)
    for bad in BAD_INTEGERS:
        clipped = min(max(bad, 0), MAX_STEPS)
        found = run("generate", **one(3, bad, pen_bias=-100.0))
        assert found["length"].tolist() == [clipped]
        for name in ("prime", "score"):
            found = run(name, **{**arrays, "length": np.array([bad], "int32")})
            expected = run(name, **{**arrays, "length": np.array([clipped], "int32")})
            assert_close(found, expected)
    arrays["x"][:, 4:] = np.nan
    found = run("score", **{**arrays, "length": np.array([4], "int32")})
    assert np.isfinite(found["elbo"]).all()


# Endurance


def resident_bytes():
    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_ten_thousand_requests_leave_no_memory_behind(served):
    """The server lives in this process, so what it keeps is seen.

    The limit is 512 bytes for each of the last 8000 requests, less than the messages of one; what
    allocators move by is about 1 MiB once every thread has its arena, after the first 2000.
    """
    with Server(served) as server:
        client = Client(NAME, server.grpc_port, server.rest_port)
        score = arrays_for("score", 1)

        def ask(i):
            if i % 3 == 2:
                return client.predict("score", {**score, "seed": np.array([i], "int32")})
            return client.predict("generate", one(i, i % (MAX_STEPS + 1)), Client.FORMS[i % 2])

        with ThreadPoolExecutor(16) as executor:
            for _ in executor.map(ask, range(2000)):
                pass
            before = resident_bytes()
            for _ in executor.map(ask, range(2000, 10_000)):
                pass
        grown = resident_bytes() - before
        client.close()
    print(f"{grown / 2**20:.1f} MiB more after 8000 requests")
    assert grown < 4 * 2**20


# What docs/serving.md tells a reader to run


def test_the_clients_of_the_documentation_run(client, served, monkeypatch):
    text = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 2
    space = {}
    for block in blocks:
        for port, here in ((8500, client.grpc_port), (8501, client.rest_port)):
            block = block.replace(f"localhost:{port}", f"127.0.0.1:{here}")
        exec(block, space)
    strokes = np.array(space["strokes"])
    assert strokes.shape[1] == 3 and np.isfinite(strokes).all()
