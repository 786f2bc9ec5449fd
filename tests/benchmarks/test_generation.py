"""The contestants of generation draw whole sequences, and new ones in every step."""

import numpy as np
import pytest

from benchmarks import cases, generation, worker
from vrnn_tf import VRNN


@pytest.mark.parametrize(
    "name",
    [
        "Keras",
        "Keras, eager",
        "PyTorch",
        pytest.param("SavedModel", marks=pytest.mark.slow),
        pytest.param("TFLite, one by one", marks=pytest.mark.slow),
        pytest.param("TFLite int8, one by one", marks=pytest.mark.slow),
        pytest.param("PyTorch compiled", marks=pytest.mark.slow),
    ],
)
def test_a_contestant_draws_every_step_anew(name):
    if name.startswith("PyTorch"):
        pytest.importorskip("torch")
    build, _ = worker.resolve("generation", name)
    contestant = build(cases.TINY)
    first, second = contestant.step(), contestant.step()
    assert first.shape == second.shape == (cases.TINY["batch"], cases.TINY["steps"], 3)
    assert np.isfinite(first).all() and not np.array_equal(first, second)
    assert set(np.unique(first[..., 2])) <= {0.0, 1.0}
    model = VRNN(**cases.TINY["model"])
    expected = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    assert contestant.num_parameters == expected


def test_every_contestant_is_tested():
    marked = test_a_contestant_draws_every_step_anew.pytestmark[0].args[1]
    names = [getattr(case, "values", (case,))[0] for case in marked]
    assert sorted(names) == sorted(generation.CONTESTANTS)
