"""Baselines against scipy, against loops, and against published figures."""

import pathlib

import numpy as np
import pytest
import scipy.io
import scipy.stats

from vrnn_tf import VRNN, media
from vrnn_tf.train.baselines import baselines

PIANOROLLS = pathlib.Path(__file__).parents[2].parent / "shared" / "data" / "pianoroll"


def strokes(seed, count=6):
    random = np.random.default_rng(seed)
    for length in random.integers(30, 60, count):
        offsets = np.cumsum(random.normal([0.1, -0.2], [0.5, 1.0], (length, 2)), 0) * 0.3
        yield np.column_stack([offsets, random.random(length) < 0.2]).astype(np.float64)


TRAIN, VALIDATION = list(strokes(0)), list(strokes(1))


def pen_nats(x, train):
    counts = np.array([sum((y[:, 2] == state).sum() for y in train) for state in range(3)]) + 0.5
    return np.log(counts / counts.sum())[x[:, 2].astype(int)].sum()


def test_strokes_iid_is_one_gaussian():
    points = np.concatenate(TRAIN)[:, :2]
    density = scipy.stats.multivariate_normal(points.mean(0), np.cov(points.T, bias=True))
    expected = [density.logpdf(x[:, :2]).sum() + pen_nats(x, TRAIN) for x in VALIDATION]
    scores = baselines(media.Strokes(), TRAIN, VALIDATION)
    assert scores["iid"] == pytest.approx(np.mean(expected), rel=1e-6)


def regression_rows(x):
    """`(jump, [1, last offset, the one before], offset)` of each step, by a loop."""
    for t in range(len(x)):
        last = x[t - 1, :2] if t >= 1 else np.zeros(2)
        before = x[t - 2, :2] if t >= 2 else np.zeros(2)
        yield t > 0 and x[t - 1, 2] > 0, np.concatenate([[1], last, before]), x[t, :2]


def test_strokes_ar2_is_two_linear_regressions():
    expected = 0.0
    for jump in (False, True):
        rows = [row for x in TRAIN for row in regression_rows(x) if row[0] == jump]
        past, now = np.array([r[1] for r in rows]), np.array([r[2] for r in rows])
        weights, *_ = np.linalg.lstsq(past, now, rcond=None)
        covariance = np.cov((now - past @ weights).T, bias=True)  # residuals have mean 0
        for x in VALIDATION:
            for is_jump, features, offset in regression_rows(x):
                if is_jump == jump:
                    mean = features @ weights
                    expected += scipy.stats.multivariate_normal(mean, covariance).logpdf(offset)
    expected = (expected + sum(pen_nats(x, TRAIN) for x in VALIDATION)) / len(VALIDATION)
    scores = baselines(media.Strokes(), TRAIN, VALIDATION)
    assert scores["ar2"] == pytest.approx(expected, rel=1e-6)
    assert scores["ar2"] > scores["iid"]  # the data are a random walk


def test_audio_finds_the_entropy_of_an_autoregressive_process():
    random = np.random.default_rng(0)
    wave = np.zeros(40_000)
    for t in range(2, len(wave)):
        wave[t] = 1.5 * wave[t - 1] - 0.8 * wave[t - 2] + random.normal(0, 0.3)
    frames = list(wave.reshape(-1, 10, 200))
    scores = baselines(media.Audio(), frames[:10], frames[10:])
    entropy = scipy.stats.norm(0, 0.3).entropy()
    assert scores["ar16"] / 2000 == pytest.approx(-entropy, abs=0.02)
    marginal = scipy.stats.norm(wave[:20_000].mean(), wave[:20_000].std())
    expected = marginal.logpdf(wave[20_000:]).mean()
    assert scores["iid"] / 2000 == pytest.approx(expected, rel=1e-6)


def test_text_unigram_and_bigram():
    train = [np.array([[0], [1], [0], [1], [2]], float)]
    validation = [np.array([[1], [0], [1]], float)]
    unigram = (np.array([2, 2, 1]) + 0.5) / 6.5
    after_1 = (np.array([1, 0, 1]) + unigram) / 3
    after_0 = (np.array([0, 2, 0]) + unigram) / 3
    scores = baselines(media.Text("abc"), train, validation)
    assert scores["unigram"] == pytest.approx(np.log(unigram[[1, 0, 1]]).sum())
    assert scores["bigram"] == pytest.approx(np.log(unigram[1] * after_1[0] * after_0[1]))


@pytest.mark.skipif(not PIANOROLLS.is_dir(), reason="the development data are not here")
@pytest.mark.parametrize(("name", "nats"), [("JSB_Chorales", -11.06), ("Nottingham", -10.25)])
def test_pianorolls_iid_is_the_published_figure(name, nats):
    cells = scipy.io.loadmat(PIANOROLLS / f"{name}.mat")
    train, test = ([roll.astype(float) for roll in cells[k][0]] for k in ("traindata", "testdata"))
    scores = baselines(media.PianoRoll(), train, test)["iid"]
    assert scores / np.mean([len(x) for x in test]) == pytest.approx(nats, abs=0.006)


def test_a_pen_that_ends_the_line_is_a_lift_too():
    """The last row of a prepared line has state 2. Nothing follows it, but it has a frequency."""
    ended = [np.concatenate([x[:-1], [[*x[-1, :2], 2.0]]]) for x in TRAIN]
    scores = baselines(media.Strokes(), ended, ended)
    expected = np.mean([pen_nats(x, ended) for x in ended])
    points = np.concatenate(ended)[:, :2]
    density = scipy.stats.multivariate_normal(points.mean(0), np.cov(points.T, bias=True))
    expected += np.mean([density.logpdf(x[:, :2]).sum() for x in ended])
    assert scores["iid"] == pytest.approx(expected, rel=1e-6)


def test_a_state_that_is_hardly_seen_shares_the_fit_of_all_steps():
    def calm(x):
        return np.column_stack([x[:, :2], np.zeros(len(x))])

    train = [calm(x) for x in TRAIN]
    jumping = [np.column_stack([x[:, :2], np.ones(len(x))]) for x in VALIDATION]
    rows = [row for x in train for row in regression_rows(x)]
    past, now = np.array([r[1] for r in rows]), np.array([r[2] for r in rows])
    weights, *_ = np.linalg.lstsq(past, now, rcond=None)
    covariance = np.cov((now - past @ weights).T, bias=True)
    expected = np.mean([pen_nats(x, train) for x in jumping]) + np.mean(
        [
            sum(
                scipy.stats.multivariate_normal(features @ weights, covariance).logpdf(offset)
                for _, features, offset in regression_rows(x)
            )
            for x in jumping
        ]
    )
    assert baselines(media.Strokes(), train, jumping)["ar2"] == pytest.approx(expected, rel=1e-6)


def test_long_sequences_are_read_in_blocks(monkeypatch):
    whole = baselines(media.Strokes(), TRAIN, VALIDATION)
    monkeypatch.setattr("vrnn_tf.train.baselines._BLOCK", 7)
    assert baselines(media.Strokes(), TRAIN, VALIDATION) == pytest.approx(whole, rel=1e-9)


def test_features_that_never_vary_do_not_break_the_fit():
    still = [np.column_stack([np.zeros(9), np.arange(9.0), np.eye(1, 9, 8)[0]]) for _ in range(3)]
    scores = baselines(media.Strokes(), still, still)
    assert all(np.isfinite(nats) for nats in scores.values())


def test_baselines_of_discrete_levels_are_probabilities():
    model = VRNN(
        {"name": "discretized_logistic_mixture", "event_size": 4, "num_components": 1},
        latent_size=0,
        recurrent_units=2,
        hidden_units=2,
    )
    random = np.random.default_rng(0)
    waves = [random.normal(0, 0.1, (500, 4)) for _ in range(4)]
    scores = baselines(media.Audio(8_000, 4), waves, waves, model.likelihood.level_width)["iid"]
    edges = (np.arange(65_537) - 32_768) / 32_767.5  # of levels, as wide as they are apart
    levels = np.diff(scipy.stats.norm(0, 0.1).cdf(edges))
    entropy = -(levels * np.log(levels, where=levels > 0, out=np.zeros_like(levels))).sum()
    assert scores == pytest.approx(-2_000 * entropy, rel=0.01)
