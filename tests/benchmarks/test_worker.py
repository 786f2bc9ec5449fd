"""The process that holds a contestant."""

import pytest

from benchmarks import worker


def test_a_step_that_is_not_finite_ends_the_worker():
    with pytest.raises(FloatingPointError, match="finite number. Received nan"):
        worker.timed(lambda: float("nan"))
    assert worker.timed(lambda: worker.Counted(7.0)) == 7.0
