"""Checkpoints of a run: all that it needs to go on. The newest two are kept.

checkpoints/STEP/ holds model.keras (weights, optimizer, counters, carried states) and
progress.json: the history so far, the metrics of the epoch that is under way, and the digest of
model.keras. A run may be killed at any moment, so a folder appears as a whole or not at all.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from vrnn_tf import files

FOLDER = "checkpoints"
KEPT = 2  # the newest, and the one before it in case the newest is damaged
_PREFIX = ".unfinished-"


class RunWarning(UserWarning):
    """A run goes on although something about it is not as its owner may expect."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        step: number of training steps so far, in all epochs.
        epoch: number of complete epochs.
        batch: number of batches so far in the epoch that is under way.
        rows: the history, one row for each complete epoch.
        before: metrics on the validation split before training.
        metrics: values of the metrics' variables in the epoch under way, in the model's order.
    """

    step: int
    epoch: int
    batch: int
    rows: list[dict[str, float]]
    before: dict[str, float]
    metrics: list[Any]

    def first_batch(self, epoch: int) -> int:
        """The batch that an epoch starts with: `batch` if it was under way, else 0."""
        return self.batch if epoch == self.epoch else 0


class Checkpoint(NamedTuple):
    """A checkpoint that a run can go on from.

    Attributes:
        model: the .keras file.
        progress: how far the run had come.
    """

    model: Path
    progress: Progress


def metrics_of(model: keras.Model) -> list[Any]:
    """The sums of the metrics so far, for JSON, which keeps float32 exactly."""
    return [keras.ops.convert_to_numpy(v).tolist() for v in _metric_variables(model)]


def restore_metrics(model: keras.Model, values: list[Any]) -> None:
    """Undoes `metrics_of`."""
    for variable, value in zip(_metric_variables(model), values, strict=True):
        variable.assign(np.asarray(value, variable.dtype))


def _metric_variables(model: keras.Model) -> list:
    return [variable for metric in model.metrics for variable in metric.variables]


def exist(run: Path) -> bool:
    """Whether a run folder holds checkpoints, whole or not."""
    return any((run / FOLDER).glob("*"))


def write(run: Path, model: keras.Model, progress: Progress) -> None:
    """Writes a checkpoint and removes all but the newest.

    Raises:
        OSError: if it cannot be written; the earlier checkpoints are still there.
    """
    folder = run / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(f"{_PREFIX}*"):  # a run was killed while it wrote
        shutil.rmtree(leftover)
    unfinished = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
    try:
        model.save(unfinished / "model.keras")
        digest = files.sha256(unfinished / "model.keras")
        content = {**dataclasses.asdict(progress), "sha256": digest}
        files.write_json(unfinished / "progress.json", content)
        for path in (unfinished / "model.keras", unfinished, folder):
            files.sync(path)
        unfinished.chmod(0o755)
        final = folder / f"{progress.step:010d}"
        if final.exists():  # the run went on from an earlier checkpoint
            shutil.rmtree(final)
        os.replace(unfinished, final)
        files.sync(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    for old in _all(run)[KEPT:]:
        shutil.rmtree(old)


def newest(run: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole; None if there is none. Warns of each damaged one.

    Raises:
        ValueError: if there are checkpoints and all of them are damaged.
    """
    damaged = []
    for folder in _all(run):
        try:
            checkpoint = Checkpoint(folder / "model.keras", _read(folder))
        except ValueError as error:
            damaged.append(str(error))
            continue
        for message in damaged:
            warnings.warn(f"{message} Going on from {folder} instead.", RunWarning, stacklevel=2)
        return checkpoint
    if damaged:
        raise ValueError(f"No checkpoint is whole. {' '.join(damaged)} Start a new run.")
    return None


def remove(run: Path) -> None:
    """Removes all checkpoints of a run."""
    for folder in [*_all(run), *(run / FOLDER).glob(f"{_PREFIX}*")]:
        shutil.rmtree(folder)
    if (run / FOLDER).is_dir() and not any((run / FOLDER).iterdir()):
        (run / FOLDER).rmdir()


def _all(run: Path) -> list[Path]:
    """The checkpoints' folders, newest first."""
    folders = [path for path in (run / FOLDER).glob("*") if path.name.isdigit() and path.is_dir()]
    return sorted(folders, key=lambda path: int(path.name), reverse=True)


def _read(folder: Path) -> Progress:
    content = files.read_json(folder / "progress.json")
    digest = content.pop("sha256", None)
    if not _is_progress(content):
        raise ValueError(f"{folder / 'progress.json'} does not say how far the run has come.")
    path = folder / "model.keras"
    if not path.is_file() or files.sha256(path) != digest:
        raise ValueError(f"{path} is damaged: its SHA-256 is not the one in progress.json.")
    return Progress(**content)


def _is_progress(content: dict[str, Any]) -> bool:
    if set(content) != {field.name for field in dataclasses.fields(Progress)}:
        return False
    numbers = [content[name] for name in ("step", "epoch", "batch")]
    rows = content["rows"]
    return (
        all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers)
        and isinstance(rows, list)
        and len(rows) == content["epoch"]
        and all(map(_is_row, [*rows, content["before"]]))
        and isinstance(content["metrics"], list)
    )


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in row.values()
    )
