"""The part of tests that needs other processes: `python replicated.py WHAT OUT`.

Devices are fixed before TensorFlow's first operation, and workers listen on ports: neither can be
had in the process of the tests.
"""

import dataclasses
import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parents[1]))

import tiny_models
import tiny_runs
from vrnn_tf import replicas
from vrnn_tf.train import distribute, pipeline, run

CASES = {
    # The norm of the gradient is bounded in every step, or in none.
    "clipped": {"clip_norm": 0.1, "model": {**tiny_runs.CONFIG.model, "dropout": 0.3}},
    "unclipped": {"clip_norm": 1e6, "learning_rate": 1e-4},
    "chunks": {"chunk_steps": 12},
    "fivo": {
        "model": {**tiny_runs.CONFIG.model, "bound": {"name": "fivo", "num_samples": 3}},
        "chunk_steps": 12,
    },
}


def two_devices():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def train(out, strategy, **changes):
    # 40 sequences in batches of 7: shares of 4 and 3 rows, and a last batch of less.
    batch = 8 if "chunk_steps" in changes else 7
    config = dataclasses.replace(tiny_runs.CONFIG, **{"batch_size": batch, "epochs": 2, **changes})
    return run.train(config, out, resume=True, verbose=0, strategy=strategy)


def mirrored(out):
    """Each case once in one replica and once in two."""
    two_devices()
    for name, changes in CASES.items():
        for strategy in ("none", "mirrored"):
            train(out / name / strategy, strategy, **changes)


def shares(out):
    """What the replicas read in an epoch, and which noise they draw."""
    two_devices()
    cluster = distribute.Cluster("mirrored")
    sequences = [np.full((3 + i % 5, 1), i, "float32") for i in range(23)]
    seen: list[list[int]] = [[], []]
    batches = pipeline.Batches(sequences, 4, seed=0, num_buckets=2)
    for batch in cluster.dataset(batches):
        x_parts, mask_parts = (
            cluster.strategy.experimental_local_results(batch[name]) for name in ("x", "mask")
        )
        for replica, (x, mask) in enumerate(zip(x_parts, mask_parts, strict=True)):
            seen[replica] += x.numpy()[mask.numpy()[:, 0] == 1][:, 0, 0].astype(int).tolist()
    rows = cluster.strategy.run(tf.function(lambda: replicas.rows(3)))
    carried = np.arange(12.0).reshape(6, 2)
    share = cluster.strategy.run(tf.function(lambda: replicas.local_rows(tf.constant(carried))))
    whole = cluster.strategy.run(
        tf.function(lambda: replicas.all_rows(replicas.local_rows(tf.constant(carried))))
    )
    results: dict[str, list] = {"seen": seen}
    for name, value in {"rows": rows, "share": share, "whole": whole}.items():
        local = cluster.strategy.experimental_local_results(value)
        results[name] = [part.numpy().tolist() for part in local]
    (out / "shares.json").write_text(json.dumps(results))


def multiworker(out):
    """One of the workers of a run, which end with the same weights or with an error."""
    train(out, "multiworker", checkpoint_every=2)


def like_workers(out):
    """The same run on two devices."""
    two_devices()
    train(out, "mirrored", checkpoint_every=2)


def compiled_twice(out):
    """How far a step moves the weights if the optimizer is compiled once, and if it is twice."""
    two_devices()
    x = np.random.default_rng(0).normal(size=(4, 5, 2)).astype("float32")
    moved = []
    for times in (1, 2):
        strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
        with strategy.scope():
            model = tiny_models.make()
            optimizer = keras.optimizers.SGD(1e-3, global_clipnorm=1e6)
            for _ in range(times):
                model.compile(optimizer)
        before = [weight.numpy() for weight in model.trainable_weights]
        model.fit(x, batch_size=4, shuffle=False, verbose=0)
        after = [weight.numpy() for weight in model.trainable_weights]
        moved.append(float(sum(np.abs(a - b).sum() for a, b in zip(after, before, strict=True))))
    (out / "moved.json").write_text(json.dumps(moved))


def stock(out):
    """What Keras makes of a bounded norm: both replicas have the gradient 2."""
    two_devices()
    strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
    with strategy.scope():
        dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        model = keras.Sequential([keras.Input((1,)), dense])
        model.compile(keras.optimizers.SGD(1.0, global_clipnorm=0.01), loss="mse")
    model.fit(tf.ones((4, 1)), tf.zeros((4, 1)), batch_size=4, verbose=0)
    (out / "stock.json").write_text(json.dumps(1.0 - float(dense.kernel.numpy()[0, 0])))


def stock_multiworker(out):
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    model.fit(tf.ones((8, 1)), tf.ones((8, 1)), batch_size=4, verbose=0)


if __name__ == "__main__":
    what, folder = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    globals()[what](Path(folder))
