"""The SavedModel that TF Serving, the C API and `tf.saved_model.load` run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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

    `serving_default` is `generate`. The endpoints are not compiled by XLA: TF Serving refuses those
    on a CPU unless it is told otherwise.

    Args:
        model: owns the weights.
        signatures: of `model`.
        directory: where; TF Serving expects its name to be a version number.
        batch_size: B, or None for any.

    Returns:
        `directory`.
    """
    archive = keras.export.ExportArchive()
    archive.track(model)
    aliases = {"generate": ["generate", "serving_default"]}
    for signature in signatures:
        for name in aliases.get(signature.name, [signature.name]):
            archive.add_endpoint(name, signature.function, tensor_specs(signature, batch_size))
    archive.write_out(str(directory), verbose=False)
    return directory


def tensor_specs(signature: Signature, batch_size: int | None) -> list[tf.TensorSpec]:
    """The inputs of a signature as TensorFlow describes them."""
    return [
        tf.TensorSpec(spec.with_batch(batch_size), spec.dtype, name=spec.name)
        for spec in signature.inputs
    ]
