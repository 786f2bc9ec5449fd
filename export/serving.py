"""Writes the folder on which TF Serving is started: a model with warm-up requests, and settings.

    NAME/1/            the SavedModel, with assets.extra/tf_serving_warmup_requests
    model.config       for --model_config_file
    batching.config    for --batching_parameters_file

A warm-up request is a `tensorflow.serving.PredictionLog`. TensorFlow does not have that message, so
this module writes its few fields as bytes. An export then does not need the package that has it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from .signatures import BATCH, Signature, Spec

MODELS_FOLDER = "/models"  # inside TF Serving's container
# With multiples of 8 the other rows of a batch do not change a single bit of a row's numbers, since
# matrix products take rows in blocks. Batches beyond 64 gain little, and every request waits for
# the longest row.
BATCH_SIZES = (8, 16, 32, 64)
WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"
# A warm-up request of more rows than the server's max_batch_size keeps the model from loading.
WARM_UP_ROWS = (1, BATCH_SIZES[0])
WARM_UP_STEPS = 2
# REST addresses and version labels end a name at "/" and ":". A name with a dot could equal that of
# a settings file.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")

_MODEL_CONFIG = """\
# For tensorflow_model_server --model_config_file. `base_path` is where the server sees the folder
# that holds the versions. In the container of TF Serving it is "{base_path}".
model_config_list {{
  config {{
    name: "{name}"
    base_path: "{base_path}"
    model_platform: "tensorflow"
  }}
}}
"""
_BATCHING_CONFIG = """\
# For tensorflow_model_server --enable_batching --batching_parameters_file.
# The largest number of rows in a batch. The server refuses a request of more rows.
max_batch_size {{ value: {largest} }}
# The server pads every batch to one of these sizes. With multiples of 8 the other requests of a
# batch do not change a single bit of an answer. Add 1 to make a lone request as fast as possible.
{allowed}
# How long an incomplete batch waits for more requests while a thread is free.
batch_timeout_micros {{ value: 2000 }}
# How many batches may wait. Beyond that the server refuses requests with UNAVAILABLE.
max_enqueued_batches {{ value: 100 }}
# How many batches run at a time. Without this line it is the server's number of processors.
# num_batch_threads {{ value: 2 }}
"""


def check_name(name: str) -> str:
    """Returns `name` if a served model can have it.

    Raises:
        ValueError: otherwise.
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise ValueError(
        "`serving` must be a name of letters, digits, _ and - (at most 128) that starts with a "
        f"letter or a digit, for example 'handwriting'. Received {name!r}."
    )


def write_serving(
    saved_model: Path, signatures: Sequence[Signature], name: str, directory: Path
) -> Path:
    """Writes the folder on which TF Serving is started.

    Args:
        saved_model: the folder that `write_saved_model` returned. Its last part is the version.
        signatures: the signatures of that SavedModel.
        name: the name of the model in requests and of its folder.
        directory: the folder to write. It must not hold a model of that name.

    Returns:
        `directory`.

    Raises:
        ValueError: if a served model cannot have that name.
    """
    check_name(name)
    version = directory / name / saved_model.name
    shutil.copytree(saved_model, version)
    requests = version / WARM_UP_FILE
    requests.parent.mkdir()
    with tf.io.TFRecordWriter(str(requests)) as writer:
        for record in warm_up_records(signatures):
            writer.write(record)
    base_path = f"{MODELS_FOLDER}/{name}"
    model_config = _MODEL_CONFIG.format(name=name, base_path=base_path)
    (directory / "model.config").write_text(model_config, encoding="utf-8")
    allowed = "\n".join(f"allowed_batch_sizes: {size}" for size in BATCH_SIZES)
    batching_config = _BATCHING_CONFIG.format(largest=BATCH_SIZES[-1], allowed=allowed)
    (directory / "batching.config").write_text(batching_config, encoding="utf-8")
    return directory


def warm_up_records(signatures: Sequence[Signature]) -> Iterator[bytes]:
    """Yields serialised PredictionLogs for every signature, `serving_default` too.

    Each signature gets one request for every number of rows in `WARM_UP_ROWS`.
    """
    named = {signature.name: signature for signature in signatures}
    named["serving_default"] = named["generate"]
    for name, signature in named.items():
        for rows in WARM_UP_ROWS:
            yield _prediction_log(name, {spec.name: _fill(spec, rows) for spec in signature.inputs})


def _fill(spec: Spec, rows: int) -> tf.compat.v1.TensorProto:
    """Returns a tensor of the shape of `spec` filled with one number, which is stored once."""
    number = {"steps": WARM_UP_STEPS, "length": WARM_UP_STEPS}.get(spec.name, 0)
    proto = tf.make_tensor_proto(number, spec.dtype)
    shape = [rows if size == BATCH else size for size in spec.shape]
    proto.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
    return proto


def _prediction_log(signature: str, inputs: Mapping[str, tf.compat.v1.TensorProto]) -> bytes:
    """Serialises a PredictionLog.

    It is `PredictionLog(predict_log=PredictLog(request=PredictRequest(model_spec, inputs)))`.
    """
    request = _field(1, _field(3, signature.encode()))  # ModelSpec.signature_name
    for name, tensor in inputs.items():  # a map is a list of entries, key 1 and value 2
        request += _field(2, _field(1, name.encode()) + _field(2, tensor.SerializeToString()))
    return _field(6, _field(1, request))


def _field(number: int, content: bytes) -> bytes:
    """Serialises a field of a protocol buffer that holds bytes, a text or a message."""
    return bytes([number << 3 | 2, *_varint(len(content))]) + content


def _varint(value: int) -> list[int]:
    low, rest = value & 0x7F, value >> 7
    return [low | 0x80, *_varint(rest)] if rest else [low]
