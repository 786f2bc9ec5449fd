"""A server and its clients, over gRPC and REST."""

import gc
import os
import pathlib
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import prediction_service
from prediction_service import Client, RequestError, Server
from serving_requests import (
    MAX_STEPS,
    NAME,
    NAMES,
    TOLERANCE,
    WRONG_SHAPES,
    arrays_for,
    assert_close,
    one,
    signature_defs,
)

pytestmark = pytest.mark.slow  # a model is exported and served

CLIENTS = 64
ROOT = pathlib.Path(__file__).parents[3]


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
    for answer, expected in zip(together, alone, strict=True):
        assert_close(answer, expected)
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
            answers = list(executor.map(lambda i: client.predict("generate", i), inputs))
        assert sum(sizes) >= CLIENTS and len(sizes) < CLIENTS / 2
        assert set(sizes) <= {8, 16, 32, 64}
        for arrays, answer in zip(inputs, answers, strict=True):
            assert answer["length"][0] <= arrays["steps"][0]
        with pytest.raises(RequestError, match="larger than"):
            client.predict("init", {"seed": np.zeros(65, "int32")})
        client.close()


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
