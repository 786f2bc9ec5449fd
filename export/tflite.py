"""Writes the TFLite file: every signature, one copy of the weights, builtin operators only."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from vrnn_tf.files import atomic
from vrnn_tf.validation import check_choice

from . import flatbuffer
from .saved_model import write_saved_model
from .signatures import Signature

QUANTIZATIONS = ("none", "float16", "int8", "int4")


def write_tflite(
    model: keras.Model, signatures: Sequence[Signature], path: Path, quantize: str = "none"
) -> Path:
    """Converts a model. B = 1 and T_max are static.

    Args:
        model: a float32 model, see `inference_model`.
        signatures: the signatures of `model`.
        path: the file to write. It is replaced as a whole or not at all.
        quantize: "none", "float16", "int8" or "int4". "float16" stores the weights in float16.
            "int8" stores them in int8 and quantises activations while the model runs (dynamic
            range). "int4" does the same with 4 bits and a scale for each output; it is
            experimental and needs the package ai-edge-quantizer.

    Returns:
        `path`.

    Raises:
        ValueError: if `quantize` is unknown or needs a package that is missing, or an operator is
            not a TFLite builtin (names it).
    """
    check_quantization(quantize)
    with tempfile.TemporaryDirectory() as directory:
        write_saved_model(model, signatures, Path(directory), batch_size=1)
        content = _convert(directory, [signature.name for signature in signatures], quantize)
    if quantize == "int4":
        content = _in_four_bits(content)
    with atomic(path) as temporary:
        temporary.write_bytes(flatbuffer.compact(content))
    return Path(path)


def check_quantization(quantize: str) -> None:
    """Raises ValueError if `quantize` is unknown or cannot be done here."""
    check_choice("quantize", quantize, QUANTIZATIONS)
    if quantize == "int4" and importlib.util.find_spec("ai_edge_quantizer") is None:
        raise ValueError(
            "quantize 'int4' needs the package ai-edge-quantizer. Install it with "
            "`pip install 'vrnn_tf[int4]'`, or choose 'int8'."
        )


def _in_four_bits(content: bytes) -> bytes:
    """Stores the weights of a float32 file's matrix products in 4 bits."""
    from ai_edge_quantizer import quantizer, recipe

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        result = quantizer.Quantizer(bytearray(content), recipe.dynamic_wi4_afp32()).quantize()
    return bytes(result.quantized_model)


def _convert(directory: str, names: Sequence[str], quantize: str) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(directory, signature_keys=list(names))
    # TensorFlow's operators would add tens of megabytes to an app, and some runtimes do not load
    # them.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    # The output buffer of the RNN is a constant of T_max times its size zeros. With this option the
    # file fills the buffer instead of storing it.
    converter._experimental_unfold_large_splat_constant = True
    # Without this option a write to that buffer cuts and joins it. Then the loop's outputs have an
    # unknown shape, and LiteRT's CompiledModel returns garbage without an error.
    converter._experimental_enable_dynamic_update_slice = True
    if quantize in ("float16", "int8"):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    try:
        return converter.convert()
    except Exception as error:  # a ConverterError, which has no public name
        foreign = _foreign_operators(str(error))
        if not foreign:
            raise
        raise ValueError(
            f"The model needs operators that are not TFLite builtins: {', '.join(foreign)}. "
            "Replace them there (custom cells and activations are the usual cause)."
        ) from error


def _foreign_operators(error: str) -> list[str]:
    """Describes the operators that a conversion failed at, and the layers that they come from."""
    layers_of: dict[str, set[str]] = {}
    for place, operator in re.findall(r"error: loc\((.*)\): '(tf\.\w+)' op is neither", error):
        layers = re.findall(r'"([^"@]+)/[^"@/]+@', place)  # leaves the operation's name out
        layers_of.setdefault(operator, set()).update(layers[:1])
    return [
        f"{operator} in {' and '.join(sorted(layers))}" if layers else operator
        for operator, layers in sorted(layers_of.items())
    ]
