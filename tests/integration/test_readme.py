"""What the README tells a reader to run, run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
def test_the_python_runs_as_written_each_block_in_a_new_process(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    fitting, *later = blocks
    assert "elbo" in run(fitting, tmp_path)
    assert (tmp_path / "m.keras").exists()
    assert later
    for block in later:
        run(block, tmp_path)


def run(block, folder):
    command = [sys.executable, "-c", block]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_files_that_the_readme_links_to_exist():
    for link in re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8")):
        if not link.startswith("http"):
            assert (README.parent / link).exists(), link


def test_the_readme_is_short():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 80
    assert max(map(len, lines)) <= 100
