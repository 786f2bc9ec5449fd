"""The example for Ray, on two workers of this machine, in a network without any other."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "ray" / "train.py"
TRAIN = [
    "demo",
    "--num-train",
    "60",
    "--num-validation",
    "12",
    "--epochs",
    "2",
    "--batch-size",
    "8",
]
TRAIN += ["--model", "recurrent_units=12", "--model", "hidden_units=8"]


def bounds(out):
    with open(out / "history.csv") as file:
        return [float(row["val_elbo"]) for row in csv.DictReader(file)]


@pytest.mark.slow
def test_two_workers_end_like_one_process(tmp_path):
    pytest.importorskip("ray")
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-n", "true"]).returncode:
        pytest.skip("no network namespaces here")
    ray, alone = tmp_path / "ray", tmp_path / "alone"
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "RAY_USAGE_STATS_ENABLED": "0",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    shell = 'ip link set lo up; exec "$@"'
    command = [sys.executable, str(SCRIPT), "--workers", "2", *TRAIN, "--out", str(ray)]
    done = subprocess.run(
        ["unshare", "-n", "bash", "-c", shell, "bash", *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    command = [sys.executable, "-m", "vrnn_tf.cli", "train", *TRAIN, "--out", str(alone)]
    subprocess.run(command, env=environment, capture_output=True, check=True)
    assert json.loads((ray / "metadata.json").read_text())["replicas"] == 2
    assert bounds(ray) == pytest.approx(bounds(alone), rel=1e-5)
