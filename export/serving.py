"""The folder that TF Serving is started on: a named model with warm-up requests, and two settings.

    NAME/1/            the SavedModel, with assets.extra/tf_serving_warmup_requests
    model.config       for --model_config_file
    batching.config    for --batching_parameters_file

A warm-up request is a `tensorflow.serving.PredictionLog`. TensorFlow does not have that message, so
its few fields are written as bytes here, which spares every export the package that has it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from .signatures import BATCH, Signature, Spec

MODELS_FOLDER = "/models"  # inside TF Serving's container
# Multiples of 8: then a row's numbers are the same bits whoever shares its batch (matrix products
# take rows in blocks). Larger than 64 gains little and makes everybody wait for the longest row.
BATCH_SIZES = (8, 16, 32, 64)
WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"
# A request of more rows than the server's max_batch_size would keep the model from loading.
WARM_UP_ROWS = (1, BATCH_SIZES[0])
WARM_UP_STEPS = 2
# REST addresses and version labels end a name at "/" and ":"; a dot could name the settings' files.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")

_MODEL_CONFIG = """\
# For tensorflow_model_server --model_config_file. `base_path` is where the server sees the folder
# that holds the versions; "{base_path}" is its place in the container of TF Serving.
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
# The most rows of a batch; a request of more rows is refused.
max_batch_size {{ value: {largest} }}
# Batches are filled up to one of these. With multiples of 8 an answer does not depend, to the bit,
# on who shares its batch. Add 1 if a lone request has to be as fast as it can be.
{allowed}
# How long an incomplete batch waits for company while a thread is free.
batch_timeout_micros {{ value: 2000 }}
# Batches that may wait; beyond that requests are refused with UNAVAILABLE.
max_enqueued_batches {{ value: 100 }}
# Batches at a time. Without this line: as many as the server has processors.
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
    """Writes what TF Serving is started on.

    Args:
        saved_model: what `write_saved_model` returned; its last part is the version.
        signatures: those of that SavedModel.
        name: of the model, in requests and as a folder.
        directory: where; it must not hold a model of that name.

    Returns:
        `directory`.

    Raises:
        ValueError: if no model can have that name.
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
    """Serialised PredictionLogs: every signature, `serving_default` too, for `WARM_UP_ROWS`."""
    named = {signature.name: signature for signature in signatures}
    named["serving_default"] = named["generate"]
    for name, signature in named.items():
        for rows in WARM_UP_ROWS:
            yield _prediction_log(name, {spec.name: _fill(spec, rows) for spec in signature.inputs})


def _fill(spec: Spec, rows: int) -> tf.compat.v1.TensorProto:
    """One number as a tensor of the shape of `spec`: one number in the file as well."""
    number = {"steps": WARM_UP_STEPS, "length": WARM_UP_STEPS}.get(spec.name, 0)
    proto = tf.make_tensor_proto(number, spec.dtype)
    shape = [rows if size == BATCH else size for size in spec.shape]
    proto.tensor_shape.CopyFrom(tf.TensorShape(shape).as_proto())
    return proto


def _prediction_log(signature: str, inputs: Mapping[str, tf.compat.v1.TensorProto]) -> bytes:
    """`PredictionLog(predict_log=PredictLog(request=PredictRequest(model_spec, inputs)))`."""
    request = _field(1, _field(3, signature.encode()))  # ModelSpec.signature_name
    for name, tensor in inputs.items():  # a map is a list of entries, key 1 and value 2
        request += _field(2, _field(1, name.encode()) + _field(2, tensor.SerializeToString()))
    return _field(6, _field(1, request))


def _field(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer that holds bytes, a text or a message."""
    return bytes([number << 3 | 2, *_varint(len(content))]) + content


def _varint(value: int) -> list[int]:
    low, rest = value & 0x7F, value >> 7
    return [low | 0x80, *_varint(rest)] if rest else [low]
