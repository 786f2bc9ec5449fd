"""The run folder: its files, how they are written, and how they are read back.

A run folder holds model.keras (the best by validation bound), checkpoints/ (to resume from),
config.json, metadata.json, history.csv, summary.json and pictures/.
"""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import keras

from vrnn_tf import files, media
from vrnn_tf.media import Medium
from vrnn_tf.model import saving
from vrnn_tf.model.vrnn import VRNN
from vrnn_tf.normalization import Normalization
from vrnn_tf.validation import check_integer

from . import checkpoints, origin
from .checkpoints import Progress
from .config import TrainConfig

FILES = ("config.json", "metadata.json", "model.keras")
_WRITTEN = (*FILES, "history.csv", "summary.json")  # every run writes these atomically
_OLD_CHECKPOINT = "last.keras"  # versions before checkpoints/ wrote it


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained run, read back from its folder."""

    model: VRNN
    config: TrainConfig
    normalization: Normalization
    medium: Medium
    metadata: dict[str, Any]


def load(folder: Path) -> Run:
    """Reads a run folder.

    Raises:
        ValueError: if a file is missing or damaged; names it.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise ValueError(
                f"{folder} is not a run folder: {name} is missing. Make one with `vrnn train "
                f"PRESET --out {folder}`."
            )
    metadata = files.read_json(folder / "metadata.json")
    _entry(folder / "metadata.json", "longest_sequence")
    config = read_config(folder)
    normalization = Normalization.from_dict(metadata.get("normalization", {}))
    medium = media.from_dict(metadata.get("medium", {}))
    model = saving.load_model(folder / "model.keras")
    run = Run(model, config, normalization, medium, metadata)
    _check_belongs_together(folder, run)
    return run


def _check_belongs_together(folder: Path, run: Run) -> None:
    """Raises ValueError if the files of a folder are not those of one run."""
    check_integer("longest_sequence", run.metadata["longest_sequence"], 1)
    likelihood = run.model.likelihood
    sizes = {run.medium.event_size, len(run.normalization.mean), likelihood.event_size}
    arguments = likelihood.get_config()
    fits = {**arguments, **run.medium.likelihood_arguments()} == arguments
    if run.medium.kind not in likelihood.media or not fits or len(sizes) > 1:
        raise ValueError(
            f"{folder / 'metadata.json'} describes {run.medium.kind} that the model beside it was "
            "not trained on. Restore both files of one run."
        )


def read_config(folder: Path) -> TrainConfig:
    """The configuration of a run; raises ValueError if config.json is missing or damaged."""
    return TrainConfig.from_dict(files.read_json(folder / "config.json"))


def read_normalization(folder: Path) -> Normalization:
    """The normalisation of a run; raises ValueError if metadata.json is missing or damaged."""
    return Normalization.from_dict(_entry(folder / "metadata.json", "normalization"))


def _entry(path: Path, name: str) -> Any:
    """An entry of a JSON file of the run; raises ValueError if it is not there."""
    content = files.read_json(path)
    if name not in content:
        raise ValueError(f"{path} lacks {name!r}: it is damaged, or of an older version.")
    return content[name]


def check_writable(
    folder: Path, config: TrainConfig, *, resume: bool, overwrite: bool, accept_changes: bool
) -> None:
    """Checks that a run may write into a folder.

    Args:
        folder: where the run is to be.
        config: the run's configuration.
        resume: whether to go on with a run that stands there.
        overwrite: whether to replace it.
        accept_changes: see `origin.check_same_configuration`.

    Raises:
        ValueError: if the folder holds something that the arguments do not allow to touch.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file. Name a folder with --out.")
    occupied = folder.is_dir() and bool({*folder.iterdir()} - {*_leftovers(folder)})
    is_run = (folder / "config.json").is_file()
    if occupied and not is_run:
        raise ValueError(f"{folder} is not empty and is not a run folder. Name another with --out.")
    if resume and is_run:
        origin.check_same_configuration(read_config(folder), config, accept_changes)
        if (folder / _OLD_CHECKPOINT).exists():
            raise ValueError(
                f"{folder} was made by an older version, whose runs cannot be resumed. Its "
                "model.keras is as usable as ever. Start a new run with another --out."
            )
        if (folder / "history.csv").is_file() and not checkpoints.exist(folder) and not overwrite:
            raise ValueError(
                f"{folder} holds a trained run, but no checkpoints to go on from. Restore "
                "checkpoints/, replace the run with --overwrite, or name another folder with --out."
            )
    elif occupied and not resume and not overwrite:
        raise ValueError(
            f"{folder} already holds a run. Go on with --resume, replace it with --overwrite, or "
            "name another folder with --out."
        )


def begin(
    folder: Path,
    config: dict[str, Any],
    metadata: dict[str, Any],
    start: Progress,
    baselines: dict[str, float],
) -> None:
    """Writes what a run folder holds before the first epoch, or before a run goes on."""
    for leftover in _leftovers(folder):
        leftover.unlink()
    files.write_json(folder / "config.json", config)
    files.write_json(folder / "metadata.json", metadata)
    if start.rows:
        write_history(folder / "history.csv", start.rows)
    files.write_json(folder / "summary.json", {"before": start.before, "baselines": baselines})


def _leftovers(folder: Path) -> list[Path]:
    """Files that a run was writing when it was killed."""
    unfinished = [path for name in _WRITTEN for path in files.leftovers(folder / name)]
    return [*unfinished, *(folder / "pictures").glob(".epoch_*-*.*")]


def remove(folder: Path) -> None:
    """Removes the files that a run wrote, but for what TensorBoard shows, and nothing else."""
    for name in (*_WRITTEN, _OLD_CHECKPOINT):
        (folder / name).unlink(missing_ok=True)
    checkpoints.remove(folder)
    for sample in (folder / "pictures").glob("epoch_*.*"):
        sample.unlink()


def write_model(path: Path, model: keras.Model) -> None:
    """Writes a `.keras` file, optimizer state included, atomically."""
    with files.atomic(path) as temporary:
        model.save(temporary, overwrite=True)


def write_history(path: Path, rows: list[dict[str, float]]) -> None:
    """Writes one row for each epoch, atomically."""
    with files.atomic(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
