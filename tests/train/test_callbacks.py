"""Callbacks stop a run whose numbers are not finite, and show it in TensorBoard."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.compat.proto import event_pb2

from tiny_runs import CONFIG, train
from vrnn_tf.tasks import analysis
from vrnn_tf.train import callbacks, checkpoints, run


def logged(folder):
    """`{name: [values of TensorBoard's tensors]}` of the summaries about z."""
    summaries = {}
    for path in sorted((folder / "tensorboard" / "latent").iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            for value in event_pb2.Event.FromString(record.numpy()).summary.value:
                summaries.setdefault(value.tag, []).append(tf.make_ndarray(value.tensor))
    return summaries


@pytest.mark.slow
def test_tensorboard_shows_samples_and_the_kl(tmp_path):
    out = tmp_path / "run"
    run.train(dataclasses.replace(CONFIG, epochs=2), out, tensorboard=True, verbose=0)
    summaries = logged(out)
    assert set(summaries) == {"samples", "kl_per_step", "kl_per_dimension"}
    width, height, *pictures = summaries["samples"][1]
    assert int(width) > 0 and int(height) > 0 and pictures[0][:4] == b"\x89PNG"
    loaded, data = run.load_with_data(out, "validation")
    loaded.model.load_weights(checkpoints.newest(out)[0])
    traces = [analysis.trace(loaded.model, x, i) for i, x in enumerate(data.sequences[:8])]
    buckets = summaries["kl_per_step"][1]  # [left, right, count]
    nats = np.concatenate([t.kl for t in traces])
    assert buckets[:, 2].sum() == len(nats)
    assert buckets[0, 0] == pytest.approx(nats.min(), rel=1e-3)
    assert buckets[-1, 1] == pytest.approx(nats.max(), rel=1e-3)


def test_an_epoch_stops_the_run_if_all_of_its_batches_were_skipped():
    """Those before a kill count, and so do those after it: 8 of 12 batches, then 4."""
    start = checkpoints.Progress(step=8, epoch=0, batch=8, rows=[], before={}, metrics=[])
    stop = callbacks.NonFiniteGuard(start, steps_per_epoch=12)
    stop.set_model(keras.Sequential())
    stop.set_params({"steps": 4})
    stop.on_epoch_end(0, {"skipped": 11.0})
    with pytest.raises(callbacks.NonFiniteError, match="Epoch 1 .* all its batches"):
        stop.on_epoch_end(0, {"skipped": 12.0})


def test_numbers_that_explode_stop_the_run_and_are_not_saved(tmp_path):
    with pytest.raises(callbacks.NonFiniteError, match=r"epoch 1, batch \d+: .*not finite"):
        train(tmp_path / "run", learning_rate=1e30)
    assert not (tmp_path / "run" / "model.keras").exists()
    assert not (tmp_path / "run" / "checkpoints").exists()
