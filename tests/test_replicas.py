"""Training on several replicas, as far as one process shows it: see also train/test_distribute."""

import keras
import numpy as np
import pytest
from keras import ops

import tiny_models
from vrnn_tf import replicas


def test_an_optimizer_that_is_compiled_twice_sums_gradients_once(monkeypatch):
    model = tiny_models.make()
    monkeypatch.setattr(replicas, "count", lambda: 2)
    monkeypatch.setattr(replicas, "total", lambda gradients: [2.0 * g for g in gradients])
    optimizer = keras.optimizers.SGD(1.0, global_clipnorm=1e6)
    for _ in range(3):
        model.compile(optimizer)
    (gradient,) = optimizer._clip_gradients([ops.ones((3,))])
    np.testing.assert_array_equal(gradient, [2.0, 2.0, 2.0])


class Extended:
    def __init__(self, **methods):
        self.__dict__.update(methods)


@pytest.mark.parametrize(
    ("extended", "expected"),
    [
        (Extended(), False),
        (Extended(_in_multi_worker_mode=lambda: False), False),
        (Extended(_in_multi_worker_mode=lambda: True), True),
    ],
)
def test_a_strategy_says_whether_it_has_several_workers(extended, expected):
    assert replicas._is_multi_worker(Extended(extended=extended)) is expected
