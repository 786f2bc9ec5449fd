"""Plans: a configuration and its data make model, normalisation, batches and optimizer."""

import dataclasses

import numpy as np
import pytest

from tiny_runs import CONFIG
from vrnn_tf import media
from vrnn_tf.model.vrnn import VRNN
from vrnn_tf.train import config, datasets, pipeline, plan, run


@pytest.mark.slow
def test_weight_decay_takes_a_share_of_every_weight():
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    x[..., 2] = 0.0
    ends = []
    for weight_decay in (0.0, 0.5):
        chosen = dataclasses.replace(CONFIG, weight_decay=weight_decay, learning_rate=0.01)
        model = VRNN(latent_size=2, recurrent_units=4, hidden_units=3, seed=0)
        model(x)
        start = [np.array(weight) for weight in model.trainable_weights]
        plan.compile_model(model, chosen, steps_per_epoch=10)
        model.train_on_batch(x)
        ends.append([np.array(weight) for weight in model.trainable_weights])
    for before, without, decayed in zip(start, *ends, strict=True):
        np.testing.assert_allclose(decayed, without - 0.01 * 0.5 * before, atol=1e-6)


def test_what_the_data_fix_cannot_be_asked_otherwise(text_run):
    base = run.load(text_run).config
    asked = {**base.model, "likelihood": {"name": "categorical", "num_classes": 7}}
    with pytest.raises(ValueError, match="The data have num_classes=.*Received 7"):
        plan.new_model(dataclasses.replace(base, model=asked), media.Text("abc"))
    audio = config.defaults("speech")
    levels = {"name": "discretized_logistic_mixture", "num_components": 1}
    wrong = dataclasses.replace(audio, normalization="scalar", model={"likelihood": levels})
    splits = datasets.Splits([np.ones((2, 4))], [np.ones((2, 4))], [], media.Audio(8_000, 4))
    with pytest.raises(ValueError, match="needs normalization 'none'. Received 'scalar'"):
        plan.fit_normalization(wrong, splits, plan.new_model(wrong, splits.medium))


def test_states_go_on_from_chunk_to_chunk(text_run):
    """The bound in chunks is that of whole sequences: a model carries its states over each cut."""
    loaded = run.load(text_run)
    assert loaded.medium.kind == "text"
    splits = plan.load_splits(loaded.config)
    _, chunks = plan.make_batches(loaded.config, splits, loaded.normalization, loaded.model)
    chunked = loaded.model.evaluate(chunks.dataset(), verbose=0, return_dict=True)
    whole = VRNN.from_config({**loaded.model.get_config(), "stateful_batch_size": None})
    kept = [w for w in loaded.model.weights if "training_s" not in w.path]
    kept = [w for w in kept if "evaluation_s" not in w.path]
    for weight, value in zip(whole.weights, kept, strict=True):
        weight.assign(value)
    whole.compile()
    nats = whole.evaluate(
        pipeline.Batches(chunks.sequences, 1).dataset(), verbose=0, return_dict=True
    )
    # The noise of z differs, since rows stand elsewhere in their batches.
    assert chunked["elbo"] == pytest.approx(nats["elbo"], rel=0.02)


def test_a_data_set_of_another_kind_is_refused(tmp_path):
    wrong = config.defaults("pianoroll", "iam_ondb")  # refused before the data are looked for
    with pytest.raises(ValueError, match=r"holds strokes, which the likelihood 'bernoulli' does"):
        run.train(wrong, tmp_path / "run")
    assert not (tmp_path / "run").exists()
