"""The weights of NADE."""

import itertools

import keras
import numpy as np

from vrnn_tf import likelihoods


def nade_weights(seed=None):
    likelihood = likelihoods.AutoregressiveBernoulli(5, 3)
    if seed is not None:
        likelihood.initialize(seed)
    return [np.array(weight) for weight in likelihood.layer.weights]


def test_the_seed_decides_the_weights_of_nade():
    for i, weight in enumerate(nade_weights()):  # those of seed 0
        expected = keras.initializers.GlorotUniform(seed=i)((5, 3))
        np.testing.assert_array_equal(weight, expected)
    seeds = (0, 1, 2, -1, 12_345)
    drawn = [nade_weights(seed) for seed in seeds]
    for seed, weights in zip(seeds, drawn, strict=True):
        np.testing.assert_array_equal(weights, nade_weights(seed))
    np.testing.assert_array_equal(drawn[0], nade_weights())
    every = [weight for weights in drawn for weight in weights]
    for one, other in itertools.combinations(every, 2):
        assert np.abs(one - other).max() > 0.1
