"""The command itself: its version, its help and what it imports."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

import vrnn_tf
from vrnn_tf import cli


def test_version():
    result = CliRunner().invoke(cli.app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"vrnn_tf {vrnn_tf.__version__}\n")


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "vrnn_tf.cli", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"vrnn_tf {vrnn_tf.__version__}\n"


@pytest.mark.parametrize(
    "command", ["train", "evaluate", "analyze", "generate", "export", "verify", "demo"]
)
def test_help_has_an_example_for_every_command(command):
    result = CliRunner().invoke(cli.app, [command, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"vrnn {command}" in result.output


def test_help_does_not_load_tensorflow():
    code = (
        "import sys\nfrom vrnn_tf import cli\nsys.argv = ['vrnn', 'train', '--help']\n"
        "try: cli.main()\nexcept SystemExit as e: assert not e.code, e.code\n"
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr
