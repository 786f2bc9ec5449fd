"""Configurations survive JSON and refuse wrong entries; presets suit their data sets."""

import dataclasses
import json

import pytest

from tiny_runs import CONFIG
from vrnn_tf import likelihoods, presets
from vrnn_tf.train import config, datasets


def test_configurations_round_trip_and_refuse_what_they_do_not_know():
    assert config.TrainConfig.from_dict(json.loads(json.dumps(CONFIG.to_dict()))) == CONFIG
    with pytest.raises(ValueError, match="Did you mean 'epochs'"):
        config.TrainConfig.from_dict({"preset": "demo", "epoch": 3})
    with pytest.raises(ValueError, match="`epochs` must be an integer >= 1"):
        dataclasses.replace(CONFIG, epochs=0)
    with pytest.raises(ValueError, match="`jit_compile` needs matmul_precision 'float32'"):
        dataclasses.replace(CONFIG, jit_compile=True, matmul_precision="bfloat16")
    for name, value in (("model", []), ("strict", 1), ("data_dir", 5), ("learning_rate", "1")):
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            config.TrainConfig.from_dict({**CONFIG.to_dict(), name: value})
    for preset in presets.PRESETS:
        assert config.defaults(preset).preset == preset
    demo, other = config.defaults("demo"), config.defaults("demo", "iam_ondb")
    assert (demo.dataset, demo.num_train) == ("synthetic_handwriting", 6_000)
    assert (other.dataset, other.num_train, other.dataset_options) == ("iam_ondb", None, {})
    assert other.model == demo.model


@pytest.mark.parametrize("preset", config.TRAINING)
def test_every_preset_suits_its_own_data_set(preset):
    base = config.defaults(preset)
    kind = datasets.get(base.dataset).KIND
    likelihood = presets.get(preset)["likelihood"]["name"]
    assert likelihood in likelihoods.describing(kind)
