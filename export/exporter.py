"""Writes a model for all runtimes: Keras, SavedModel and TFLite files, and metadata.json."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vrnn_tf.model.vrnn import VRNN
from vrnn_tf.validation import check_integer

from . import metadata
from .inference_model import inference_model
from .saved_model import write_saved_model
from .serving import check_name, write_serving
from .signatures import Signature, signatures
from .tflite import check_quantization, write_tflite

VERSION = "1"  # TF Serving serves the largest number below its base path
LARGEST_MAX_STEPS = 1_000_000  # a runtime holds the noise and the result of all steps at once
SERVING_FOLDER = "serving"
TFLITE_NAMES = {
    "none": "model.tflite",
    "float16": "model_float16.tflite",
    "int8": "model_int8.tflite",
    "int4": "model_int4.tflite",
}


def export(
    model: VRNN,
    directory: str | Path,
    max_steps: int,
    normalization: Mapping[str, Any],
    units: str,
    quantize: Sequence[str] = ("none", "int8"),
    extra_metadata: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    serving: str | None = None,
) -> Path:
    """Exports a model.

    Writes model.keras, saved_model/1/, one .tflite file for each entry of `quantize`, and
    metadata.json. model.keras is the float32 copy from which the other files are made. The folder
    appears as a whole: if anything fails, the earlier content is still there.

    Args:
        model: a VRNN of any precision.
        directory: the folder to write. An earlier export there is replaced.
        max_steps: T_max, the static length of the generation loop.
        normalization: `{"name": ..., "mean": [D], "std": [D]}`, where raw = x * std + mean.
        units: the units of raw x in words, for example "pixels".
        quantize: any of "none", "float16", "int8" and "int4"; see `write_tflite`.
        extra_metadata: anything else that JSON can hold, for example the alphabet.
        overwrite: whether to delete the content of a folder that is not an earlier export.
        serving: the name of the model for TF Serving. It adds the folder serving/, on which TF
            Serving is started; see `write_serving` and docs/serving.md.

    Returns:
        `directory`.

    Raises:
        TypeError: if `model` is no VRNN, or JSON cannot hold `extra_metadata`.
        ValueError: if an argument is out of range, the folder holds something else, a weight is not
            finite, or the model does not convert to TFLite builtins.
    """
    directory = Path(directory).absolute()
    if check_integer("max_steps", max_steps, 1) > LARGEST_MAX_STEPS:
        raise ValueError(f"`max_steps` must be at most {LARGEST_MAX_STEPS}. Received {max_steps}.")
    if serving is not None:
        check_name(serving)
    quantize = [quantize] if isinstance(quantize, str) else list(dict.fromkeys(quantize))
    for name in quantize:
        check_quantization(name)
    check_replaceable(directory, overwrite)
    copy = inference_model(model)
    all_signatures = signatures(copy, max_steps)
    described = metadata.build(copy, all_signatures, max_steps, normalization, units)
    described["extra"] = dict(extra_metadata or {})
    json.dumps(described)  # fails now rather than after the conversion
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as parent:
        new = Path(parent) / "new"
        new.mkdir()
        _write_models(copy, all_signatures, new, quantize, serving)
        metadata.write(metadata.add_files(described, new), new)
        _replace(directory, new, Path(parent) / "old")
    return directory


def _write_models(
    model: VRNN,
    all_signatures: Sequence[Signature],
    directory: Path,
    quantize: Sequence[str],
    serving: str | None,
) -> None:
    """Writes a float32 model in every format."""
    model.save(directory / "model.keras")
    saved_model = write_saved_model(model, all_signatures, directory / "saved_model" / VERSION)
    if serving is not None:
        write_serving(saved_model, all_signatures, serving, directory / SERVING_FOLDER)
    for name in quantize:
        write_tflite(model, all_signatures, directory / TFLITE_NAMES[name], name)


def check_replaceable(directory: Path, overwrite: bool) -> None:
    """Raises ValueError if an export may not replace `directory`."""
    if (overwrite and directory.is_dir()) or not directory.exists():
        return
    if not directory.is_dir():
        raise ValueError(f"{directory} is a file. Choose a folder.")
    if any(directory.iterdir()) and not metadata.is_export(directory):
        raise ValueError(
            f"{directory} is not empty and is not an earlier export. Choose another folder, or "
            "empty it (in Python, overwrite=True does that)."
        )


def _replace(directory: Path, new: Path, old: Path) -> None:
    """Moves `directory` to `old` and `new` to `directory`. If that fails, nothing has changed."""
    if not directory.exists():
        os.replace(new, directory)
        return
    os.replace(directory, old)
    try:
        os.replace(new, directory)
    except OSError:
        os.replace(old, directory)
        raise
    shutil.rmtree(old)
