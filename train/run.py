"""A training run from its configuration to its folder: build, compile, fit, save.

A run folder holds model.keras (the best by validation bound), last.keras (the newest, to resume
from), config.json, metadata.json, history.csv, summary.json and pictures/.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import platform
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np

from vrnn_tf import drawing, files
from vrnn_tf.models import VRNN
from vrnn_tf.normalization import Normalization

from . import callbacks, datasets, pipeline
from .config import TrainConfig

FILES = ("config.json", "metadata.json", "model.keras")


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained run, read back from its folder."""

    model: VRNN
    config: TrainConfig
    normalization: Normalization
    metadata: dict[str, Any]


def train(
    config: TrainConfig,
    out: Path,
    resume: bool = False,
    overwrite: bool = False,
    tensorboard: bool = False,
    verbose: int | str = "auto",
) -> dict[str, Any]:
    """Trains a model and leaves a run folder.

    Args:
        config: the run's description.
        out: the run folder.
        resume: go on from `last.keras`; the result is that of a run that never stopped.
        overwrite: replace a run that stands in `out`.
        tensorboard: log to `out/tensorboard`.
        verbose: as in `keras.Model.fit`.

    Returns:
        The summary, also in `out/summary.json`: bounds on the validation split, nats per sequence.

    Raises:
        ValueError: if `out` holds something that the arguments do not allow to touch, or a run of
            another configuration is to be resumed.
        callbacks.NonFiniteError: if the numbers stop being finite.
        KeyboardInterrupt: after the weights at hand were made a usable run.
    """
    _check_folder(out, config, resume, overwrite)
    hooks = [_tensorboard(out)] if tensorboard else []
    started = time.time()
    source = datasets.get(config.dataset)
    splits = source.load(
        config.num_train, config.num_validation, config.seed, **config.dataset_options
    )
    normalization = Normalization.fit(
        config.normalization, splits.train, source.NORMALIZED_FEATURES
    )
    going_on = resume and (out / "last.keras").exists()
    model = _load(out / "last.keras") if going_on else _new_model(config)
    training, validation = _batches(config, splits, normalization, model)
    if going_on:
        epochs = int(model.training_calls) // len(training)
        rows = callbacks.read_history(out / "history.csv")[:epochs]
        first = files.read_json(out / "summary.json")["before"]
    else:
        _compile(model, config, len(training))
        before = model.evaluate(validation.dataset(), verbose=0, return_dict=True)
        rows, first = [], {"val_" + name: value for name, value in before.items()}
    metadata = _metadata(config, source, normalization, splits.train, training)
    if not resume:
        _remove_run(out)  # only now that nothing can be wrong with the new one
    files.write_json(out / "config.json", config.to_dict())
    files.write_json(out / "metadata.json", metadata)
    files.write_json(out / "summary.json", {"before": first})
    _fit(model, config, out, rows, training, validation, normalization, hooks, verbose)
    best = max(rows, key=lambda row: row["val_elbo"])
    after = {name: value for name, value in best.items() if name.startswith("val_")}
    summary = {
        "unit": "nats per sequence",
        "before": first,
        "after": after,
        "best_epoch": best["epoch"],
        "epochs": len(rows),
        "parameters": model.count_params(),
        "mean_steps_per_sequence": float(np.mean([len(x) for x in validation.sequences])),
        "seconds": round(time.time() - started, 1),
    }
    files.write_json(out / "summary.json", summary)
    return summary


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
    config = TrainConfig.from_dict(files.read_json(folder / "config.json"))
    normalization = Normalization.from_dict(metadata.get("normalization", {}))
    return Run(_load(folder / "model.keras"), config, normalization, metadata)


def _fit(model, config, out, rows, training, validation, normalization, hooks, verbose) -> None:
    longest = max(len(x) for x in training.sequences)

    def draw(model: VRNN, path: Path) -> None:
        samples = model.generate(4, longest, temperature=0.5)
        drawing.save(path, [normalization.invert(x) for x in samples])

    hooks = [
        callbacks.StopOnNonFinite(),
        callbacks.SaveRun(out, rows),
        callbacks.DrawSamples(out, draw),
        *hooks,
    ]
    try:
        model.fit(
            training.dataset(first_epoch=len(rows), repeat=True),
            validation_data=validation.dataset(),
            steps_per_epoch=len(training),
            initial_epoch=len(rows),
            epochs=config.epochs,
            callbacks=hooks,
            shuffle=False,
            verbose=verbose,
        )
    except KeyboardInterrupt:
        if not (out / "model.keras").exists() and not callbacks.non_finite_weights(model):
            callbacks.save_model(model, out / "model.keras")
        raise


def _new_model(config: TrainConfig) -> VRNN:
    return VRNN.from_preset(config.preset, **{"seed": config.seed, **config.model})


def _load(path: Path) -> VRNN:
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path} is not a model that can be loaded: a .keras file is a zip archive. It is "
            "damaged; restore it, or train again."
        )
    try:
        return keras.saving.load_model(path, safe_mode=True)
    except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{path} is not a model that can be loaded: {reason}") from None


def _batches(config, splits, normalization, model):
    def batches(sequences: Sequence[np.ndarray], seed: int | None) -> pipeline.Batches:
        prepared = pipeline.prepare(sequences, normalization, model.likelihood)
        return pipeline.Batches(prepared, config.batch_size, config.num_buckets, seed)

    return batches(splits.train, config.seed), batches(splits.validation, None)


def _compile(model: VRNN, config: TrainConfig, steps_per_epoch: int) -> None:
    schedule = keras.optimizers.schedules.CosineDecay(
        config.learning_rate, config.epochs * steps_per_epoch, alpha=0.1
    )
    model.compile(keras.optimizers.Adam(schedule, global_clipnorm=config.clip_norm))


def _metadata(
    config: TrainConfig,
    source: ModuleType,
    normalization: Normalization,
    sequences: list[np.ndarray],
    training: pipeline.Batches,
) -> dict[str, Any]:
    digest = hashlib.sha256()
    for x in sequences:
        digest.update(np.ascontiguousarray(x, dtype="<f4").tobytes())
    packages = ("vrnn_tf", "tensorflow", "tensorflow-probability", "keras", "numpy")
    return {
        "format": 1,
        "dataset": config.dataset,
        "units": source.UNITS,
        "normalization": normalization.to_dict(),
        "longest_sequence": max(len(x) for x in sequences),
        "data_sha256": digest.hexdigest(),
        "padding": round(training.padding(), 4),
        "seed": config.seed,
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }


def _check_folder(out: Path, config: TrainConfig, resume: bool, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file. Name a folder with --out.")
    occupied = out.is_dir() and any(out.iterdir())
    is_run = (out / "config.json").is_file()
    if resume:
        if not is_run:
            raise ValueError(f"{out} holds no run to resume. Leave --resume out to start one.")
        _check_same(TrainConfig.from_dict(files.read_json(out / "config.json")), config)
    elif occupied and not is_run:
        raise ValueError(f"{out} is not empty and is not a run folder. Name another with --out.")
    elif occupied and not overwrite:
        raise ValueError(
            f"{out} already holds a run. Go on with --resume, replace it with --overwrite, or name "
            "another folder with --out."
        )


def _check_same(old: TrainConfig, new: TrainConfig) -> None:
    before, after = old.to_dict(), new.to_dict()
    changed = [
        f"{name} was {before[name]!r}, now {after[name]!r}"
        for name in before
        if before[name] != after[name]
    ]
    if changed:
        raise ValueError(
            f"The run to resume has another configuration: {'; '.join(changed)}. Resume it with "
            "the old one, or start a new run with another --out."
        )


def _remove_run(out: Path) -> None:
    """Removes the files that a run wrote, and nothing else."""
    for name in (*FILES, "last.keras", "history.csv", "summary.json"):
        (out / name).unlink(missing_ok=True)
    for picture in (out / "pictures").glob("epoch_*.png"):
        picture.unlink()


def _tensorboard(out: Path) -> keras.callbacks.Callback:
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        raise ValueError(
            "--tensorboard needs the package tensorboard. Install it with "
            "`pip install 'vrnn_tf[tensorboard]'`."
        ) from None
    return keras.callbacks.TensorBoard(out / "tensorboard")
