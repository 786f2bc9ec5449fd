"""Runs of a few seconds, and a comparison of two of them."""

import dataclasses

import keras
import numpy as np

from vrnn_tf.train import callbacks, checkpoints, run
from vrnn_tf.train.config import TrainConfig

CONFIG = TrainConfig(
    preset="demo",
    model={"latent_size": 3, "recurrent_units": 8, "hidden_units": 6, "kl_warmup_steps": 5},
    dataset_options={"min_words": 1, "max_words": 1, "points_per_letter": 6.0},
    num_train=40,
    num_validation=10,
    batch_size=8,
    num_buckets=2,
    epochs=3,
)


def train(out, **changes):
    names = ("resume", "overwrite", "accept_changes")
    options = {k: changes.pop(k) for k in names if k in changes}
    return run.train(dataclasses.replace(CONFIG, **changes), out, verbose=0, **options)


def train_text(folder, out, **changes):
    """A run on the text in a folder, with truncated back-propagation through time."""
    arguments = {
        "preset": "char",
        "model": {"latent_size": 3, "recurrent_units": 8, "hidden_units": 6, "embedding_size": 4},
        "dataset": "text_file",
        "dataset_options": {"sequence_length": 50},
        "data_dir": str(folder),
        "prepared_dir": str(out.parent / "prepared"),
        "batch_size": 4,
        "chunk_steps": 20,
        "epochs": 3,
    }
    options = {k: changes.pop(k) for k in ("resume", "overwrite") if k in changes}
    return run.train(TrainConfig(**{**arguments, **changes}), out, verbose=0, **options)


def write_text(path, lines=60):
    """Writes a text of many lines."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"line {i}: {'to be or not ' * (i % 3)}\n" for i in range(lines)))


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the run may act on it."""


def kill_at(monkeypatch, step):
    """Ends the next run once it has taken so many steps, before what the step would write."""

    class Kill(callbacks.SampleDrawer):
        steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            if self.steps == step:
                raise Killed

    monkeypatch.setattr(callbacks, "SampleDrawer", Kill)


def assert_same_run(first, second):
    """Checks that weights, optimizer and history are the same bit for bit."""
    (one, progress), (other, same) = map(checkpoints.newest, (first, second))
    assert progress == same
    a, b = map(keras.saving.load_model, (one, other))
    for one, other in zip(a.weights, b.weights, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.path)
    for one, other in zip(a.optimizer.variables, b.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (first / "history.csv").read_text() == (second / "history.csv").read_text()
