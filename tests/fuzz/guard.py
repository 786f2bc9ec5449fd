"""Checks that hold for every input: limits of time and memory, clear refusals, files in place."""

import contextlib
import hashlib
import resource
import signal
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, settings
from typer.testing import CliRunner

from vrnn_tf import cli

tf.zeros(1)  # TensorFlow starts here, so that its memory does not count as that of an input

# Hypothesis tries the same cases in every run, however long one takes.
patient = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
LONGEST_MESSAGE = 2_000  # characters; a paragraph


@contextlib.contextmanager
def limits(seconds: int, megabytes: int = 2_000):
    """Fails a test that takes too long; an input that takes too much memory raises MemoryError."""

    def give_up(signum, frame):
        pytest.fail(f"took longer than {seconds} seconds")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    allowed = pages * resource.getpagesize() + megabytes * 10**6
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, before[1]))
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGALRM, handler)


def vrnn(*arguments, seconds=60):
    """Runs a command that may refuse its input but not fail in any other way.

    Returns:
        Exit code and the message to the user.
    """
    with limits(seconds):
        result = CliRunner().invoke(cli.app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError(f"vrnn {arguments} failed") from result.exception
    assert result.exit_code in (0, 2), (arguments, result.exit_code, result.output)
    assert "Traceback" not in result.output
    if result.exit_code == 2:
        check_message(result.stderr, arguments)
    return result.exit_code, result.stderr


def check_message(text, context=None):
    """Checks that a message is one line of the command, or comes from the parser of options."""
    assert text.strip(), context
    assert len(text) <= LONGEST_MESSAGE, (context, text)
    ours = [line for line in text.splitlines() if line.startswith("vrnn: ")]
    errors = [line for line in ours if not line.startswith("vrnn: warning: ")]
    assert len(errors) == 1 or "Usage: " in text, (context, text)
    assert "Usage: " in text or not set(text.strip().splitlines()) - set(ours), (context, text)


def snapshot(folder: Path) -> dict[str, str]:
    """The digests of all files below a folder, by their paths."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
