"""A run that is resumed has the configuration, data and versions that it was started with."""

import dataclasses
import json
import shutil

import pytest

from tiny_runs import CONFIG, train
from vrnn_tf import files
from vrnn_tf.train import checkpoints, origin
from vrnn_tf.train.config import TrainConfig


@pytest.mark.slow
def test_changes_stop_a_resumed_run_unless_they_are_accepted(demo_run, tmp_path):
    out = shutil.copytree(demo_run, tmp_path / "run")
    metadata = files.read_json(out / "metadata.json")
    metadata["versions"]["keras"] = "3.0.0"
    metadata["revision"] = "abc"
    files.write_json(out / "metadata.json", metadata)
    same = {"checkpoint_every": 4, "resume": True}
    with pytest.raises(
        ValueError, match=r"keras was 3.0.0, now .*revision was abc.*--accept-changes"
    ):
        train(out, **same)
    with pytest.warns(checkpoints.RunWarning, match=r"num_train was 40, now 24.*"):
        train(out, **same, num_train=24, epochs=4, accept_changes=True)
    assert checkpoints.newest(out)[1].epoch == 4
    with pytest.raises(ValueError, match=r"learning_rate was .* Resume it with the old one"):
        train(out, **same, num_train=24, epochs=4, learning_rate=1.0, accept_changes=True)
    (out / "last.keras").touch()
    with pytest.raises(ValueError, match="made by an older version"):
        train(out, **same, num_train=24, epochs=4)


def test_a_configuration_is_compared_as_its_file_holds_it():
    """JSON knows no tuples: a run that was described with one is the same run."""
    config, other = (
        dataclasses.replace(CONFIG, model={**CONFIG.model, "hidden_units": widths})
        for widths in ((3, 2), (3, 3))
    )
    earlier = TrainConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    origin.check_same_configuration(earlier, config, accept_changes=False)
    with pytest.raises(ValueError, match=r"model was .*\[3, 2\].*now .*\[3, 3\]"):
        origin.check_same_configuration(earlier, other, accept_changes=False)
