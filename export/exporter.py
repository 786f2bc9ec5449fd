"""Writes a model for all runtimes: Keras, SavedModel and TFLite files and what describes them."""

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
from .signatures import signatures
from .tflite import check_quantization, write_tflite

VERSION = "1"  # TF Serving serves the largest number below its base path
LONGEST = 1_000_000  # steps, whose noise and result a runtime holds at once
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

    Writes model.keras (the float32 copy that everything else was made from), saved_model/1/, one
    .tflite file for each entry of `quantize` and metadata.json. The folder appears as a whole: if
    anything fails, what was there before is still there.

    Args:
        model: a VRNN of any precision.
        directory: where; an earlier export there is replaced.
        max_steps: T_max, the static length of the generation loop.
        normalization: `{"name": ..., "mean": [D], "std": [D]}`: raw = x * std + mean.
        units: of raw x, for people, for example "pixels".
        quantize: of "none", "float16", "int8" and "int4"; see `write_tflite`.
        extra_metadata: anything else that JSON can hold, for example the alphabet.
        overwrite: whether to delete what is in a folder that is not an earlier export.
        serving: a model name; also writes serving/, what TF Serving is started on: see
            `write_serving` and docs/serving.md.

    Returns:
        `directory`.

    Raises:
        TypeError: if `model` is no VRNN, or `extra_metadata` is not JSON.
        ValueError: if an argument is out of range, the folder holds something else, a weight is not
            finite, or the model does not convert to TFLite builtins.
    """
    directory = Path(directory).absolute()
    if check_integer("max_steps", max_steps, 1) > LONGEST:
        raise ValueError(f"`max_steps` must be at most {LONGEST}. Received {max_steps}.")
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
        copy.save(new / "model.keras")
        saved_model = write_saved_model(copy, all_signatures, new / "saved_model" / VERSION)
        if serving is not None:
            write_serving(saved_model, all_signatures, serving, new / SERVING_FOLDER)
        for name in quantize:
            write_tflite(copy, all_signatures, new / TFLITE_NAMES[name], name)
        metadata.write(metadata.add_files(described, new), new)
        _replace(directory, new, Path(parent) / "old")
    return directory


def check_replaceable(directory: Path, overwrite: bool) -> None:
    """Raises ValueError if an export may not replace `directory`."""
    if (overwrite and directory.is_dir()) or not directory.exists():
        return
    if not directory.is_dir():
        raise ValueError(f"{directory} is a file. Choose a folder.")
    if any(directory.iterdir()) and not metadata.is_export(directory):
        raise ValueError(
            f"{directory} is not empty and is not an earlier export. Choose another folder, or "
            "pass overwrite=True to delete what it holds."
        )


def _replace(directory: Path, new: Path, old: Path) -> None:
    """Puts `new` where `directory` is; on failure `directory` is as it was."""
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
