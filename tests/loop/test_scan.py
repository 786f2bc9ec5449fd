"""The scan against NumPy, and its gradients against TensorFlow's of the loop written out."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from vrnn_tf.loop.scan import Affine, scan

STEPS, BATCH, UNITS = 5, 3, 4
MASK = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1], [0, 0, 1]], bool)  # [T, B]


def arrays(copies=1):
    """Weights, offsets, inputs and states of `step`, as float64."""
    random = np.random.default_rng(0)
    shapes = {
        "across": (UNITS + 2, UNITS),
        "known": (STEPS, BATCH, UNITS),
        "free": (STEPS, BATCH, UNITS),
        "inward": (UNITS, 2),
        "bias": (2,),
        "noise": (STEPS, BATCH * copies, 2),
        "h": (BATCH * copies, UNITS),
        "c": (BATCH * copies, UNITS),
    }
    return {name: random.normal(size=shape) for name, shape in shapes.items()}


def step(apply, inputs, states):
    """Maps of two operands, of one and of none; a state that no map reads; an input."""
    h, c = states
    a = tf.tanh(apply("inward", h)) * inputs[0]
    h = tf.tanh(apply("across", h, a)) + tf.sigmoid(apply("free")) * c
    return [h, 0.5 * c + h]


def run(v, mask=None, defer=True, copies=1):
    maps = {
        "inward": Affine(v["inward"], v["bias"]),
        "across": Affine(v["across"], v["known"]),
        "free": Affine(None, v["free"]),
    }
    inputs, states, outputs = [v["noise"]], [v["h"], v["c"]], ["inward", "free"]
    return scan(step, maps, inputs, states, mask, outputs, [1], defer, copies)


def numpy_run(v, mask=None):
    copies = len(v["h"]) // BATCH
    v = {**v, **{name: np.repeat(v[name], copies, axis=1) for name in ("known", "free")}}
    h, c, values = v["h"], v["c"], {"inward": [], "free": [], "c": []}
    for t in range(STEPS):
        inward = h @ v["inward"] + v["bias"]
        values["inward"].append(inward)
        values["free"].append(v["free"][t])
        values["c"].append(c)
        a = np.tanh(inward) * v["noise"][t]
        across = np.concatenate([h, a], axis=1) @ v["across"] + v["known"][t]
        new_h = np.tanh(across) + c / (1.0 + np.exp(-v["free"][t]))
        seen = np.ones((len(h), 1), bool) if mask is None else mask[t][:, None]
        c = np.where(seen, 0.5 * c + new_h, c)
        h = np.where(seen, new_h, h)
    return [*map(np.stack, values.values()), h, c]


def flat(results):
    return tf.nest.flatten(results)


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
@pytest.mark.parametrize("defer", [True, False])
@pytest.mark.parametrize("jit", [None, False, True], ids=["eager", "graph", "xla"])
def test_values_equal_the_loop(mask, defer, jit):
    v = {name: tf.constant(value) for name, value in arrays().items()}
    function = run if jit is None else tf.function(run, jit_compile=jit)
    found = flat(function(v, None if mask is None else tf.constant(mask), defer))
    for value, expected in zip(found, numpy_run(arrays(), mask), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-12)


@pytest.mark.parametrize("defer", [True, False])
def test_a_row_of_an_offset_is_for_its_copies(defer):
    v, mask = arrays(copies=2), np.repeat(MASK, 2, axis=1)
    found = run({name: tf.constant(value) for name, value in v.items()}, mask, defer, copies=2)
    for value, expected in zip(flat(found), numpy_run(v, mask), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("jit", "mask", "copies"),
    [
        *itertools.product([None, False, True], [None, MASK], [1]),
        *itertools.product([False, True], [np.repeat(MASK, 2, axis=1)], [2]),
    ],
    ids=lambda value: "mask" if isinstance(value, np.ndarray) else str(value),
)
def test_gradients_equal_central_differences(jit, mask, copies):
    random = np.random.default_rng(1)
    slopes = [random.normal(size=value.shape) for value in numpy_run(arrays(copies), mask)]

    def gradients(v):
        with tf.GradientTape() as tape:
            tape.watch(v)
            results = flat(run(v, None if mask is None else tf.constant(mask), True, copies))
            loss = tf.add_n([tf.reduce_sum(r * s) for r, s in zip(results, slopes, strict=True)])
        return tape.gradient(loss, v)

    function = gradients if jit is None else tf.function(gradients, jit_compile=jit)
    found = function({name: tf.constant(value) for name, value in arrays(copies).items()})
    epsilon = 1e-6
    for name, gradient in found.items():
        v = arrays(copies)
        for entry in np.ndindex(v[name].shape):
            kept, difference = v[name][entry], 0.0
            for sign in (1.0, -1.0):
                v[name][entry] = kept + sign * epsilon
                results = numpy_run(v, mask)
                loss = sum((r * s).sum() for r, s in zip(results, slopes, strict=True))
                difference += sign * loss / (2.0 * epsilon)
            v[name][entry] = kept
            np.testing.assert_allclose(
                gradient[entry], difference, rtol=1e-6, atol=1e-8, err_msg=f"{name} {entry}"
            )


def test_a_result_that_is_not_used_needs_no_gradient():
    v = {name: tf.constant(value) for name, value in arrays().items()}
    with tf.GradientTape() as tape:
        tape.watch(v)
        loss = tf.reduce_sum(run(v)[2][1])
    gradients = tape.gradient(loss, v)
    assert all(np.any(gradient != 0.0) for gradient in gradients.values())


def test_sizes_may_be_unknown():
    sizes = {"known": 3, "free": 3, "noise": 3, "h": 2, "c": 2}

    def gradients(v):
        with tf.GradientTape() as tape:
            tape.watch(v)
            loss = tf.add_n([tf.reduce_sum(value) for value in flat(run(v))])
        return tape.gradient(loss, v)

    v = {name: tf.constant(value) for name, value in arrays().items()}
    signature = {
        name: tf.TensorSpec(
            (*[None] * (sizes[name] - 1), value.shape[-1]) if name in sizes else value.shape,
            tf.float64,
        )
        for name, value in v.items()
    }
    found = tf.function(gradients, input_signature=[signature])(v)
    for name, expected in gradients(v).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-12, err_msg=name)
