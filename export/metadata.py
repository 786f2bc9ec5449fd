"""Writes and reads metadata.json, which tells a program how to use the exported files beside it.

Reading needs neither TensorFlow nor Keras.
"""

from __future__ import annotations

import importlib.metadata
import math
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vrnn_tf.files import read_json, sha256, write_json
from vrnn_tf.normalization import Normalization
from vrnn_tf.validation import check_number

FILE_NAME = "metadata.json"
FORMAT = "vrnn_tf.export"
FORMAT_VERSION = 1
_SIDES = ("inputs", "outputs")
_PACKAGES = ("vrnn_tf", "tensorflow", "keras", "ai-edge-litert", "numpy")


def build(model, signatures, max_steps: int, normalization: Mapping, units: str) -> dict[str, Any]:
    """Describes an export. Its `files` are still empty, see `add_files`.

    Args:
        model: a `VRNN`.
        signatures: the list that `signatures.signatures` returned.
        max_steps: T_max.
        normalization: `{"name": ..., "mean": [D], "std": [D]}`, where raw = x * std + mean.
        units: the units of raw x in words.

    Raises:
        ValueError: if `normalization` is not as above.
    """
    from vrnn_tf.model import generation

    from .signatures import option_range

    likelihood = model.likelihood
    defaults = generation.option_defaults(likelihood, model.latent_size)
    described = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "likelihood": {"name": likelihood.name, **likelihood.get_config()},
        "description": likelihood.description,
        "latent_size": model.latent_size,
        "max_steps": max_steps,
        "event_size": likelihood.event_size,
        "end_mark": None if likelihood.end_mark is None else list(likelihood.end_mark),
        "options": {
            name: {"default": default, "range": list(option_range(name))}
            for name, default in defaults.items()
        },
        "signatures": {
            signature.name: {
                "inputs": [_describe(spec) for spec in signature.inputs],
                "outputs": [_describe(spec) for spec in signature.outputs],
            }
            for signature in signatures
        },
        "normalization": dict(normalization),
        "units": units,
        "parameter_bytes": sum(4 * math.prod(w.shape) for w in model.trainable_variables),
        "versions": versions(),
        "files": {},
        "extra": {},
    }
    return check(described, "the metadata of this export")


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that make an export."""
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), **packages}


def add_files(metadata: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Returns the metadata with sha256 and size of every file below `directory` but its own."""
    paths = [p for p in sorted(directory.rglob("*")) if p.is_file() and p.name != FILE_NAME]
    files = {
        path.relative_to(directory).as_posix(): {
            "sha256": sha256(path),
            "bytes": path.stat().st_size,
        }
        for path in paths
    }
    return {**metadata, "files": files}


def write(metadata: Mapping[str, Any], directory: Path) -> Path:
    """Writes `directory`/metadata.json."""
    return write_json(Path(directory) / FILE_NAME, dict(metadata))


def read(path: Path) -> dict[str, Any]:
    """Reads and checks a metadata.json.

    Raises:
        ValueError: if the file is missing, no JSON, of another format, or a key is missing or
            malformed (names the key).
    """
    return check(read_json(path), str(path))


def is_export(directory: Path) -> bool:
    """Whether a folder is an export: it holds a metadata.json of this format."""
    try:
        return read_json(Path(directory) / FILE_NAME).get("format") == FORMAT
    except ValueError:
        return False


def check(metadata: dict[str, Any], origin: str) -> dict[str, Any]:
    """Returns `metadata` if it is complete and well-formed.

    Raises:
        ValueError: otherwise; names the key and `origin`.
    """
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{origin} must have 'format': {FORMAT!r}. Received {metadata.get('format')!r}. "
            "Point at a folder that vrnn_tf.export wrote."
        )
    if metadata.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            f"{origin} has format_version {metadata.get('format_version')!r}; this vrnn_tf reads "
            f"{FORMAT_VERSION}. Export the model again, or install the versions that wrote it: "
            f"{metadata.get('versions')}."
        )
    for key, (is_valid, expected) in _CHECKS.items():
        if key not in metadata or not is_valid(metadata[key]):
            received = f"Received {metadata[key]!r}." if key in metadata else "The key is missing."
            raise ValueError(f"{key!r} in {origin} must be {expected}. {received}")
    _check_normalization(metadata, origin)
    mark = metadata["end_mark"]
    if mark is not None and mark[0] >= metadata["event_size"]:
        raise ValueError(
            f"'end_mark' in {origin} must name one of {metadata['event_size']} features. "
            f"Received {mark}."
        )
    return metadata


def _check_normalization(metadata: Mapping[str, Any], origin: str) -> None:
    try:
        normalization = Normalization.from_dict(metadata["normalization"])
    except ValueError as error:
        raise ValueError(f"'normalization' in {origin}: {error}") from None
    if len(normalization.mean) != metadata["event_size"]:
        raise ValueError(
            f"'normalization' in {origin} must have one mean and one std for each of "
            f"{metadata['event_size']} features. Received {len(normalization.mean)}."
        )


def _describe(spec) -> dict[str, Any]:
    return {"name": spec.name, "dtype": spec.dtype, "shape": list(spec.shape)}


def _is_number(value: Any) -> bool:
    try:
        check_number("number", value)
    except ValueError:
        return False
    return True


def _is_positive_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63


def _is_end_mark(value: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)):
        return False
    return isinstance(value[0], int) and value[0] >= 0


def _is_options(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(option, dict)
        and _is_number(option.get("default"))
        and isinstance(option.get("range"), list)
        and len(option["range"]) == 2
        and all(map(_is_number, option["range"]))
        for option in value.values()
    )


def _is_signatures(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(signature, dict) and all(map(_is_specs, map(signature.get, _SIDES)))
        for signature in value.values()
    )


def _is_specs(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(spec, dict)
        and isinstance(spec.get("name"), str)
        and isinstance(spec.get("dtype"), str)
        and isinstance(spec.get("shape"), list)
        for spec in value
    )


def _is_dictionary(value: Any) -> bool:
    return isinstance(value, dict)


def _is_files(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(file, dict) and isinstance(file.get("sha256"), str) for file in value.values()
    )


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "likelihood": (lambda v: isinstance(v, dict) and "name" in v, "an object with a 'name'"),
    "max_steps": (_is_positive_integer, "a positive integer"),
    "event_size": (_is_positive_integer, "a positive integer"),
    "end_mark": (_is_end_mark, "null or [feature, value]"),
    "options": (_is_options, "an object of {'default': number, 'range': [low, high]}"),
    "signatures": (_is_signatures, "an object of {'inputs': [...], 'outputs': [...]}"),
    "normalization": (_is_dictionary, "an object with 'mean' and 'std'"),
    "units": (lambda v: isinstance(v, str), "a text"),
    "parameter_bytes": (_is_positive_integer, "a positive integer"),
    "versions": (_is_dictionary, "an object"),
    "files": (_is_files, "an object of {'sha256': text}"),
    "extra": (_is_dictionary, "an object"),
}
