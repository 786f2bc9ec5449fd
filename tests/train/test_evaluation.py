"""Evaluation of runs, alone and beside others."""

import dataclasses
import json

import pytest

from tiny_runs import CONFIG, train
from vrnn_tf.model.vrnn import VRNN
from vrnn_tf.train import evaluation, run


@pytest.mark.slow
def test_runs_are_compared_on_the_same_sequences(demo_run, tmp_path):
    twin = tmp_path / "twin"
    train(twin, model={**CONFIG.model, "latent_size": 0}, normalization="per_dimension", epochs=1)
    result = run.evaluate(demo_run, "validation", beside=[twin, demo_run])
    alone = run.evaluate(twin, "validation")
    estimate = result["difference_to"][str(twin)]
    means = [r["raw"]["nats_per_sequence"]["mean"] for r in (result, alone)]
    assert estimate["mean"] == pytest.approx(means[0] - means[1], rel=1e-5)
    assert estimate["bound"] == "exact"
    assert 0.0 < estimate["standard_error"] < alone["raw"]["nats_per_sequence"]["standard_error"]
    itself = result["difference_to"][str(demo_run)]
    assert (itself["mean"], itself["standard_error"]) == (0.0, 0.0)
    other = tmp_path / "other"
    train(other, dataset_options={**CONFIG.dataset_options, "max_words": 2}, epochs=1)
    with pytest.raises(ValueError, match="other cannot be compared: its validation split of synth"):
        run.evaluate(demo_run, "validation", beside=[other])
    loaded, data = run.load_with_data(demo_run, "validation")
    model = VRNN({"name": "discretized_logistic_mixture", "event_size": 3})
    levels = dataclasses.replace(loaded, model=model)
    with pytest.raises(ValueError, match="a density, the other probabilities"):
        evaluation._check_comparable(other, levels, data, loaded, data)


def test_evaluation_of_a_run(demo_run):
    summary = json.loads((demo_run / "summary.json").read_text())
    result = run.evaluate(demo_run, "validation", repeats=8)
    assert (result["num_sequences"], result["bound"], result["exact"]) == (10, "elbo", False)
    nats, raw = result["nats_per_sequence"], result["raw"]["nats_per_sequence"]
    assert abs(nats["mean"] - summary["after"]["val_elbo"]) < 10.0 * nats["noise_error"] * 8**0.5
    assert raw["mean"] - nats["mean"] == pytest.approx(summary["raw_unit_offset"], rel=1e-4)
    tighter = run.evaluate(demo_run, "validation", "fivo", 16)
    assert tighter["bound"] == "fivo-16"
    assert tighter["nats_per_sequence"]["mean"] > nats["mean"]
    again = run.evaluate(demo_run, "validation", "fivo", 16, dataset=CONFIG.dataset)
    assert again == tighter
    with pytest.raises(ValueError, match="`split` must be one of"):
        run.evaluate(demo_run, "holdout")
    with pytest.raises(ValueError, match="does not describe"):
        run.evaluate(demo_run, dataset="tiny_shakespeare")
