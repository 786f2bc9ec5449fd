"""TF Serving's PredictionService on this machine, over gRPC and REST, and a client of it.

`Server` is started on what `vrnn export --serving` writes and does what tensorflow_model_server
does with it: it reads both settings, serves the largest version, replays the warm-up requests at
load, refuses what TF Serving refuses with its status codes, and batches in TensorFlow's own
kernel, which shares its scheduler with TF Serving. It is written from the interfaces; it has no
version policies, no monitoring and only Predict and GetModelMetadata.
"""

from __future__ import annotations

import http.server
import itertools
import json
import os
import pathlib
import re
import threading
import urllib.error
import urllib.request
from concurrent import futures

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from tensorflow.core.protobuf import saved_model_pb2

if not os.environ.get("CI"):
    pytest.importorskip("tensorflow_serving.apis", reason="pip install tensorflow-serving-api")

from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"
MOST_WARM_UP_RECORDS = 1000
LARGEST_MESSAGE = 2**31 - 1  # gRPC's own limit of 4 MB is that of few, short sequences
_HTTP = {  # what TF Serving answers over REST
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
}
_BATCHING_FIELDS = {  # of BatchingParameters; the wrapped ones are messages with a `value`
    "max_batch_size": (1, "Int64Value"),
    "batch_timeout_micros": (2, "Int64Value"),
    "max_enqueued_batches": (3, "Int64Value"),
    "num_batch_threads": (4, "Int64Value"),
    "allowed_batch_sizes": (6, None),
}
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}
_COUNTER = itertools.count()


class RequestError(Exception):
    """A refused request.

    Attributes:
        code: the name of a `grpc.StatusCode`.
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


def read_batching(path):
    """The settings of a batching file as a dictionary, checked as TF Serving checks them.

    Raises:
        text_format.ParseError: if a field is unknown.
        ValueError: if the allowed batch sizes do not increase up to the largest batch.
    """
    message = text_format.Parse(pathlib.Path(path).read_text(), _batching_message()())
    settings = {"num_batch_threads": 2, "max_enqueued_batches": 10, "batch_timeout_micros": 0}
    for field, value in message.ListFields():
        settings[field.name] = list(value) if field.name == "allowed_batch_sizes" else value.value
    sizes = settings.setdefault("allowed_batch_sizes", [settings["max_batch_size"]])
    if sizes != sorted(set(sizes)) or sizes[-1] != settings["max_batch_size"]:
        raise ValueError(f"allowed_batch_sizes must increase up to max_batch_size: {settings}")
    return settings


def _batching_message():
    """The class of TF Serving's BatchingParameters, which its API package does not have."""
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", syntax="proto3")
    wrapped = file.message_type.add(name="Int64Value")
    wrapped.field.add(name="value", number=1, type=3, label=1)  # an optional int64
    message = file.message_type.add(name="BatchingParameters")
    for name, (number, kind) in _BATCHING_FIELDS.items():
        if kind is None:
            message.field.add(name=name, number=number, type=3, label=3)  # repeated int64
        else:
            message.field.add(name=name, number=number, type=11, label=1, type_name=f".{kind}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("BatchingParameters"))


class Servable:
    """A loaded version of a model.

    Args:
        directory: a SavedModel; its name is the version.
        batching: what `read_batching` returned, or None: every request runs alone.

    Attributes:
        warmed_up: number of warm-up requests that were replayed.
        batch_sizes: rows of every batch so far, those that fill it up included; with batching only.
    """

    def __init__(self, directory, batching=None):
        self.directory, self.version, self.batch_sizes = directory, int(directory.name), []
        saved = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
        self.signatures = saved.meta_graphs[0].signature_def
        self._loaded = tf.saved_model.load(str(directory))  # owns the variables
        self._functions = {
            name: self._function(name, function, batching)
            for name, function in self._loaded.signatures.items()
        }
        self.warmed_up = self._warm_up()

    def predict(self, request):
        """`{name: array}` for a PredictRequest.

        Raises:
            RequestError: if TF Serving would refuse it.
        """
        key = request.model_spec.signature_name or "serving_default"
        if key not in self._functions:
            message = f'Serving signature key "{key}" not found.'
            raise RequestError("FAILED_PRECONDITION", message)
        signature = self.signatures[key]
        tensors = _checked_inputs(signature, request.inputs)
        wanted = list(request.output_filter) or list(signature.outputs)
        if unknown := set(wanted) - set(signature.outputs):
            message = f"output tensor alias not found in signature: {', '.join(unknown)}"
            raise RequestError("INVALID_ARGUMENT", message)
        try:
            outputs = self._functions[key](*(tensors[name] for name in sorted(tensors)))
        except tf.errors.OpError as error:
            raise RequestError(_CODES[error.error_code], error.message) from None
        return {name: outputs[name].numpy() for name in wanted}

    def _warm_up(self):
        path, count = self.directory / WARM_UP_FILE, 0
        for record in tf.data.TFRecordDataset(str(path)) if path.exists() else ():
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            self.predict(log.predict_log.request)
            count += 1
        if count > MOST_WARM_UP_RECORDS:
            raise ValueError(f"{path} must have at most {MOST_WARM_UP_RECORDS} records.")
        return count

    def _count(self, rows):
        self.batch_sizes.append(int(rows))

    def _function(self, name, function, batching):
        """A function of the tensors in the order of their names, of any shape."""
        names = sorted(self.signatures[name].inputs)
        types = [self.signatures[name].inputs[key].dtype for key in names]
        specs = [tf.TensorSpec(None, tf.dtypes.as_dtype(dtype)) for dtype in types]

        @tf.function(input_signature=specs, autograph=False)
        def alone(*tensors):
            if batching is not None:
                tf.numpy_function(self._count, [tf.shape(tensors[0])[0]], [])
            return function(**dict(zip(names, tensors, strict=True)))

        if batching is None:
            return alone
        inner = alone.get_concrete_function()

        @tf.function(input_signature=specs, autograph=False)
        def batched(*tensors):
            outputs = tf.raw_ops.BatchFunction(
                in_tensors=tensors,
                captured_tensors=inner.captured_inputs,
                f=inner,
                Tout=[output.dtype for output in inner.outputs],
                shared_name=f"{name}_{next(_COUNTER)}",  # a queue of its own
                enable_large_batch_splitting=False,
                **batching,
            )
            return tf.nest.pack_sequence_as(inner.structured_outputs, outputs)

        return batched


def _checked_inputs(signature, inputs):
    """`{name: tensor}` of a request; shapes are left to the model, as TF Serving leaves them."""
    if set(inputs) != set(signature.inputs):
        extra, missing = set(inputs) - set(signature.inputs), set(signature.inputs) - set(inputs)
        raise RequestError(
            "INVALID_ARGUMENT",
            f"input size does not match signature: {len(inputs)}!={len(signature.inputs)}. Sent "
            f"extra: {{{','.join(extra)}}}. Missing but required: {{{','.join(missing)}}}.",
        )
    tensors = {}
    for name, proto in inputs.items():
        expected = tf.dtypes.as_dtype(signature.inputs[name].dtype)
        if proto.dtype != expected:
            found = tf.dtypes.as_dtype(proto.dtype)
            message = f"Expects arg {name} to be {expected.name} but {found.name} is provided"
            raise RequestError("INVALID_ARGUMENT", message)
        try:
            tensors[name] = tf.constant(tf.make_ndarray(proto))
        except ValueError as error:  # fewer numbers than the shape says
            raise RequestError("INVALID_ARGUMENT", str(error)) from None
    return tensors


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """The gRPC interface.

    Args:
        servables: `{model name: Servable}`.
    """

    def __init__(self, servables):
        self.servables = servables

    def find(self, spec):
        """The Servable of a ModelSpec.

        Raises:
            RequestError: if there is none.
        """
        found = self.servables.get(spec.name)
        version = spec.version.value if spec.HasField("version") else None
        if found is None or version not in (None, found.version):
            message = f"Servable not found for request: {spec.name} {version or 'Latest'}"
            raise RequestError("NOT_FOUND", message)
        return found

    def predict(self, request):
        """A PredictRequest to its PredictResponse; raises RequestError."""
        servable = self.find(request.model_spec)
        response = predict_pb2.PredictResponse(model_spec=request.model_spec)
        response.model_spec.version.value = servable.version
        for name, array in servable.predict(request).items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
        return response

    def Predict(self, request, context):
        try:
            return self.predict(request)
        except RequestError as error:
            context.abort(grpc.StatusCode[error.code], str(error))

    def GetModelMetadata(self, request, context):
        try:
            servable = self.find(request.model_spec)
        except RequestError as error:
            context.abort(grpc.StatusCode[error.code], str(error))
        if list(request.metadata_field) != ["signature_def"]:
            message = f"Metadata field {list(request.metadata_field)} is not supported"
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)
        response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=request.model_spec)
        response.model_spec.version.value = servable.version
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in servable.signatures.items():
            signatures.signature_def[name].CopyFrom(signature)
        response.metadata["signature_def"].Pack(signatures)
        return response


class _RestHandler(http.server.BaseHTTPRequestHandler):
    """`POST /v1/models/NAME[/versions/N]:predict`."""

    protocol_version = "HTTP/1.1"  # keeps connections

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            code, answer = 200, self._predict(content)
        except RequestError as error:
            code, answer = _HTTP[error.code], {"error": str(error)}
        content = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _predict(self, content):
        address = re.fullmatch(r"/v1/models/([^/:]+)(?:/versions/(\d+))?:predict", self.path)
        if address is None:
            raise RequestError("INVALID_ARGUMENT", f"Malformed request: POST {self.path}")
        request = predict_pb2.PredictRequest()
        request.model_spec.name = address[1]
        if address[2]:
            request.model_spec.version.value = int(address[2])
        service = self.server.service
        try:
            document = json.loads(content)
        except json.JSONDecodeError as error:
            raise RequestError("INVALID_ARGUMENT", f"JSON Parse error: {error}") from None
        signatures = service.find(request.model_spec).signatures
        key = document.get("signature_name", "serving_default")
        request.model_spec.signature_name = key
        if key not in signatures:
            message = f'Serving signature name: "{key}" not found in signature def'
            raise RequestError("INVALID_ARGUMENT", message)
        columns, is_rows = _columns(document, sorted(signatures[key].inputs))
        for name, values in columns.items():
            request.inputs[name].CopyFrom(_json_tensor(values, signatures[key].inputs[name].dtype))
        outputs = {
            name: tf.make_ndarray(proto).tolist()
            for name, proto in service.predict(request).outputs.items()
        }
        if not is_rows:
            return {"outputs": outputs}
        rows = zip(*outputs.values(), strict=True)
        return {"predictions": [dict(zip(outputs, row, strict=True)) for row in rows]}

    def log_message(self, *arguments):
        """Tests are quiet."""


def _columns(document, names):
    """`{input: nested list}` of a request in row ("instances") or columnar ("inputs") format."""
    if ("instances" in document) == ("inputs" in document):
        raise RequestError("INVALID_ARGUMENT", "Missing 'inputs' or 'instances' key")
    if "inputs" in document:
        columns = document["inputs"]
        columns = columns if isinstance(columns, dict) else {names[0]: columns}
        if missing := set(names) - set(columns):
            message = f"Missing named input: {', '.join(missing)} in 'inputs' object."
            raise RequestError("INVALID_ARGUMENT", message)
        return {name: columns[name] for name in names}, False
    rows = document["instances"]
    if not isinstance(rows, list) or not rows:
        raise RequestError("INVALID_ARGUMENT", "No values in 'instances' array")
    rows = [row if isinstance(row, dict) else {names[0]: row} for row in rows]
    for number, row in enumerate(rows):
        if sorted(row) != names:
            raise RequestError(
                "INVALID_ARGUMENT",
                f"Failed to process element: {number} of 'instances' list. JSON object: keys must "
                f"be equal to: {','.join(names)}",
            )
    return {name: [row[name] for row in rows] for name in names}, True


def _json_tensor(values, dtype):
    """A TensorProto of JSON numbers; TF Serving takes no 1.0 for an integer."""
    dtype = tf.dtypes.as_dtype(dtype)
    try:
        array = np.array(values)
    except ValueError as error:  # ragged
        raise RequestError(
            "INVALID_ARGUMENT", f"Encountered list at unexpected size: {error}"
        ) from None
    if array.dtype.kind not in ("iu" if dtype.is_integer else "iuf"):
        raise RequestError("INVALID_ARGUMENT", f"JSON Value is not of type {dtype.name}")
    if dtype.is_integer and (np.abs(array.astype("float64")) > dtype.max).any():
        raise RequestError("INVALID_ARGUMENT", f"JSON Value is not of type {dtype.name}")
    with np.errstate(over="ignore"):
        return tf.make_tensor_proto(array.astype(dtype.as_numpy_dtype))


class Server:
    """Serves a folder of `vrnn export --serving` until the block ends.

    Args:
        folder: holds NAME/1/, model.config and, if `batching`, batching.config.
        batching: whether requests share batches.
        batching_file: other settings than those in the folder.

    Attributes:
        grpc_port, rest_port: on 127.0.0.1.
        servables: `{model name: Servable}`.
    """

    def __init__(self, folder, batching=True, batching_file=None):
        folder = pathlib.Path(folder)
        settings = read_batching(batching_file or folder / "batching.config") if batching else None
        config = text_format.Parse(
            (folder / "model.config").read_text(), model_server_config_pb2.ModelServerConfig()
        )
        self.servables = {}
        for model in config.model_config_list.config:
            # The folder is mounted on the base path in a container; here it is where it is.
            versions = [path for path in (folder / model.name).iterdir() if path.name.isdigit()]
            newest = max(versions, key=lambda path: int(path.name))
            self.servables[model.name] = Servable(newest, settings)
        self.service = PredictionService(self.servables)

    def __enter__(self):
        options = [("grpc.max_receive_message_length", LARGEST_MESSAGE)]
        self._grpc = grpc.server(futures.ThreadPoolExecutor(128), options=options)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            self.service, self._grpc
        )
        self.grpc_port = self._grpc.add_insecure_port("127.0.0.1:0")
        self._grpc.start()
        self._rest = _RestServer(("127.0.0.1", 0), _RestHandler)
        self._rest.service = self.service
        self.rest_port = self._rest.server_port
        threading.Thread(target=self._rest.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self._rest.shutdown()
        self._rest.server_close()
        self._grpc.stop(None).wait()


class _RestServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # connections that may wait to be accepted


class Client:
    """Asks a server, over gRPC or REST, for arrays.

    Args:
        name: of the model.
        grpc_port, rest_port: on 127.0.0.1.
    """

    FORMS = ("grpc", "rest rows", "rest columns")

    def __init__(self, name, grpc_port, rest_port):
        self.name, self.grpc_port, self.rest_port = name, grpc_port, rest_port
        self._address = f"http://127.0.0.1:{rest_port}/v1/models/{name}"
        options = [("grpc.max_receive_message_length", LARGEST_MESSAGE)]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{grpc_port}", options=options)
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def close(self):
        self._channel.close()

    def predict(self, signature, inputs, form="grpc", seconds=60):
        """`{name: array}` for `{name: array}`.

        Raises:
            RequestError: what the server said.
        """
        if form == "grpc":
            request = self.request(signature, inputs)
            try:
                outputs = self.stub.Predict(request, timeout=seconds).outputs
            except grpc.RpcError as error:
                raise RequestError(error.code().name, error.details()) from None
            return {name: tf.make_ndarray(proto) for name, proto in outputs.items()}
        columns = {name: np.asarray(array).tolist() for name, array in inputs.items()}
        if form == "rest columns":
            outputs = self.post({"signature_name": signature, "inputs": columns})["outputs"]
        else:
            rows = [
                dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
            rows = self.post({"signature_name": signature, "instances": rows})["predictions"]
            outputs = {name: [row[name] for row in rows] for name in rows[0]}
        return {name: np.array(values) for name, values in outputs.items()}

    def request(self, signature, inputs):
        """A PredictRequest."""
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self.name, signature
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
        return request

    def post(self, document, path=":predict", seconds=60):
        """The answer to a JSON document."""
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        try:
            with urllib.request.urlopen(self._address + path, content, seconds) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            codes = {number: code for code, number in reversed(_HTTP.items())}
            raise RequestError(codes[error.code], json.load(error)["error"]) from None

    def metadata(self):
        """`{signature name: SignatureDef}` as the server tells it."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = self.name
        packed = self.stub.GetModelMetadata(request, timeout=60).metadata["signature_def"]
        signatures = get_model_metadata_pb2.SignatureDefMap()
        packed.Unpack(signatures)
        return dict(signatures.signature_def)
