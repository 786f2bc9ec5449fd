"""Turns, and the comparison of their seconds."""

import pytest

from benchmarks import rounds


def test_a_comparison_takes_ratios_within_rounds():
    slow_machine = [[2.0, 2.0], [4.0, 4.0], [2.0, 2.0]]
    compared = rounds.comparison([[3.0], [6.0], [3.0]], slow_machine)
    assert compared["ratio"] == [1.5, 1.5, 1.5]
    assert compared["seconds"] == [3.0, 3.0, 4.5]


def test_a_worker_that_fails_says_why():
    with pytest.raises(rounds.WorkerError, match="KeyError: 'no such case'"):
        rounds.Worker("training", "floor", "no such case")
