"""A run and an export that damaged copies are made of, made once."""

import dataclasses

import pytest
from fuzz.guard import vrnn

import tiny_runs
from vrnn_tf.train import run


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    config = dataclasses.replace(tiny_runs.CONFIG, num_train=16, num_validation=8, epochs=1)
    run.train(config, out, verbose=0)
    return out


@pytest.fixture(scope="session")
def whole_export(whole_run):
    out = whole_run.parent / "export"
    code, message = vrnn("export", whole_run, "--out", out, "--max-steps", 10, seconds=300)
    assert code == 0, message
    return out
