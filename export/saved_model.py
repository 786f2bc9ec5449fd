"""Writes the SavedModel that TF Serving, the C API and `tf.saved_model.load` run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from .signatures import Signature


def write_saved_model(
    model: keras.Model,
    signatures: Sequence[Signature],
    directory: Path,
    batch_size: int | None = None,
) -> Path:
    """Writes one SavedModel with an endpoint for each signature.

    `serving_default` is `generate`. XLA does not compile the endpoints, because TF Serving refuses
    compiled ones on a CPU by default. If the batch size is open, the endpoints check the shapes of
    their inputs. TF Serving does not check them, so wrong shapes that broadcast would get answers.

    Args:
        model: the model that owns the weights.
        signatures: the signatures of `model`.
        directory: the folder to write. TF Serving expects its name to be a version number.
        batch_size: B. With None any number of rows is accepted.

    Returns:
        `directory`.
    """
    archive = keras.export.ExportArchive()
    archive.track(model)
    aliases = {"generate": ["generate", "serving_default"]}
    for signature in signatures:
        function = _checked(signature) if batch_size is None else signature.function
        for name in aliases.get(signature.name, [signature.name]):
            archive.add_endpoint(name, function, tensor_specs(signature, batch_size))
    archive.write_out(str(directory), verbose=False)
    return directory


def tensor_specs(signature: Signature, batch_size: int | None) -> list[tf.TensorSpec]:
    """Returns the inputs of a signature as TensorFlow describes them."""
    return [
        tf.TensorSpec(spec.with_batch(batch_size), spec.dtype, name=spec.name)
        for spec in signature.inputs
    ]


def _checked(signature: Signature) -> Callable[..., dict[str, Any]]:
    """Returns the function of a signature with checks of its inputs' shapes before it."""

    def function(*tensors: tf.Tensor) -> dict[str, Any]:
        pairs = zip(tensors, signature.inputs, strict=True)
        tensors = tuple(tf.ensure_shape(tensor, spec.with_batch(None)) for tensor, spec in pairs)
        rows = [tf.shape(tensor)[0] for tensor in tensors]
        names = ", ".join(spec.name for spec in signature.inputs)
        same = tf.debugging.assert_equal(
            rows, rows[0], f"{names} must have as many rows as each other", summarize=len(rows)
        )
        with tf.control_dependencies([same]):
            return signature.function(*map(tf.identity, tensors))

    return function
