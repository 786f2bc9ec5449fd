"""The command line."""

import json
import subprocess
import sys

import pytest

from benchmarks import rounds, training


@pytest.mark.slow
def test_the_command_prints_and_writes_a_comparison(tmp_path):
    names = [name for name in rounds.available(training.CONTESTANTS) if "compiled" not in name]
    out = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks", "training", "--cases", "tiny", "--rounds", "2"]
    command += ["--contestants", *names, "--out", str(out)]
    done = subprocess.run(command, cwd=rounds.ROOT, check=True, capture_output=True, text=True)
    entries = json.loads(out.read_text())["training"]["tiny"]["entries"]
    assert list(entries) == names
    assert all(len(entry["turns"]) == 2 for entry in entries.values())
    for name in names:
        assert name in done.stdout
