"""A small model to serve, and right and wrong requests to it."""

import functools

import numpy as np
from tensorflow.core.protobuf import saved_model_pb2

import tiny_models
from vrnn_tf.export.states import name_states

NAME, MAX_STEPS = "handwriting", 12  # docs/serving.md has this name
NAMES = ("generate", "init", "prime", "step", "score")
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
NORMALIZATION = {"name": "none", "mean": [0.0] * 3, "std": [1.0] * 3}
ARGUMENTS = {"max_steps": MAX_STEPS, "normalization": NORMALIZATION, "units": "pixels"}
OPTIONS = {"temperature": 1.0, "latent_temperature": 1.0, "pen_bias": 0.0}
WRONG_SHAPES = {
    "more steps than seeds": ("generate", {"steps": np.full(4, 3, "int32")}),
    "more seeds than the rest": ("generate", {"seed": np.arange(4, dtype="int32")}),
    "more temperatures": ("generate", {"temperature": np.ones(2, "float32")}),
    "a scalar": ("generate", {"seed": np.array(1, "int32")}),
    "a matrix of seeds": ("generate", {"seed": np.zeros((1, 1), "int32")}),
    "one step": ("score", {"x": np.zeros((1, 1, 3), "float32")}),
    "too many steps": ("score", {"x": np.zeros((1, MAX_STEPS + 1, 3), "float32")}),
    "one feature": ("score", {"x": np.zeros((1, MAX_STEPS, 1), "float32")}),
    "no batch": ("score", {"x": np.zeros((MAX_STEPS, 3), "float32")}),
    "more lengths": ("prime", {"length": np.ones(2, "int32")}),
    "another width": ("step", {"state_1": np.zeros((1, 9), "float32")}),
}


@functools.cache
def make_model():
    return tiny_models.make({**tiny_models.STROKES, "end_of_sequence": True}, recurrent_units=8)


def arrays_for(name, rows=3, seed=0):
    """Inputs of different rows."""
    generator = np.random.default_rng(seed)
    model = make_model()
    states = name_states([(rows, size) for size in model.cell.state_size])
    x = tiny_models.observations(model, rows, MAX_STEPS, seed)
    integers = {
        "seed": generator.integers(-(2**31), 2**31, rows),
        "steps": np.resize([MAX_STEPS, 5, 0, 1], rows),
        "length": np.resize([MAX_STEPS, 4, 0], rows),
        "t": np.resize([0, 7, 3], rows),
    }
    arrays = {key: value.astype("int32") for key, value in integers.items()}
    arrays |= {key: generator.uniform(0.3, 1.2, rows).astype("float32") for key in OPTIONS}
    arrays |= {key: generator.normal(size=shape).astype("float32") for key, shape in states.items()}
    arrays["x"] = x
    input_names = {
        "generate": ("seed", "steps", *OPTIONS),
        "init": ("seed",),
        "prime": ("x", "length", "seed"),
        "step": (*states, "seed", "t", *OPTIONS),
        "score": ("x", "length", "seed"),
    }
    return {key: arrays[key] for key in input_names[name]}


def one(seed=0, steps=MAX_STEPS, **options):
    """The inputs of `generate` for one row."""
    arrays = {"seed": np.array([seed], "int32"), "steps": np.array([steps], "int32")}
    options = {**OPTIONS, **options}
    return arrays | {key: np.array([value], "float32") for key, value in options.items()}


def assert_close(answer, expected):
    assert set(answer) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(answer[name], value, **TOLERANCE, err_msg=name)


def signature_defs(saved_model):
    """The signatures of a SavedModel as it stores them, `{name: SignatureDef}`."""
    saved = saved_model_pb2.SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
    definitions = {**saved.meta_graphs[0].signature_def}
    del definitions["__saved_model_init_op"]  # it has no inputs and restores nothing
    return definitions
