"""Pen strokes: the bias of the pen, the end of a sequence."""

import numpy as np
import pytest
import tensorflow as tf

from likelihood_cases import BIVARIATE, CASES, assert_mean, sample
from likelihood_references import PenReference, softplus

PEN_CASES = [case for case in CASES if isinstance(case.likelihood, BIVARIATE)]


@pytest.mark.parametrize("case", PEN_CASES, ids=repr)
@pytest.mark.parametrize("bias", [-2.0, 1.5])
def test_pen_bias_moves_the_log_odds_of_a_lift_alone(case, bias):
    raw = case.raw(seed=4)
    reference = case.reference_of(raw)
    shifted = PenReference(reference.offset, reference.pen_logit + bias, reference.end_logit)
    values = sample(case, 1.0, raw, pen_bias=bias)
    states = values[:, 2:] == np.arange(3)
    assert_mean(states.astype(float), shifted.pen_probabilities())
    np.testing.assert_array_equal(values[:, :2], sample(case, 1.0, raw)[:, :2])


def test_pen_bias_may_differ_between_rows():
    case = PEN_CASES[1]
    raw, noise = case.raw(300), case.noise(300)
    biases = np.random.default_rng(0).normal(scale=3, size=(300, 1)).astype(np.float32)
    together = np.asarray(case.likelihood.sample(raw, noise, pen_bias=tf.constant(biases)))
    alone = [
        np.asarray(case.likelihood.sample(r[None], u[None], pen_bias=float(b[0])))[0]
        for r, u, b in zip(raw[:20], noise[:20], biases[:20], strict=True)
    ]
    np.testing.assert_allclose(together[:20], alone, atol=1e-6)
    unbiased = np.asarray(case.likelihood.sample(raw, noise))
    lifts, before = together[:, 2] > 0, unbiased[:, 2] > 0
    assert (lifts >= before)[biases[:, 0] > 0].all()
    assert (lifts <= before)[biases[:, 0] < 0].all()
    assert (lifts != before).any()


def test_a_sequence_ends_only_where_the_pen_lifts():
    likelihood = PEN_CASES[1].likelihood
    raw = np.zeros((1, likelihood.packing.size), np.float32)
    noise = PEN_CASES[1].noise(1)
    names = list(likelihood.packing.sizes)
    assert names[-2:] == ["pen_logit", "end_logit"]
    for pen_logit, end_logit, pen in ((-50, 50, 0), (-50, -50, 0), (50, -50, 1), (50, 50, 2)):
        raw[0, -2:] = pen_logit, end_logit
        x = likelihood.sample(raw, noise)
        assert float(x[0, 2]) == pen
        assert bool(likelihood.is_end(x)[0]) == (pen == 2)


def test_going_on_costs_the_log_probability_of_not_ending():
    """The density of pen states 0 and 1 is the paper's, times p(no end) after each lift."""
    with_end, without = BIVARIATE(3, end_of_sequence=True), BIVARIATE(3)
    case = next(c for c in PEN_CASES if not c.likelihood.can_end)
    raw, x = case.raw(6), case.observations(6)
    end_logit = np.linspace(-3, 3, 6, dtype=np.float32)[:, None]
    difference = with_end.log_prob(np.concatenate([raw, end_logit], -1), x) - without.log_prob(
        raw, x
    )
    expected = np.where(x[:, 2] == 1, -softplus(end_logit[:, 0]), 0.0)
    assert set(x[:, 2]) == {0, 1}
    np.testing.assert_allclose(difference, expected, atol=1e-5)


def test_the_end_of_strokes_is_marked_where_the_model_learns_it():
    x = np.array([[1, 2, 0], [3, 4, 1]], np.float32)
    before = x.copy()
    marked = BIVARIATE(2, end_of_sequence=True).mark_end(x)
    np.testing.assert_array_equal(marked, [[1, 2, 0], [3, 4, 2]])
    assert marked.dtype == np.float32
    np.testing.assert_array_equal(x, before)
    assert BIVARIATE(2).mark_end(x) is x
