"""Finding a likelihood by name, what it says of its data, its configuration and its errors."""

import ast
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from likelihood_cases import BIVARIATE, every_case
from vrnn_tf import likelihoods

# --- what a likelihood says of its data -----------------------------------------------------------


@pytest.mark.parametrize(
    ("likelihood", "x", "ends"),
    [
        (BIVARIATE(2, end_of_sequence=True), [[0, 0, 0], [2, 2, 1], [0, 0, 2]], [0, 0, 1]),
        (BIVARIATE(2), [[0, 0, 0], [2, 2, 1], [0, 0, 2]], [0, 0, 0]),
        (likelihoods.Categorical(4, end_class=0), [[0], [1], [3]], [1, 0, 0]),
        (likelihoods.Categorical(4), [[0], [1], [3]], [0, 0, 0]),
        (likelihoods.Gaussian(1), [[0], [1], [2]], [0, 0, 0]),
    ],
    ids=repr,
)
def test_which_observations_end_a_sequence(likelihood, x, ends):
    x = tf.constant(x, tf.float32)
    np.testing.assert_array_equal(likelihood.is_end(x), np.array(ends, bool))
    np.testing.assert_array_equal(likelihood.is_end(x[None]), np.array([ends], bool))
    assert likelihood.can_end == any(ends)


def test_likelihoods_are_found_by_the_medium_that_they_describe():
    names = {
        "audio": ["discretized_logistic_mixture", "gaussian", "gmm"],
        "pianoroll": ["bernoulli", "nade"],
        "strokes": ["bivariate_gmm"],
        "text": ["categorical"],
        "film": [],
    }
    assert {kind: likelihoods.describing(kind) for kind in names} == names


@every_case
def test_only_pens_lack_the_mark_of_the_end(case):
    x = case.observations(4)
    marked = case.likelihood.mark_end(x)
    if case.likelihood.name != "bivariate_gmm":
        np.testing.assert_array_equal(marked, x)
    if case.likelihood.can_end and case.likelihood.name == "bivariate_gmm":
        assert bool(case.likelihood.is_end(tf.constant(marked))[-1])


@every_case
def test_neighbouring_levels_are_a_width_apart(case):
    likelihood = case.likelihood
    if likelihood.name != "discretized_logistic_mixture":
        assert (likelihood.level_width, likelihood.normalization) == (None, None)
        return
    assert likelihood.normalization == "none"
    assert likelihood.level_width == pytest.approx(np.diff(np.unique(case.grid)).min())


# --- initial weights ------------------------------------------------------------------------------


@every_case
def test_initial_weights_are_those_of_the_layer(case):
    before = [np.array(w) for w in case.likelihood.layer.weights] if case.likelihood.layer else []
    assert case.likelihood.initialize(0) is None
    after = [np.array(w) for w in case.likelihood.layer.weights] if case.likelihood.layer else []
    assert bool(after) == (case.likelihood.name == "nade")
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


# --- serialisation --------------------------------------------------------------------------------


PEN = {"name": "bivariate_gmm", "num_components": 2}


@pytest.mark.parametrize(
    ("likelihood", "x", "possible"),
    [
        ({"name": "gaussian", "event_size": 2}, [3e38, -1.0], True),
        ({"name": "gaussian", "event_size": 2}, [0.0, np.inf], False),
        ({"name": "gmm", "event_size": 1}, [np.nan], False),
        (PEN, [9.0, -9.0, 1.0], True),
        (PEN, [9.0, -9.0, 2.0], False),
        (PEN, [np.nan, 0.0, 0.0], False),
        ({**PEN, "end_of_sequence": True}, [0.0, 0.0, 2.0], True),
        ({**PEN, "end_of_sequence": True}, [0.0, 0.0, -1.0], False),
        ({"name": "bernoulli", "event_size": 2}, [0.0, 1.0], True),
        ({"name": "bernoulli", "event_size": 2}, [0.0, 1.5], False),
        ({"name": "nade", "event_size": 2}, [-0.5, 0.0], False),
        ({"name": "categorical", "num_classes": 5}, [4.0], True),
        ({"name": "categorical", "num_classes": 5}, [5.0], False),
    ],
)
def test_which_observations_are_possible(likelihood, x, possible):
    likelihood = likelihoods.get(likelihood)
    assert np.array(likelihood.in_support(keras.ops.array([x], "float32"))).tolist() == [possible]


@every_case
def test_a_configuration_gives_the_same_likelihood(case):
    original = case.likelihood
    config = original.get_config()
    copies = [
        type(original).from_config(config),
        likelihoods.get({"name": original.name, **config}),
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(original)),
    ]
    raw, x, noise = case.raw(3), case.observations(3), case.noise(3)
    for copy in copies:
        assert type(copy) is type(original)
        assert copy.get_config() == config
        np.testing.assert_array_equal(copy.log_prob(raw, x), original.log_prob(raw, x))
        np.testing.assert_array_equal(copy.sample(raw, noise), original.sample(raw, noise))
    assert likelihoods.get(original) is original
    assert repr(original).startswith(f"{type(original).__name__}(")


def test_a_name_alone_takes_the_defaults():
    likelihood = likelihoods.get("bivariate_gmm")
    assert likelihood.get_config() == {
        "num_components": 20,
        "end_of_sequence": False,
        "min_scale": 1e-4,
    }


@pytest.mark.parametrize("name", likelihoods.names())
def test_the_example_in_the_error_is_a_valid_configuration(name):
    with pytest.raises(ValueError, match="does not take the arguments") as caught:
        likelihoods.get({"name": name, "colour": "blue"})
    example = str(caught.value).partition("For example ")[2].rstrip(".")
    assert likelihoods.get(ast.literal_eval(example)).name == name


# --- bad arguments --------------------------------------------------------------------------------


def test_an_unknown_name_lists_all_names_and_the_nearest():
    with pytest.raises(ValueError, match="'gaussian', 'gmm'.*Did you mean 'bernoulli'"):
        likelihoods.get("bernouli")


@pytest.mark.parametrize(
    "identifier", [None, 7, ["gmm"], {}, {"event_size": 3}, likelihoods.Gaussian]
)
def test_what_names_no_likelihood(identifier):
    with pytest.raises(
        ValueError, match=r"`likelihood` must be one of \['bernoulli', 'bivariate_gmm'"
    ):
        likelihoods.get(identifier)


@pytest.mark.parametrize("name", ["gaussian", "gmm", "categorical"])
def test_a_missing_size_is_asked_for(name):
    with pytest.raises(ValueError, match=rf"'{name}' does not take .* missing .*For example"):
        likelihoods.get(name)


SIZES = [
    (likelihoods.Gaussian, "event_size", {}),
    (likelihoods.GaussianMixture, "event_size", {}),
    (likelihoods.GaussianMixture, "num_components", {"event_size": 2}),
    (BIVARIATE, "num_components", {}),
    (likelihoods.Bernoulli, "event_size", {}),
    (likelihoods.AutoregressiveBernoulli, "event_size", {}),
    (likelihoods.AutoregressiveBernoulli, "units", {"event_size": 2}),
    (likelihoods.Categorical, "num_classes", {}),
    (likelihoods.DiscretizedLogisticMixture, "event_size", {}),
    (likelihoods.DiscretizedLogisticMixture, "num_components", {"event_size": 2}),
    (likelihoods.DiscretizedLogisticMixture, "num_levels", {"event_size": 2}),
]


@pytest.mark.parametrize(("cls", "argument", "others"), SIZES)
def test_sizes_are_positive_integers(cls, argument, others):
    for value in (0, -3, 2.0, "2", None, True):
        with pytest.raises(ValueError, match=f"`{argument}` must be an integer >= [12]. Received"):
            cls(**{argument: value}, **others)
    config = cls(**{argument: np.int64(4)}, **others).get_config()
    assert type(config[argument]) is int
    assert config[argument] == 4


@pytest.mark.parametrize("minimum", [0.0, -1.0, math.nan, math.inf, "small"])
def test_scales_have_a_positive_floor(minimum):
    for make in (likelihoods.Gaussian, likelihoods.GaussianMixture, BIVARIATE):
        with pytest.raises(ValueError, match="`min_scale` must be a number > 0.0. Received"):
            make(2, min_scale=minimum)


@every_case
def test_tensors_of_another_width(case):
    likelihood, size, event = case.likelihood, case.size, case.likelihood.event_size
    raw, x, noise = case.raw(2), case.observations(2), case.noise(2)
    for width in (size - 1, size + 1):
        wide = np.zeros((2, width), np.float32)
        message = rf"Expected a last axis of {size} .*Received shape \(2, {width}\)"
        with pytest.raises(ValueError, match=message):
            likelihood.log_prob(wide, x)
        with pytest.raises(ValueError, match=message):
            likelihood.sample(wide, noise)
    message = rf"`x` must be \[..., {event}\] \({likelihood.description}\)"
    message = message.replace("[-1, 1]", r"\[-1, 1\]")
    for wrong in (x[:, :0], np.concatenate([x, x[:, :1]], axis=-1)):
        with pytest.raises(ValueError, match=message):
            likelihood.log_prob(raw, wrong)
