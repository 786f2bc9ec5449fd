"""A model that is exported for serving, and clients of each kind of server."""

import contextlib
import shutil
import socket
import subprocess
import time

import keras
import pytest

import tiny_models
from serving_requests import ARGUMENTS, MAX_STEPS, NAME, make_model
from vrnn_tf.export import export
from vrnn_tf.export.signatures import signatures


@pytest.fixture(scope="session")
def directory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serving") / "out"
    return export(make_model(), folder, quantize=(), serving=NAME, **ARGUMENTS)


@pytest.fixture(scope="session")
def served(directory):
    return directory / "serving"


@pytest.fixture(scope="session")
def functions(directory):
    """`{signature name: function of named arrays}`, as Keras runs them."""
    model = keras.saving.load_model(directory / "model.keras")

    def runner(signature):
        def run(**arrays):
            tensors = [keras.ops.array(arrays[spec.name]) for spec in signature.inputs]
            return tiny_models.numpy(signature.function(*tensors))

        return run

    return {signature.name: runner(signature) for signature in signatures(model, MAX_STEPS)}


@pytest.fixture(
    scope="module",
    params=["alone", "batched", "tensorflow_model_server"],
)
def client(request, served, tmp_path_factory):
    """A client of each kind of server."""
    from prediction_service import Server  # skips the test if TF Serving's messages are missing

    if request.param != "tensorflow_model_server":
        with Server(served, batching=request.param == "batched") as server:
            yield from connected(server.grpc_port, server.rest_port)
    elif shutil.which(request.param) is None:
        pytest.skip("tensorflow_model_server is not on the PATH")
    else:
        with model_server(served, tmp_path_factory.mktemp("model_server")) as ports:
            yield from connected(*ports)


def connected(*ports):
    from prediction_service import Client

    client = Client(NAME, *ports)
    yield client
    client.close()


@contextlib.contextmanager
def model_server(served, folder):
    """Runs the server of TF Serving on the exported folder and yields its ports."""
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
            deadline = time.monotonic() + 120
            while process.poll() is None and time.monotonic() < deadline:
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
