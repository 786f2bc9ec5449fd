"""Keras callbacks of a run: what is saved, drawn and refused while `fit` goes on."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from vrnn_tf import analysis, files
from vrnn_tf.media import Audio, Medium, Text
from vrnn_tf.models import VRNN


class NonFiniteError(ArithmeticError):
    """Training met NaN or infinity; the message says where. The last good weights are on disk."""


class StopOnNonFinite(keras.callbacks.Callback):
    """Raises `NonFiniteError` at the first training batch whose numbers are not finite."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        bad = [name for name, value in (logs or {}).items() if not math.isfinite(value)]
        if not bad:
            return
        weights = non_finite_weights(self.model)
        where = f"; weights no longer finite: {', '.join(weights)}" if weights else ""
        raise NonFiniteError(
            f"Training stopped at epoch {self.epoch + 1}, batch {batch + 1}: {', '.join(bad)} is "
            f"not finite{where}. Nothing of this epoch was saved. Lower the learning rate, or look "
            "for outliers in the data."
        )


class SaveRun(keras.callbacks.Callback):
    """Keeps a run folder: `last.keras` after every epoch, the best in `model.keras`, history.csv.

    "Best" is the highest validation bound. Files are replaced atomically, and never by a model
    whose bound or weights are not finite.

    Args:
        folder: of the run.
        rows: the history so far, of a run that is resumed.
        monitor: the name of the validation bound.
    """

    def __init__(self, folder: Path, rows: list[dict[str, float]], monitor: str):
        super().__init__()
        self.folder = folder
        self.rows = rows
        self.monitor = monitor
        self.best = max([row[monitor] for row in rows], default=-math.inf)

    def on_epoch_end(self, epoch, logs=None):
        logs = {name: float(value) for name, value in (logs or {}).items()}
        bad = [name for name, value in logs.items() if not math.isfinite(value)]
        bad += non_finite_weights(self.model)
        if bad:
            raise NonFiniteError(
                f"Epoch {epoch + 1} ended with numbers that are not finite: {', '.join(bad)}. It "
                "was not saved. Lower the learning rate, or look for outliers in the data."
            )
        self.rows.append({"epoch": epoch + 1, **logs})
        # last.keras comes last: a run resumed after a kill between these lines repeats the epoch.
        write_history(self.folder / "history.csv", self.rows)
        if logs[self.monitor] > self.best:
            self.best = logs[self.monitor]
            save_model(self.model, self.folder / "model.keras")
        save_model(self.model, self.folder / "last.keras")


class DrawSamples(keras.callbacks.Callback):
    """Puts samples into `pictures/epoch_NNN.*` after every epoch.

    Args:
        folder: of the run.
        draw: `(model, path) -> None`; it adds the suffix to the path.
    """

    def __init__(self, folder: Path, draw: Callable[[keras.Model, Path], None]):
        super().__init__()
        self.folder = folder
        self.draw = draw

    def on_epoch_end(self, epoch, logs=None):
        self.draw(self.model, self.folder / "pictures" / f"epoch_{epoch + 1:03d}")


class LogToTensorBoard(keras.callbacks.Callback):
    """Adds samples and histograms of the KL to TensorBoard after every epoch.

    Samples are the picture that `DrawSamples` has just made, sound or text; histograms are of the
    nats of every step ("kl_per_step") and of every dimension of z ("kl_per_dimension").

    Args:
        folder: of the run.
        medium: of the data.
        sample: `model -> sequences [T, D]` in raw units.
        sequences: `[T_i, D]`, normalised, to measure the KL on.
    """

    def __init__(
        self,
        folder: Path,
        medium: Medium,
        sample: Callable[[VRNN], list[np.ndarray]],
        sequences: Sequence[np.ndarray],
    ):
        super().__init__()
        self.folder, self.medium, self.sample = folder, medium, sample
        self.sequences = sequences
        self.writer = tf.summary.create_file_writer(str(folder / "tensorboard" / "latent"))

    def on_epoch_end(self, epoch, logs=None):
        step = epoch + 1
        picture = self.folder / "pictures" / f"epoch_{step:03d}.png"
        with self.writer.as_default():
            if picture.exists():
                image = tf.io.decode_png(picture.read_bytes(), channels=3)
                tf.summary.image("samples", image[None], step)
            if isinstance(self.medium, Audio):
                waves = [np.clip(x.reshape(-1, 1), -1.0, 1.0) for x in self.sample(self.model)]
                tf.summary.audio("samples", np.stack(waves), self.medium.sampling_rate, step)
            if isinstance(self.medium, Text):
                texts = [self.medium.decode(x) for x in self.sample(self.model)]
                tf.summary.text("samples", texts, step)
            if self.model.latent_size:
                traces = [analysis.trace(self.model, x, i) for i, x in enumerate(self.sequences)]
                nats = np.concatenate([trace.kl for trace in traces])
                tf.summary.histogram("kl_per_step", nats, step)
                found = analysis.summary(traces)
                tf.summary.histogram("kl_per_dimension", found["kl_of_dimension"], step)
        self.writer.flush()


def non_finite_weights(model: keras.Model) -> list[str]:
    """The paths of the weights that hold NaN or infinity."""
    return [
        weight.path
        for weight in model.weights
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all()
    ]


def save_model(model: keras.Model, path: Path) -> None:
    """Writes a `.keras` file, optimizer state included, atomically."""
    with files.atomic(path) as temporary:
        model.save(temporary, overwrite=True)


def write_history(path: Path, rows: list[dict[str, float]]) -> None:
    """Writes one row an epoch, atomically."""
    with files.atomic(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read_history(path: Path, monitor: str) -> list[dict[str, float]]:
    """Reads `history.csv`, the epochs that have a `monitor`; an absent file is an empty history.

    Raises:
        ValueError: if the file is not such a table; names it.
    """
    if not path.exists():
        return []
    try:
        with open(path, newline="") as file:
            rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        return [{**row, "epoch": int(row["epoch"])} for row in rows if monitor in row]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a history table: {error}.") from None
