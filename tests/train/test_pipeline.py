"""Batches and chunks hold every point once, in few shapes. Seed and epoch fix their order."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vrnn_tf import likelihoods
from vrnn_tf.normalization import Normalization
from vrnn_tf.train import pipeline

IDENTITY = Normalization("none", (0.0,) * 3, (1.0,) * 3)
PEN = likelihoods.get("bivariate_gmm")
LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=40)


def numbered(lengths):
    """Sequences `[T_i, 1]` of the values 1, 2, 3, ...: each value tells which point it is."""
    points = np.arange(1, 1 + sum(lengths), dtype=np.float32).reshape(-1, 1)
    return np.split(points, np.cumsum(lengths)[:-1])


def rows_of(batches, epoch):
    for batch in batches.epoch(epoch):
        for x, mask in zip(batch["x"], batch["mask"], strict=True):
            assert not x[mask == 0].any()
            if mask.any():
                yield x[mask > 0]


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 9), st.integers(1, 6), st.sampled_from([None, 3]))
def test_batches_hold_every_sequence_once(lengths, batch_size, num_buckets, seed):
    raw = numbered(lengths)
    batches = pipeline.Batches(raw, batch_size, seed, num_buckets=num_buckets)
    rows = sorted(rows_of(batches, 1), key=lambda x: x[0, 0])
    assert len(rows) == len(raw)
    for row, x in zip(rows, raw, strict=True):
        np.testing.assert_array_equal(row, x)
    made = list(batches.epoch(1))
    shapes = {batch["x"].shape[:2] for batch in made}
    assert len(made) == len(batches)
    assert shapes == batches.shapes()
    assert len({steps for _, steps in shapes}) <= num_buckets
    padded = sum(batch["mask"].size for batch in made)
    assert batches.padding() == pytest.approx(1 - sum(lengths) / padded)


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 6), st.integers(1, 9), st.sampled_from([None, 3]))
def test_chunks_hold_every_point_once_and_in_order(lengths, batch_size, chunk_steps, seed):
    raw = numbered(lengths)
    chunks = pipeline.Chunks(raw, batch_size, seed, chunk_steps=chunk_steps)
    read = []  # the sequences that a model sees, as it sees them: lane by lane
    lanes = [[] for _ in range(batch_size)]
    for batch in chunks.epoch(2):
        assert batch["x"].shape == (batch_size, chunk_steps, 1)
        for lane, x, mask, reset in zip(
            lanes, batch["x"], batch["mask"], batch["reset"], strict=True
        ):
            assert not x[mask == 0].any()
            if reset and lane:
                read.append(np.concatenate(lane))
                lane.clear()
            lane.append(x[mask > 0])
    read += [np.concatenate(lane) for lane in lanes if lane]
    read = sorted((x for x in read if len(x)), key=lambda x: x[0, 0])
    assert len(read) == len(raw)
    for row, x in zip(read, raw, strict=True):
        np.testing.assert_array_equal(row, x)
    made = list(chunks.epoch(0))
    assert len(made) == len(chunks)
    size = sum(batch["mask"].size for batch in made)
    assert chunks.padding() == pytest.approx(1 - sum(lengths) / size)


def test_lanes_are_of_nearly_equal_length():
    lengths = np.random.default_rng(0).integers(1, 200, 300)
    chunks = pipeline.Chunks(numbered(lengths), 8, 0, chunk_steps=10)
    least = -(-sum(-(-lengths // 10)) // 8)
    assert least <= len(chunks) <= least + 1


def brute_force_steps(lengths, num_buckets):
    """The fewest steps that any limits take: tries them all."""
    unique = sorted(set(lengths))
    best = np.inf
    for number in range(min(num_buckets, len(unique))):
        for inner in itertools.combinations(unique[:-1], number):
            limits = np.array([*inner, unique[-1]])
            best = min(best, limits[np.searchsorted(limits, lengths)].sum())
    return best


@settings(deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=12), st.integers(1, 4))
def test_bucket_limits_waste_the_fewest_steps(lengths, num_buckets):
    limits = pipeline.bucket_limits(np.array(lengths), num_buckets)
    assert len(limits) <= num_buckets
    assert limits[-1] == max(lengths)
    assert (np.diff(limits) > 0).all()
    padded = limits[np.searchsorted(limits, lengths)].sum()
    assert padded == brute_force_steps(lengths, num_buckets)


def test_bucket_limits_of_very_many_lengths_cover_all():
    lengths = np.random.default_rng(0).permutation(np.arange(1, 5001))
    limits = pipeline.bucket_limits(lengths, 10)
    padded = limits[np.searchsorted(limits, lengths)]
    assert limits[-1] == 5000
    assert 1 - lengths.sum() / padded.sum() < 0.1


@pytest.mark.parametrize("kind", [pipeline.Batches, pipeline.Chunks])
def test_the_order_is_a_function_of_seed_and_epoch(kind):
    raw = numbered([5, 1, 9, 30, 7, 7, 12, 3, 21, 8, 40])

    def order(seed, epoch):
        return [row[:, 0].tolist() for row in rows_of(kind(raw, 2, seed), epoch)]

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


@pytest.mark.parametrize("kind", [pipeline.Batches, pipeline.Chunks])
def test_a_data_set_that_starts_late_goes_on_like_one_that_did_not(kind):
    batches = kind(numbered([5, 1, 9, 30, 7, 7, 12, 3, 21, 8, 40]), 2, 0)
    n = len(batches)
    whole = list(batches.dataset(repeat=True).take(3 * n).as_numpy_iterator())
    late = list(batches.dataset(2, repeat=True, first_batch=1).take(n - 1).as_numpy_iterator())
    for a, b in zip(whole[2 * n + 1 :], late, strict=True):
        for name, value in a.items():
            np.testing.assert_array_equal(value, b[name])
    once = list(batches.dataset(1).as_numpy_iterator())
    assert len(once) == n
    np.testing.assert_array_equal(once[0]["x"], whole[n]["x"])


@pytest.mark.parametrize("kind", [pipeline.Batches, pipeline.Chunks])
def test_workers_share_every_batch(kind):
    raw = numbered([5, 1, 9, 30, 7, 7, 12, 3, 21, 8, 40])
    whole = kind(raw, 4, 7)
    shares = [kind(raw, 4, 7, worker, 2) for worker in range(2)]
    assert {len(share) for share in shares} == {len(whole)}
    for batch, *parts in zip(*(b.epoch(3) for b in (whole, *shares)), strict=True):
        assert parts[0]["x"].shape == parts[1]["x"].shape
        together = np.concatenate([part["x"][part["mask"] > 0] for part in parts])
        expected = batch["x"][batch["mask"] > 0]
        assert sorted(together[:, 0]) == sorted(expected[:, 0])


def test_the_fine_print_of_batches():
    raw = numbered([3, 4])
    with pytest.raises(ValueError, match="at least one sequence"):
        pipeline.Batches([], 2)
    with pytest.raises(ValueError, match="`num_buckets` must be an integer >= 1"):
        pipeline.Batches(raw, 2, num_buckets=0)
    with pytest.raises(ValueError, match="`worker` must be below num_workers=2. Received 2"):
        pipeline.Batches(raw, 2, None, 2, 2)
    with pytest.raises(ValueError, match="multiple of num_workers=2"):
        pipeline.Chunks(raw, 3, None, 0, 2)
    with pytest.raises(ValueError, match="`chunk_steps` must be an integer >= 1"):
        pipeline.Chunks(raw, 2, chunk_steps=0)


def test_prepare_normalises():
    normalization = Normalization("per_dimension", (1.0, 2.0, 0.0), (2.0, 4.0, 1.0))
    (x,) = pipeline.prepare([np.array([[5, 10, 1]], "float32")], normalization, PEN)
    assert x.tolist() == [[2, 2, 1]]


def test_batches_are_shuffled_within_their_lengths():
    """Sequences of one length meet others in every epoch."""
    batches = pipeline.Batches(numbered([4] * 64), 8, 0)
    together = [{frozenset(batch["x"][:, 0, 0]) for batch in batches.epoch(e)} for e in range(2)]
    assert not together[0] & together[1]


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
