"""`verify` runs every file of an export and compares it with Keras."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vrnn_tf.model.saving import load_model

from .. import flatbuffer, metadata
from ..exporter import TFLITE_NAMES, VERSION
from ..runtime import LiteModel
from . import checks
from .reference import Reference
from .report import make_row
from .runtimes import SavedModelRuntime


def verify(directory: str | Path, sequences: Sequence[np.ndarray] | None = None) -> dict[str, Any]:
    """Runs every file of an export and compares it with Keras.

    Args:
        directory: what `export` returned.
        sequences: real data, arrays `[T_i, D]` in normalised units. Longer ones are cut at T_max.
            With None the data are what the model itself generates, which tells less about the
            bound.

    Returns:
        A dictionary: passed, directory, max_steps, parameter_bytes, operators (those of every
        .tflite file) and rows. A row has file, check, value (None: not finite), limit (None: only
        reported), passed and note.

    Raises:
        ValueError: if the folder is no complete export, or a file is damaged or was changed.
    """
    directory = Path(directory)
    described = metadata.read(directory / metadata.FILE_NAME)
    if not (directory / "model.keras").is_file():
        raise ValueError(f"{directory} lacks model.keras. Export the model again.")
    rows = [_check_digests(directory, described)]
    model = load_model(directory / "model.keras")
    if sequences is not None:
        _check_sequences(sequences, described["event_size"])
    reference = Reference(model, described["max_steps"], sequences)
    saved_model = _open_saved_model(directory, reference)
    rows += checks.check_saved_model(saved_model, reference)
    operators = {}
    for quantization, name in TFLITE_NAMES.items():
        if (directory / name).exists():
            lite_model = LiteModel(directory / name)
            operators[name] = flatbuffer.operators(directory / name)
            rows += checks.check_tflite(lite_model, operators[name], quantization, reference)
    return {
        "passed": all(row["passed"] for row in rows),
        "directory": str(directory),
        "max_steps": described["max_steps"],
        "parameter_bytes": described["parameter_bytes"],
        "operators": operators,
        "rows": rows,
    }


def _open_saved_model(directory: Path, reference: Reference) -> SavedModelRuntime:
    name = f"saved_model/{VERSION}"
    event_size = reference.model.likelihood.event_size
    return SavedModelRuntime(
        name, directory / name, reference.max_steps, event_size, reference.defaults
    )


def _check_digests(directory: Path, described: dict[str, Any]) -> dict[str, Any]:
    """Refuses changed files before a runtime opens them: their content could do harm."""
    changed = [
        name
        for name, file in described["files"].items()
        if not (directory / name).is_file() or metadata.sha256(directory / name) != file["sha256"]
    ]
    if changed:
        raise ValueError(
            f"{directory} is not as it was exported; changed or missing: {', '.join(changed)}. "
            "Copy the whole folder again, or export the model again."
        )
    return make_row("metadata.json", "sha256 of every file", 0, 0)


def _check_sequences(sequences: Sequence[np.ndarray], event_size: int) -> None:
    for x in sequences:
        if x.ndim != 2 or x.shape[1] != event_size or not len(x):
            raise ValueError(
                f"`sequences` must be arrays [T, {event_size}] of at least one step. Received "
                f"shape {x.shape}."
            )
    if not len(sequences):
        raise ValueError("`sequences` must hold at least one. Received none.")
