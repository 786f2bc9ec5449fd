"""The functions that every export offers, called as Keras runs them."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import tiny_models
from vrnn_tf.export.signatures import signatures
from vrnn_tf.export.states import name_states
from vrnn_tf.model import generation

DOCS = Path(__file__).parents[2] / "docs"
STROKES = {**tiny_models.STROKES, "end_of_sequence": True}


def by_name(model, max_steps=6):
    return {signature.name: signature for signature in signatures(model, max_steps)}


def call(signature, **arrays):
    outputs = signature.function(*(keras.ops.array(arrays[s.name]) for s in signature.inputs))
    return tiny_models.numpy(outputs)


def rows(*values):
    return np.asarray(values)


def generate(model, **changes):
    arrays = {
        "seed": rows(0, 1).astype("int32"),
        "steps": rows(6, 6).astype("int32"),
        "temperature": rows(1.0, 1.0).astype("float32"),
        "latent_temperature": rows(1.0, 1.0).astype("float32"),
        "pen_bias": rows(0.0, 0.0).astype("float32"),
    }
    return call(by_name(model)["generate"], **{**arrays, **changes})


@pytest.mark.parametrize("name", tiny_models.CASES)
def test_functions_return_what_the_specs_say(name):
    model, size = tiny_models.make_case(name), {"B": 2}
    for signature in signatures(model, 6):
        arrays = {
            spec.name: np.zeros([size.get(n, n) for n in spec.shape], spec.dtype)
            for spec in signature.inputs
        }
        outputs = call(signature, **arrays)
        assert list(outputs) == [spec.name for spec in signature.outputs]
        for spec in signature.outputs:
            assert outputs[spec.name].shape == spec.with_batch(2)
            assert outputs[spec.name].dtype == spec.dtype
            assert spec.dtype in ("int32", "float32")
            assert spec.shape[0] == "B"


def test_every_model_has_the_same_five_signatures():
    names = ["generate", "init", "prime", "step", "score"]
    assert [s.name for s in signatures(tiny_models.make(), 4)] == names


def test_the_documentation_has_these_signatures():
    """The table of docs/serving.md, with T_max, D and S_0 in words."""
    model, text = tiny_models.make(), (DOCS / "serving.md").read_text(encoding="utf-8")
    options = generation.option_defaults(model.likelihood, model.latent_size)
    sizes = {"T_max": 4, "D": model.likelihood.event_size, "S_0": model.cell.state_size[0]}
    integers = set(re.search(r"int32: ([\w, ]+)\.", text).group(1).split(", "))
    table = re.findall(r"^\| `(\w+)`[^|]*\|([^|]+)\|([^|]+)\|$", text, re.MULTILINE)

    def listed(cell):
        cell = cell.replace("options [B] each", ", ".join(f"{name} [B]" for name in options))
        shapes = {}
        for name, shape in re.findall(r"(\w+) \[([^\]]+)\]", cell):
            shapes[name] = tuple(sizes.get(size, size) for size in shape.split(", "))
        if "state_0" in cell:
            for name, size in name_states(model.cell.state_size).items():
                shapes[name] = ("B", size)
        return {n: ("int32" if n in integers else "float32", s) for n, s in shapes.items()}

    expected = {
        signature.name: [
            {spec.name: (spec.dtype, spec.shape) for spec in side}
            for side in (signature.inputs, signature.outputs)
        ]
        for signature in signatures(model, 4)
    }
    assert {name: [listed(given), listed(made)] for name, given, made in table} == expected


@pytest.mark.parametrize(
    ("wrong", "taken"),
    [
        (np.nan, 1.0),
        (np.inf, 1.0),
        (-np.inf, 1.0),
        (-0.5, 0.0),
        (1e9, 100.0),
    ],
)
@pytest.mark.parametrize("option", ["temperature", "latent_temperature"])
def test_bad_temperatures_are_replaced(option, wrong, taken):
    model = tiny_models.make(STROKES)
    bad = generate(model, **{option: rows(wrong, 1.0).astype("float32")})
    good = generate(model, **{option: rows(taken, 1.0).astype("float32")})
    np.testing.assert_array_equal(bad["x"], good["x"])
    assert np.isfinite(bad["x"]).all()


def test_a_nan_bias_is_no_bias():
    model = tiny_models.make(STROKES)
    bad = generate(model, pen_bias=rows(np.nan, np.nan).astype("float32"))
    np.testing.assert_array_equal(bad["x"], generate(model)["x"])
    lifted = generate(model, pen_bias=rows(np.float32(1e9), 1e9).astype("float32"))
    assert (lifted["x"][0, : lifted["length"][0], 2] > 0).all()


def test_bad_numbers_of_steps_are_clipped():
    model = tiny_models.make(tiny_models.STROKES)
    result = generate(model, steps=rows(-3, 1000).astype("int32"))
    assert result["length"].tolist() == [0, 6]
    assert not result["x"][0].any()


def test_bad_lengths_are_clipped():
    model = tiny_models.make()
    x = tiny_models.observations(model, batch=4, steps=6)
    x[1, 4:] = np.nan  # beyond the length
    arrays = {"x": x[[0, 0, 1, 1]], "seed": rows(1, 1, 2, 2).astype("int32")}
    for name in ("prime", "score"):
        signature = by_name(model)[name]
        result = call(signature, length=rows(99, 6, 4, 4).astype("int32"), **arrays)
        for value in result.values():
            np.testing.assert_array_equal(value[0], value[1])
            assert np.isfinite(value).all()
    below = call(by_name(model)["score"], length=rows(-1, 0, 0, 0).astype("int32"), **arrays)
    assert not below["elbo"].any()


def test_score_is_the_bound_of_observe():
    model = tiny_models.make()
    x = tiny_models.observations(model, batch=2, steps=6)
    seed = rows(5, 6).astype("int32")
    result = call(by_name(model)["score"], x=x, length=rows(6, 4).astype("int32"), seed=seed)
    mask = np.arange(6) < np.array([[6], [4]])
    outputs, _ = model.observe(keras.ops.array(x), keras.ops.array(mask), keras.ops.array(seed))
    outputs = tiny_models.numpy(outputs)
    np.testing.assert_allclose(result["nll"], -outputs["log_likelihood"].sum(1), rtol=1e-6)
    np.testing.assert_allclose(result["kl"], outputs["kl"].sum(1), rtol=1e-6)
    np.testing.assert_allclose(result["elbo"], -result["nll"] - result["kl"], rtol=1e-6)


def test_max_steps_is_checked():
    with pytest.raises(ValueError, match=r"`max_steps` must be an integer >= 1. Received 0"):
        signatures(tiny_models.make(), 0)
