"""Bounds over a data set: batches, units, errors and differences."""

import dataclasses

import numpy as np
import pytest

import reference
import tiny_models
from vrnn_tf import bounds, evaluate_bound
from vrnn_tf.normalization import Normalization
from vrnn_tf.tasks.evaluation import Estimate, Evaluation, difference


def test_evaluation_does_not_depend_on_batches():
    model = tiny_models.make_case("lstm")
    x = tiny_models.observations(model, batch=5)
    mask = np.arange(5) < np.array([5, 3, 5, 1, 4])[:, None]
    whole = evaluate_bound(model, {"x": x, "mask": mask}, "fivo", 3)
    parts = [{"x": x[:2], "mask": mask[:2]}, {"x": x[2:], "mask": mask[2:]}]
    again = evaluate_bound(model, parts, "fivo", 3)
    np.testing.assert_allclose(again.values, whole.values, rtol=1e-5)
    assert whole.num_sequences == 5 and whole.num_steps == 18
    other = evaluate_bound(model, parts, "fivo", 3, seed=1)
    assert np.abs(other.values - whole.values).max() > 1e-4


def test_the_particles_of_many_sequences_wait_for_their_turn(monkeypatch):
    model = tiny_models.make_case("gru")
    x = tiny_models.observations(model, batch=5)
    expected = evaluate_bound(model, x, "iwae", 8).values
    monkeypatch.setattr("vrnn_tf.tasks.evaluation.MAX_PARTICLES", 16)
    np.testing.assert_allclose(evaluate_bound(model, x, "iwae", 8).values, expected, rtol=1e-5)


def test_units_and_errors():
    model = tiny_models.make_case("residual")
    x = tiny_models.observations(model, batch=6)
    lengths = np.array([5, 3, 5, 1, 4, 2])
    data = {"x": x, "mask": np.arange(5) < lengths[:, None]}
    scaling = Normalization("per_dimension", (1.0, 2.0), (3.0, 0.5))
    result = evaluate_bound(model, data, "iwae", 2, normalization=scaling, repeats=3)
    values = result.values
    assert result.nats_per_sequence.mean == pytest.approx(values.mean())
    assert result.nats_per_sequence.standard_error == pytest.approx(values.std(ddof=1) / 6**0.5)
    assert result.nats_per_step.mean == pytest.approx(values.sum() / 20)
    assert result.bits_per_dimension.mean == pytest.approx(-values.sum() / 40 / np.log(2.0))
    shift = -np.log(1.5)  # of a step: one density in units three times, one half as large
    assert result.raw["nats_per_step"].mean == pytest.approx(values.sum() / 20 + shift)
    assert result.raw["nats_per_sequence"].mean == pytest.approx((values + shift * lengths).mean())
    np.testing.assert_allclose(result.raw_values, values + shift * lengths)
    each = [evaluate_bound(model, data, "iwae", 2, repeats=1, seed=0)]
    assert each[0].nats_per_sequence.noise_error is None
    assert result.nats_per_sequence.noise_error > 0.0
    assert result.bound == "iwae-2" and not result.is_exact


def test_a_difference_has_the_error_of_pairs():
    generator = np.random.default_rng(0)
    hard = generator.normal(scale=100.0, size=50)  # for either model

    def evaluation(gain, noise_error):
        values = hard + generator.normal(loc=gain, size=50)
        estimate = Estimate(values.mean(), values.std(ddof=1) / 50**0.5, noise_error)
        raw = values - 7.0
        return Evaluation("elbo", 50, 400, estimate, estimate, estimate, None, values, raw)

    one, other = evaluation(3.0, 0.3), evaluation(0.0, 0.4)
    estimate = difference(one, other)
    pairs = one.values - other.values
    assert estimate.mean == pytest.approx(pairs.mean())
    assert estimate.standard_error == pytest.approx(pairs.std(ddof=1) / 50**0.5)
    assert estimate.standard_error < 0.05 * one.nats_per_sequence.standard_error
    assert estimate.noise_error == pytest.approx(0.5)
    assert difference(one, evaluation(0.0, None)).noise_error is None
    elsewhere = dataclasses.replace(other, raw_values=other.raw_values - 1.0)  # another unit
    assert difference(one, elsewhere).mean == pytest.approx(pairs.mean() + 1.0)
    with pytest.raises(ValueError, match=r"the same sequences. Received 50 .* of 400 .* and 49 of"):
        difference(one, dataclasses.replace(other, num_sequences=49))


def test_the_error_of_a_ratio_is_that_of_many_data_sets():
    generator = np.random.default_rng(0)
    from vrnn_tf.tasks.evaluation import _estimate

    def draw():
        weights = generator.integers(1, 20, size=200).astype(float)
        return (2.0 * weights + generator.normal(size=200) * weights**0.5)[None], weights

    found = [_estimate(*draw(), exact=False) for _ in range(400)]
    spread = np.std([estimate.mean for estimate in found])
    assert np.mean([estimate.standard_error for estimate in found]) == pytest.approx(
        spread, rel=0.15
    )


def test_a_model_without_a_latent_variable_is_exact():
    model = tiny_models.make_case("no_latent")
    x = tiny_models.observations(model)
    outputs, _ = reference.LoopVRNN(model).run(x, None)
    for bound in bounds.NAMES:
        result = evaluate_bound(model, x, bound, 1 if bound == "elbo" else 4)
        np.testing.assert_allclose(result.values, outputs["log_likelihood"].sum(1), rtol=1e-5)
        assert result.bound == "exact" and result.is_exact
        assert result.nats_per_sequence.noise_error == 0.0
