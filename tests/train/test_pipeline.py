"""Batches hold every point once, in few shapes, in an order that seed and epoch fix."""

import numpy as np
import pytest

from vrnn_tf import likelihoods
from vrnn_tf.normalization import Normalization
from vrnn_tf.train import pipeline

RAW = [
    np.random.default_rng(i).normal(size=(length, 3)).astype("float32")
    for i, length in enumerate([5, 1, 9, 30, 7, 7, 12, 3, 21, 8, 40])
]
IDENTITY = Normalization("none", (0.0,) * 3, (1.0,) * 3)
PEN = likelihoods.get("bivariate_gmm")


def rows_of(batches, epoch):
    for batch in batches.epoch(epoch):
        for x, mask in zip(batch["x"], batch["mask"], strict=True):
            yield x[mask > 0]


@pytest.mark.parametrize("seed", [None, 3])
def test_an_epoch_holds_every_sequence_once(seed):
    batches = pipeline.Batches(RAW, batch_size=2, num_buckets=3, seed=seed)
    rows = sorted((row.tolist() for row in rows_of(batches, 0)), key=len)
    expected = sorted((x.tolist() for x in RAW), key=len)
    assert sorted(map(str, rows)) == sorted(map(str, expected))
    assert len(list(batches.epoch(0))) == len(batches)


def test_padding_is_zero_and_lengths_are_few():
    batches = pipeline.Batches(RAW, batch_size=2, num_buckets=3, seed=0)
    shapes = set()
    for batch in batches.epoch(0):
        assert not batch["x"][batch["mask"] == 0].any()
        shapes.add(batch["x"].shape[1])
    assert len(shapes) <= 3
    steps = sum(len(x) for x in RAW)
    padded = sum(batch["mask"].size for batch in batches.epoch(0))
    assert batches.padding() == pytest.approx(1 - steps / padded)


def test_the_order_is_a_function_of_seed_and_epoch():
    def order(seed, epoch):
        batches = pipeline.Batches(RAW, batch_size=2, num_buckets=3, seed=seed)
        return [row.tolist() for row in rows_of(batches, epoch)]

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


def test_a_data_set_that_starts_late_goes_on_like_one_that_did_not():
    batches = pipeline.Batches(RAW, batch_size=2, num_buckets=3, seed=0)
    n = len(batches)
    whole = list(batches.dataset(repeat=True).take(3 * n).as_numpy_iterator())
    late = list(batches.dataset(first_epoch=2, repeat=True).take(n).as_numpy_iterator())
    for a, b in zip(whole[2 * n :], late, strict=True):
        np.testing.assert_array_equal(a["x"], b["x"])


def test_prepare_marks_the_end_only_for_models_that_learn_it():
    raw = [np.array([[1, 2, 0], [3, 4, 1]], "float32")]
    learns = likelihoods.get({"name": "bivariate_gmm", "end_of_sequence": True})
    assert pipeline.prepare(raw, IDENTITY, PEN)[0][:, 2].tolist() == [0, 1]
    assert pipeline.prepare(raw, IDENTITY, learns)[0][:, 2].tolist() == [0, 2]
    assert raw[0][:, 2].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((0, 3)), "Sequence 1 must be .* T >= 1"),
        (np.zeros((4, 2)), r"Sequence 1 must be \[T, 3\]"),
        (np.full((4, 3), np.nan), "Sequence 1 holds NaN"),
    ],
)
def test_bad_sequences_are_named(bad, message):
    with pytest.raises(ValueError, match=message):
        pipeline.prepare([np.zeros((2, 3)), bad], IDENTITY, PEN)
