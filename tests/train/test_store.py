"""Sequences on disk are those of a list, in the same order, and take little memory."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest

import tiny_runs
from vrnn_tf import files, likelihoods
from vrnn_tf.normalization import Normalization
from vrnn_tf.train import pipeline, run, store


def some(number=50, seed=0):
    random = np.random.default_rng(seed)
    return [random.normal(size=(random.integers(1, 30), 3)).astype("f4") for _ in range(number)]


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(store, "SHARD", 8)


@pytest.mark.usefixtures("small_shards")
def test_what_does_not_fit_is_read_from_disk(tmp_path):
    sequences = some()
    stored = store.collect(iter(sequences), 1_000, tmp_path / "sequences")
    assert isinstance(stored, store.Store)
    assert len(list((tmp_path / "sequences").glob("*.array_record"))) == 7  # 50 in eights
    assert len(stored) == 50
    np.testing.assert_array_equal(stored.lengths, [len(x) for x in sequences])
    for number in np.random.default_rng(1).permutation(50):
        np.testing.assert_array_equal(stored[number], sequences[number])
    for a, b in zip(stored[10:20:3], sequences[10:20:3], strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(stored[-1], sequences[-1])
    with pytest.raises(IndexError, match="50 sequences"):
        stored[50]


def test_what_fits_is_a_list(tmp_path):
    sequences = some()
    stored = store.collect(iter(sequences), math.inf, tmp_path / "sequences")
    assert isinstance(stored, list)
    assert len(stored) == 50
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("small_shards")
def test_it_is_written_once(tmp_path):
    store.collect(iter(some()), 0, tmp_path / "sequences")
    again = store.collect(iter([]), 0, tmp_path / "sequences")
    assert len(again) == 50
    store.write(some(3), tmp_path / "sequences")  # another process was first
    assert len(store.Store(tmp_path / "sequences")) == 50
    assert [path.name for path in tmp_path.iterdir()] == ["sequences"]


def test_a_failure_leaves_nothing(tmp_path):
    def failing():
        yield from some()
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        store.collect(failing(), 0, tmp_path / "sequences")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("name", ["store.json", "lengths.npy", "00001.array_record"])
@pytest.mark.parametrize("damage", [lambda x: x[: len(x) // 2], lambda x: b"\0" * len(x)])
def test_damage_is_told(name, damage, tmp_path):
    folder = tmp_path / "sequences"
    store.write(some(), folder)
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="sequences"):
        [store.Store(folder)[i] for i in range(50)]


def test_an_event_size_that_is_damaged_is_told(tmp_path):
    folder = tmp_path / "sequences"
    store.write(some(), folder)
    files.write_json(folder / "store.json", {"sequences": 50, "event_size": 7})
    with pytest.raises(ValueError, match="sequences is damaged: .* Delete it"):
        [store.Store(folder)[i] for i in range(50)]


@pytest.mark.parametrize("kind", [pipeline.Batches, pipeline.Chunks])
def test_batches_are_those_of_a_list(kind, tmp_path):
    sequences = some()
    stored = store.collect(iter(sequences), 0, tmp_path / "sequences")
    name = "scalar"
    normalization = Normalization.fit(name, sequences, (0, 1))
    assert Normalization.fit(name, stored, (0, 1)) == normalization
    likelihood = likelihoods.get("bivariate_gmm")
    from_list, from_store = (
        kind(pipeline.prepare(s, normalization, likelihood), 8, seed=3) for s in (sequences, stored)
    )
    assert len(from_list) == len(from_store)
    assert from_list.padding() == from_store.padding()
    for epoch in (0, 1):
        for a, b in zip(from_list.epoch(epoch), from_store.epoch(epoch), strict=True):
            for key in a:
                np.testing.assert_array_equal(a[key], b[key])


@pytest.mark.slow
def test_a_run_from_disk_ends_the_same(tmp_path):
    config = dataclasses.replace(tiny_runs.CONFIG, epochs=1, prepared_dir=str(tmp_path / "kept"))
    on_disk = dataclasses.replace(config, data_memory=1e-6)
    first = run.train(config, tmp_path / "memory", verbose=0)
    second = run.train(on_disk, tmp_path / "disk", verbose=0)
    assert len(list((tmp_path / "kept" / "synthetic_handwriting").iterdir())) == 2
    tiny_runs.assert_same_run(tmp_path / "memory", tmp_path / "disk")
    assert first["baselines"].keys() == second["baselines"].keys()


MEASURE = """
import sys
import keras
import numpy as np
from pathlib import Path
from vrnn_tf import VRNN
from vrnn_tf.train import pipeline, store

def lines(number):
    random = np.random.default_rng(0)
    for i in range(number):
        yield random.normal(size=(random.integers(100, 500), 3)).astype("f4")

class Memory(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch % 100 == 50:  # MiB of the process alone, without the page cache
            status = Path("/proc/self/status").read_text().splitlines()
            rss = next(line.split()[1] for line in status if line.startswith("RssAnon"))
            print(int(rss) / 1024, flush=True)

sequences = store.collect(lines(200_000), 2**24, Path(sys.argv[1]))
batches = pipeline.Batches(sequences, 64, seed=0)
print(len(batches), sum(sequences.lengths) * 12 / 2**20)
small = {"latent_size": 2, "recurrent_units": 4, "hidden_units": 3}
model = VRNN({"name": "gaussian", "event_size": 3}, **small)
model.compile("adam")
model.fit(batches.dataset(), verbose=0, callbacks=[Memory()])
"""


@pytest.mark.slow
def test_a_training_on_200_000_lines_stays_small(tmp_path):
    """0.7 GiB of lines add less than 32 MiB once the first batches are through."""
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "sequences")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    batches, mebibytes, *held = map(float, done.stdout.split())
    assert batches > 3_000 and len(held) == round(batches / 100)
    assert mebibytes > 600
    assert max(held) - held[2] < 32, held
