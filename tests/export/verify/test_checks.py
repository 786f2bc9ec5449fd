"""The checks of a file, run on a runtime that answers as Keras does but for one answer."""

from types import SimpleNamespace

import numpy as np
import pytest

from vrnn_tf.export.verify import checks
from vrnn_tf.export.verify.reference import SEEDS, Step

STEPS, SCORE = 3, -2.0
X, STATES = np.ones((STEPS, 2), "float32"), [np.zeros((1, 4), "float32")] * 2
NAN = float("nan")


@pytest.fixture
def reference():
    drawn = [[X] * len(SEEDS)]
    return SimpleNamespace(
        options=[{}],
        drawn_alone=drawn,
        drawn_together=drawn,
        steps=[Step(STATES, t, X[t], STATES) for t in range(STEPS)],
        data=[X, X],
        states=[STATES, STATES],
        scores=[SCORE, SCORE],
        is_real=True,
        endless={},
    )


def runtime(**changes):
    answers = {
        "generate": lambda seed, options: X,
        "score": lambda x, seed: SCORE,
        "init": lambda: STATES,
        "prime": lambda x, seed: STATES,
        "step": lambda states, seed, t: (X[t], STATES),
    }
    return SimpleNamespace(name="file", **{**answers, **changes})


def failed(reference, **changes):
    rows = checks.check_saved_model(runtime(**changes), reference)
    return {row["check"] for row in rows if not row["passed"]}


def spoiled(array, index):
    array = array.copy()
    array[index] = NAN
    return array


def test_equal_answers_pass(reference):
    assert failed(reference) == set()


@pytest.mark.parametrize(
    ("changes", "checks_that_fail"),
    [
        (
            {"generate": lambda seed, options: spoiled(X, 1)},
            {"generate = Keras, 25 steps", "init + step = generate"},
        ),
        (
            {"step": lambda states, seed, t: (X[t], [STATES[0], NAN * STATES[1]])},
            {"step = Keras"},
        ),
        (
            {"step": lambda states, seed, t: (spoiled(X, 1)[t], STATES)},
            {"step = Keras", "init + step = generate"},
        ),
        ({"prime": lambda x, seed: [STATES[0], NAN * STATES[1]]}, {"prime = Keras"}),
        (
            {"score": lambda x, seed: NAN if seed else SCORE},
            {"score = Keras, nats a step", "lost bound, nats a sequence"},
        ),
    ],
)
def test_a_nan_fails(reference, changes, checks_that_fail):
    assert failed(reference, **changes) == checks_that_fail


def test_a_sequence_of_another_length_fails(reference):
    assert "generate = Keras, 25 steps" in failed(
        reference, generate=lambda seed, options: X[: STEPS - 1]
    )
