"""Runs that are killed at any moment end like one that was left alone."""

import os
import subprocess
import sys
import time

import pytest

from tiny_runs import assert_same_run
from vrnn_tf.train import checkpoints

pytestmark = pytest.mark.slow
ARGUMENTS = ["demo", "--num-train", "200", "--num-validation", "20", "--epochs", "3"]
ARGUMENTS += ["--batch-size", "8", "--checkpoint-every", "3", "--resume"]
ARGUMENTS += ["--model", "recurrent_units=16", "--model", "hidden_units=8"]


def start(out):
    return subprocess.Popen(
        [sys.executable, "-m", "vrnn_tf.cli", "train", *ARGUMENTS, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def run_to_the_end(out):
    process = start(out)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr.decode()


def kill_when(out, condition, delay=0.0):
    """Kills a run once its folder fulfils a condition; False if the run ended before."""
    process = start(out)
    deadline = time.time() + 200
    while not condition(out) and process.poll() is None and time.time() < deadline:
        time.sleep(0.002)
    time.sleep(delay)
    process.kill()
    process.communicate()
    return process.returncode == -9


def begun(out):
    return (out / "config.json").exists()


def writing(out):
    return any((out / "checkpoints").glob(f"{checkpoints._PREFIX}*"))


def later_than(step):
    def condition(out):
        return any(int(p.name) > step for p in (out / "checkpoints").glob("0*"))

    return condition


def test_whenever_it_is_killed_it_ends_the_same(tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "killed"
    run_to_the_end(whole)
    assert kill_when(out, begun)
    assert kill_when(out, writing)
    for delay in (0.0, 0.05, 0.3):
        checkpoint = checkpoints.newest(out)
        assert kill_when(out, later_than(checkpoint[1].step if checkpoint else 0), delay)
    assert kill_when(out, later_than(checkpoints.newest(out)[1].step + 12))
    run_to_the_end(out)
    assert_same_run(whole, out)
    for path in (whole / "pictures").iterdir():
        assert path.read_bytes() == (out / "pictures" / path.name).read_bytes()
