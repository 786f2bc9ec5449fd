"""Keras callbacks that save, draw and stop a run while `fit` goes on."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from vrnn_tf.media import Audio, Medium, Text
from vrnn_tf.model.vrnn import VRNN
from vrnn_tf.tasks import analysis

from . import checkpoints
from .checkpoints import Progress
from .folder import write_history, write_model


class NonFiniteError(ArithmeticError):
    """Training met NaN or infinity; the message says where. The last good weights are on disk."""


class NonFiniteGuard(keras.callbacks.Callback):
    """Raises `NonFiniteError` at the first training batch or epoch whose numbers are not finite.

    It stands before the callbacks that draw and save, so that they see finite numbers only.

    Args:
        start: where `fit` starts.
        steps_per_epoch: training steps of a whole epoch. An epoch that goes on has fewer steps
            left, but its metrics count all of them.
    """

    def __init__(self, start: Progress, steps_per_epoch: int):
        super().__init__()
        self.start = start
        self.steps_per_epoch = steps_per_epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        batch += self.start.first_batch(self.epoch)
        bad = [name for name, value in (logs or {}).items() if not math.isfinite(value)]
        if not bad:
            return
        weights = non_finite_weights(self.model)
        where = f"; weights no longer finite: {_some(weights)}" if weights else ""
        raise NonFiniteError(
            f"Training stopped at epoch {self.epoch + 1}, batch {batch + 1}: {', '.join(bad)} is "
            f"not finite{where}. What was saved before is on disk. Lower the learning rate, or "
            "look for outliers in the data."
        )

    def on_epoch_end(self, epoch, logs=None):
        bad = [name for name, value in (logs or {}).items() if not math.isfinite(value)]
        bad += non_finite_weights(self.model)
        if (logs or {}).get("skipped", 0) >= self.steps_per_epoch:
            bad.append("the gradients of all its batches, which were skipped")
        if bad:
            raise NonFiniteError(
                f"Epoch {epoch + 1} ended with numbers that are not finite: {_some(bad)}. It "
                "was not saved. Lower the learning rate, or look for outliers in the data."
            )


class RunSaver(keras.callbacks.Callback):
    """Writes checkpoints, the best model in `model.keras`, and history.csv.

    The best model has the highest validation bound. Files are replaced atomically, and never by a
    model whose bound or weights are not finite. This callback comes last: once the checkpoint of an
    epoch exists, all that the epoch leaves exists too. If a kill came before, the epoch is done
    again.

    Args:
        folder: the run folder; None for a worker that writes nothing.
        start: where `fit` starts. Its metrics are given back to the model, so that an epoch that
            goes on ends with the figures of one that was never interrupted.
        monitor: the name of the validation bound.
        steps_per_epoch: training steps of a whole epoch, which ends with a checkpoint.
        checkpoint_every: training steps from one checkpoint to the next within an epoch.
    """

    def __init__(
        self,
        folder: Path | None,
        start: Progress,
        monitor: str,
        steps_per_epoch: int,
        checkpoint_every: int,
    ):
        super().__init__()
        self.steps_per_epoch = steps_per_epoch
        self.folder = folder
        self.start = start
        self.rows = list(start.rows)
        self.monitor = monitor
        self.checkpoint_every = checkpoint_every
        self.best = max([row[monitor] for row in self.rows], default=-math.inf)
        self.step = start.step

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.batch = epoch, self.start.first_batch(epoch)
        if self.batch:
            checkpoints.restore_metrics(self.model, self.start.metrics)

    def on_train_batch_end(self, batch, logs=None):
        self.batch += 1
        self.step += 1
        if self.step % self.checkpoint_every == 0 and self.batch < self.steps_per_epoch:
            bad = non_finite_weights(self.model)
            if bad:
                raise NonFiniteError(
                    f"Weights are no longer finite at epoch {self.epoch + 1}, batch {self.batch}: "
                    f"{_some(bad)}. What was saved before is on disk. Lower the learning rate."
                )
            self._checkpoint(self.epoch, self.batch)

    def on_epoch_end(self, epoch, logs=None):
        logs = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append({"epoch": epoch + 1, **logs})
        best, self.best = self.best, max(self.best, logs[self.monitor])
        if self.folder is not None:
            write_history(self.folder / "history.csv", self.rows)
            if self.best > best:
                write_model(self.folder / "model.keras", self.model)
        self._checkpoint(epoch + 1, 0)

    def _checkpoint(self, epoch: int, batch: int) -> None:
        progress = Progress(
            step=self.step,
            epoch=epoch,
            batch=batch,
            rows=self.rows,
            before=self.start.before,
            # All workers take part: the metrics are sums over their replicas.
            metrics=checkpoints.metrics_of(self.model) if batch else [],
        )
        if self.folder is not None:
            checkpoints.write(self.folder, self.model, progress)


class SampleDrawer(keras.callbacks.Callback):
    """Puts samples into `pictures/epoch_NNN.*` after every epoch.

    Args:
        folder: the run folder.
        medium: what the data mean.
        sample: `model -> sequences [T, D]` in raw units.
    """

    def __init__(self, folder: Path, medium: Medium, sample: Callable[[VRNN], list[np.ndarray]]):
        super().__init__()
        self.folder, self.medium, self.sample = folder, medium, sample

    def on_epoch_end(self, epoch, logs=None):
        name = f"epoch_{epoch + 1:03d}{self.medium.suffixes[0]}"
        self.medium.save(self.folder / "pictures" / name, self.sample(self.model))


class TensorBoardLogger(keras.callbacks.Callback):
    """Adds samples and histograms of the KL to TensorBoard after every epoch.

    The samples are the picture that `SampleDrawer` has just made, sound, or text. One histogram
    shows the nats of every step ("kl_per_step"), the other those of every dimension of z
    ("kl_per_dimension").

    Args:
        folder: the run folder.
        medium: what the data mean.
        sample: `model -> sequences [T, D]` in raw units.
        sequences: `[T_i, D]`, normalised; the KL is measured on them.
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
        with self.writer.as_default():
            self._log_samples(step)
            if self.model.latent_size:
                self._log_kl(step)
        self.writer.flush()

    def _log_samples(self, step: int) -> None:
        picture = self.folder / "pictures" / f"epoch_{step:03d}.png"
        if picture.exists():
            image = tf.io.decode_png(picture.read_bytes(), channels=3)
            tf.summary.image("samples", image[None], step)
        if isinstance(self.medium, Audio):
            waves = [np.clip(x.reshape(-1, 1), -1.0, 1.0) for x in self.sample(self.model)]
            tf.summary.audio("samples", np.stack(waves), self.medium.sampling_rate, step)
        if isinstance(self.medium, Text):
            texts = [self.medium.decode(x) for x in self.sample(self.model)]
            tf.summary.text("samples", texts, step)

    def _log_kl(self, step: int) -> None:
        traces = [analysis.trace(self.model, x, i) for i, x in enumerate(self.sequences)]
        kl_of_step = np.concatenate([trace.kl for trace in traces])
        tf.summary.histogram("kl_per_step", kl_of_step, step)
        kl_of_dimension = analysis.summary(traces)["kl_of_dimension"]
        tf.summary.histogram("kl_per_dimension", kl_of_dimension, step)


def non_finite_weights(model: keras.Model) -> list[str]:
    """The paths of the weights that hold NaN or infinity."""
    return [
        weight.path
        for weight in model.weights
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all()
    ]


def _some(names: Sequence[str], number: int = 3) -> str:
    """The first names, and the number of further ones."""
    more = f" and {len(names) - number} more" if len(names) > number else ""
    return ", ".join(names[:number]) + more


def weights_digest(model: keras.Model) -> int:
    """The CRC-32 of all weights."""
    digest = 0
    for weight in model.weights:
        digest = zlib.crc32(keras.ops.convert_to_numpy(weight).tobytes(), digest)
    return digest
