"""Noise: the published cipher, the distributions that it claims, and nothing shared."""

import itertools

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from vrnn_tf import rng

MASK = 0xFFFFFFFF
STREAMS = (
    rng.LATENT,
    rng.OBSERVATION,
    rng.POSTERIOR,
    rng.SEED,
    rng.PARTICLE,
    rng.RESAMPLING,
    rng.DROPOUT,
)
SEEDS = np.array([0, 1, -7, 2**31 - 1, -(2**31), 12345], np.int32)


def signed(words):
    """uint32 numbers as the int32 of the same bits."""
    return np.asarray(words, np.uint64).astype(np.uint32).view(np.int32)


def cipher(key, counter):
    """threefry2x32-20 on Python integers, from Fig. 5 and Table 4 of Salmon et al. 2011."""
    rotations = (13, 15, 26, 6, 17, 29, 16, 24)
    keys = (*key, 0x1BD11BDA ^ key[0] ^ key[1])
    x0, x1 = (counter[0] + keys[0]) & MASK, (counter[1] + keys[1]) & MASK
    for i in range(20):
        x0 = (x0 + x1) & MASK
        r = rotations[i % 8]
        x1 = (x1 << r | x1 >> (32 - r)) & MASK
        x1 ^= x0
        if i % 4 == 3:
            s = i // 4 + 1
            x0 = (x0 + keys[s % 3]) & MASK
            x1 = (x1 + keys[(s + 1) % 3] + s) & MASK
    return x0, x1


def encrypt(words):
    """`rng.threefry2x32` of uint32 rows (key0, key1, counter0, counter1), as uint32 rows."""
    results = rng.threefry2x32(*(tf.constant(signed(column)) for column in np.transpose(words)))
    return np.stack([np.asarray(word).view(np.uint32) for word in results], axis=-1)


# Random123's tests/kat_vectors, `threefry2x32 20`.
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0x6B200159, 0x99BA4EFE)),
    ((MASK, MASK, MASK, MASK), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344, 0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("words", "answer"), KNOWN_ANSWERS)
def test_known_answers(words, answer):
    assert cipher(words[:2], words[2:]) == answer
    np.testing.assert_array_equal(encrypt([words]), [answer])


def test_cipher_against_python_integers():
    words = np.random.default_rng(0).integers(0, 2**32, (300, 4), dtype=np.uint64)
    edges = itertools.product((0, 1, 2**31 - 1, 2**31, MASK), repeat=2)
    words[:25, 2:] = list(edges)
    expected = [cipher(row[:2], row[2:]) for row in words.tolist()]
    np.testing.assert_array_equal(encrypt(words), expected)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_bits_are_the_same_compiled(jit_compile):
    def draw(seed, steps):
        return rng.uniform(seed, steps, 5, rng.LATENT), rng.sequence_seeds(
            3, steps[0], np.arange(4, dtype=np.int32)
        )

    steps = tf.range(7)
    compiled = tf.function(draw, jit_compile=jit_compile)(tf.constant(SEEDS), steps)
    for eager, traced in zip(draw(tf.constant(SEEDS), steps), compiled, strict=True):
        np.testing.assert_array_equal(np.asarray(eager), np.asarray(traced))


def test_uniform_is_the_documented_function_of_seed_stream_step_and_feature():
    values = np.asarray(rng.uniform(SEEDS, np.array([3, 9], np.int32), 5, rng.POSTERIOR))
    for (row, seed), (t, step) in itertools.product(enumerate(SEEDS), enumerate((3, 9))):
        words = [cipher((int(seed) & MASK, rng.POSTERIOR), (step, pair)) for pair in range(3)]
        bits = [first for first, _ in words] + [second for _, second in words]
        expected = [((word >> 9) + 0.5) / 2**23 for word in bits[:5]]
        np.testing.assert_array_equal(values[row, t], expected)


def test_uniform_is_strictly_inside_whatever_the_bits(monkeypatch):
    extremes = tf.constant([0, 511, -1, 2**31 - 1, -(2**31)], tf.int32)
    monkeypatch.setattr(rng, "threefry2x32", lambda *_: (extremes, extremes))
    values = np.asarray(rng.uniform(SEEDS[:1], np.zeros(1, np.int32), 10, rng.LATENT))
    tiny = 2.0**-24
    expected = [tiny, tiny, 1 - tiny, 0.5 - tiny, 0.5 + tiny]
    np.testing.assert_array_equal(values, expected * 2)
    for transform in (rng.gumbel, rng.logistic, lambda u: rng.normal(u, 10)):
        assert np.isfinite(np.asarray(transform(tf.constant(values)))).all()


def test_distributions_against_scipy():
    uniforms = rng.uniform(tf.constant(SEEDS), tf.range(200), 50, rng.LATENT)
    columns = {
        "uniform": uniforms,
        "norm": rng.normal(uniforms, 50),
        "gumbel_r": rng.gumbel(uniforms),
        "logistic": rng.logistic(uniforms),
    }
    for name, values in columns.items():
        assert values.dtype == tf.float32
        values = np.asarray(values, np.float64).ravel()  # 60000 numbers
        assert scipy.stats.kstest(values, name).pvalue > 1e-3, name


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9])
def test_normal_of_every_size(size):
    noise_size = rng.normal_noise_size(size)
    assert noise_size == size + size % 2
    uniforms = rng.uniform(tf.constant(SEEDS), tf.range(2000), noise_size, rng.LATENT)
    values = np.asarray(rng.normal(uniforms, size), np.float64)
    assert values.shape == (len(SEEDS), 2000, size)
    values = values.reshape(-1, size)
    error = 6 / np.sqrt(len(values))
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=error)
    np.testing.assert_allclose(values.T @ values / len(values), np.eye(size), atol=error * 2**0.5)
    # Sine and cosine of one angle are uncorrelated; only their squares show a shared radius.
    squares = np.square(values) - 1
    np.testing.assert_allclose(
        (squares.T @ squares / len(values))[~np.eye(size, dtype=bool)], 0, atol=3 * error
    )


def test_normal_is_box_muller():
    """A pair of normal numbers in polar coordinates: radius sqrt(-2 log u), angle 2 pi v."""
    u, v = np.random.default_rng(0).integers(1, 2**24, (2, 100, 3)) / 2.0**24
    pairs = rng.normal(tf.constant(np.concatenate([u, v], axis=-1), tf.float32), 6)
    first, second = np.split(np.asarray(pairs, np.float64), 2, axis=-1)
    np.testing.assert_allclose(np.hypot(first, second), np.sqrt(-2 * np.log(u)), rtol=1e-5)
    np.testing.assert_allclose(np.arctan2(second, first) % (2 * np.pi), 2 * np.pi * v, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_shapes_of_odd_and_even_sizes(size):
    steps = np.arange(4, dtype=np.int32)
    assert rng.uniform(SEEDS, steps, size, rng.LATENT).shape == (len(SEEDS), 4, size)
    per_row = np.tile(steps, (len(SEEDS), 1))
    assert rng.uniform(SEEDS, per_row, size, rng.LATENT).shape == (len(SEEDS), 4, size)


def test_no_two_uses_share_a_number():
    """Every (seed, stream, step, feature) has a number of its own, uncorrelated with the rest."""
    seeds, steps, size = np.arange(8, dtype=np.int32), np.arange(16, dtype=np.int32), 26
    draws = np.stack([np.asarray(rng.uniform(seeds, steps, size, s)) for s in STREAMS])
    assert len(np.unique(draws)) > 0.998 * draws.size  # 23296 of 2^23 values: 32 collide by chance
    for axis in range(draws.ndim):
        rows = np.moveaxis(draws, axis, 0).reshape(draws.shape[axis], -1)
        correlations = np.corrcoef(rows)[~np.eye(len(rows), dtype=bool)]
        assert np.abs(correlations).max() < 6 / np.sqrt(rows.shape[1])


def test_noise_depends_on_its_own_row_and_step_only():
    steps = np.arange(9, dtype=np.int32)
    full = np.asarray(rng.uniform(SEEDS, steps, 5, rng.OBSERVATION))
    alone = np.asarray(rng.uniform(SEEDS[2:3], steps, 5, rng.OBSERVATION))
    np.testing.assert_array_equal(alone[0], full[2])
    shorter = np.asarray(rng.uniform(SEEDS, steps[:4], 5, rng.OBSERVATION))
    np.testing.assert_array_equal(shorter, full[:, :4])
    starts = np.array([0, 5, 2, 1, 4, 3], np.int32)
    later = np.asarray(rng.uniform(SEEDS, starts[:, None] + steps[:3], 5, rng.OBSERVATION))
    for row, start in enumerate(starts):
        np.testing.assert_array_equal(later[row], full[row, start : start + 3])


def test_sequence_seeds_are_the_cipher_of_call_and_row():
    for call in (0, 1, 70000):
        seeds = np.asarray(rng.sequence_seeds(-5, call, np.arange(3, dtype=np.int32))).view(
            np.uint32
        )
        expected = [cipher((-5 & MASK, rng.SEED), (call, row))[0] for row in range(3)]
        np.testing.assert_array_equal(seeds, expected)


def test_sequence_seeds_differ_between_rows_calls_and_models():
    seeds = [
        np.asarray(rng.sequence_seeds(seed, call, np.arange(64, dtype=np.int32)))
        for seed in range(3)
        for call in range(20)
    ]
    assert len(np.unique(seeds)) == 3 * 20 * 64
    np.testing.assert_array_equal(
        np.asarray(rng.sequence_seeds(1, 7, np.arange(5, dtype=np.int32))), seeds[27][:5]
    )
