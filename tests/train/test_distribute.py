"""Runs of several replicas in other processes, and of several workers in a private network."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from tiny_runs import assert_same_run
from vrnn_tf.train import checkpoints, distribute

SCRIPT = Path(__file__).with_name("replicated.py")


def environment(**more):
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **more}


def call(what, out, timeout=600):
    command = [sys.executable, SCRIPT, what, out]
    subprocess.run(command, check=True, capture_output=True, timeout=timeout, env=environment())


@pytest.mark.parametrize(
    "text",
    [None, "", "{", "[]", "{}", '{"cluster": {"worker": ["a:1"]}}']
    + ['{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}']
    + ['{"cluster": {"worker": 3}, "task": {"type": "worker", "index": 0}}'],
)
def test_an_unusable_cluster_is_told(text, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="TF_CONFIG.*for example.*Received"):
        distribute.Cluster("multiworker")


def test_an_unknown_strategy_is_told():
    with pytest.raises(ValueError, match="Did you mean 'mirrored'"):
        distribute.Cluster("mirored")


@pytest.mark.parametrize(
    ("cluster", "task", "chief"),
    [
        ({"worker": ["a:1", "b:1"]}, ("worker", 0), True),
        ({"worker": ["a:1", "b:1"]}, ("worker", 1), False),
        ({"chief": ["a:1"], "worker": ["b:1"]}, ("worker", 0), False),
        ({"chief": ["a:1"], "worker": ["b:1"]}, ("chief", 0), True),
    ],
)
def test_one_worker_is_the_chief(cluster, task, chief):
    text = json.dumps({"cluster": cluster, "task": {"type": task[0], "index": task[1]}})
    assert distribute._is_chief(text) is chief


def test_alone_there_is_nothing_to_agree_on():
    cluster = distribute.Cluster()
    with cluster.chief_first(), cluster.scope(), cluster.losses_named():
        cluster.check_agreement({"data": "a"})
    assert (cluster.num_replicas, cluster.is_chief) == (1, True)


@pytest.mark.slow
def test_replicas_share_rows_out_and_put_them_together(tmp_path):
    call("shares", tmp_path)
    shares = json.loads((tmp_path / "shares.json").read_text())
    seen = shares["seen"]
    assert sorted(seen[0] + seen[1]) == list(range(23))  # each sequence once
    assert min(map(len, seen)) >= 10
    assert shares["rows"] == [[0, 2, 4], [1, 3, 5]]
    whole = np.arange(12.0).reshape(6, 2)
    np.testing.assert_array_equal(shares["share"], [whole[::2], whole[1::2]])
    np.testing.assert_array_equal(shares["whole"], [whole, whole])


@pytest.mark.slow
def test_two_replicas_end_like_one(tmp_path):
    """Noise, gradients, clipping, carried states and metrics are those of whole batches."""
    call("mirrored", tmp_path, timeout=1200)
    cases = sorted(path.name for path in tmp_path.iterdir())
    assert len(cases) == 4
    for case in cases:
        one, two = (checkpoints.newest(tmp_path / case / name) for name in ("none", "mirrored"))
        a, b = (keras.saving.load_model(path) for path in (one[0], two[0]))
        for x, y in zip(a.weights, b.weights, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=2e-6, err_msg=f"{case} {x.path}")
        for x, y in zip(one[1].rows, two[1].rows, strict=True):
            for name in set(x) - {"loss", "val_loss"}:  # Keras weighs batches by padded rows
                assert x[name] == pytest.approx(y[name], rel=1e-5), (case, name)


@pytest.mark.slow
def test_keras_still_bounds_the_norm_of_each_replica(tmp_path):
    """When this fails, `ReplicatedModel._sum_before_clipping` can go."""
    call("stock", tmp_path)
    step = json.loads((tmp_path / "stock.json").read_text())
    assert step == pytest.approx(0.02, rel=1e-3)  # it should be 0.01


@pytest.fixture
def workers(tmp_path):
    """Starts the two workers of a run in a network without any other machine."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-n", "true"]).returncode:
        pytest.skip("no network namespaces here")
    running = []

    def start(what, out):
        addresses = ["127.0.0.1:4001", "127.0.0.1:4002"]
        tasks = [
            json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}})
            for i in (0, 1)
        ]
        one, two = (f"TF_CONFIG='{t}' {sys.executable} {SCRIPT} {what} {out}" for t in tasks)
        # Prints each worker's process number, and ends with the exit codes of both.
        shell = f"ip link set lo up; {one} & p=$!; {two} & q=$!; echo $p $q; wait $p; r=$?; wait $q"
        process = subprocess.Popen(
            ["unshare", "-n", "bash", "-c", f"{shell}; echo $r $?"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        running.append(process)
        numbers = [int(n) for n in process.stdout.readline().split()]
        return process, numbers

    yield start
    for process in running:
        process.kill()


def end(process, timeout=400):
    """The exit codes of both workers, and what they wrote to stderr."""
    stdout, stderr = process.communicate(timeout=timeout)
    return [int(code) for code in stdout.split()[-2:]], stderr


@pytest.mark.slow
def test_workers_end_like_devices_even_when_one_was_killed(workers, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    codes, stderr = end(workers("multiworker", whole)[0])
    assert codes == [0, 0], stderr
    call("like_workers", tmp_path / "mirrored")
    assert_same_run(whole, tmp_path / "mirrored")
    process, (_, second) = workers("multiworker", killed)
    deadline = time.time() + 300
    while not list((killed / "checkpoints").glob("0*")) and time.time() < deadline:
        time.sleep(0.05)
    os.kill(second, 9)
    codes, stderr = end(process)
    assert codes == [1, 137]
    assert "Another worker is gone" in stderr and "--resume" in stderr
    assert checkpoints.newest(killed)[1].step < checkpoints.newest(whole)[1].step
    codes, stderr = end(workers("multiworker", killed)[0])
    assert codes == [0, 0], stderr
    assert_same_run(whole, killed)
    assert not list(tmp_path.glob("**/.*")), "only the chief writes, and it has finished"


@pytest.mark.slow
def test_keras_still_fails_with_workers(workers, tmp_path):
    """When this fails, `ReplicatedModel._maybe_symbolic_build` and `_make_function` can go."""
    codes, stderr = end(workers("stock_multiworker", tmp_path)[0])
    assert codes == [1, 1]
    assert "PerReplica" in stderr or "Invalid reduction dimension" in stderr


@pytest.mark.slow
def test_an_optimizer_that_is_compiled_twice_takes_the_same_step(tmp_path):
    call("compiled_twice", tmp_path)
    once, twice = json.loads((tmp_path / "moved.json").read_text())
    assert once > 0.0
    np.testing.assert_allclose(twice, once, rtol=1e-4)
