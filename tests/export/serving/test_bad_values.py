"""Values that no training ever saw are replaced or answered with NaN."""

import numpy as np
import pytest

from prediction_service import Client
from serving_requests import (
    ARGUMENTS,
    MAX_STEPS,
    OPTIONS,
    TOLERANCE,
    arrays_for,
    assert_close,
    make_model,
    one,
)
from vrnn_tf.export import LiteModel, export

pytestmark = pytest.mark.slow  # a model is exported and served

BAD_OPTIONS = (np.nan, np.inf, -np.inf, 1e38, -1e38, -0.5)
BAD_INTEGERS = (-5, 0, MAX_STEPS + 1, 2**31 - 1, -(2**31))


def taken(name, value):
    """The value that counts, as docs/serving.md says: NaN and infinity count as the default."""
    low, high = (-100.0, 100.0) if name == "pen_bias" else (0.0, 100.0)
    return float(np.clip(value, low, high)) if np.isfinite(value) else OPTIONS[name]


def test_bad_options_are_replaced_and_touch_no_other_row(client):
    cases = [(name, value) for name in OPTIONS for value in BAD_OPTIONS]
    rows = [one(7, **{name: value}) for name, value in cases]
    rows += [one(7, **{name: taken(name, value)}) for name, value in cases]
    stacked = {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
    answer = client.predict("generate", stacked)
    for value in answer.values():
        assert np.isfinite(value).all()
        np.testing.assert_allclose(*np.split(value, 2), **TOLERANCE)
    states = client.predict("init", {"seed": stacked["seed"]})
    steps = {**states, **stacked, "t": stacked.pop("steps")}
    del steps["steps"]
    for value in client.predict("step", steps).values():
        assert np.isfinite(value).all()
        np.testing.assert_allclose(*np.split(value, 2), **TOLERANCE)


@pytest.mark.parametrize("bad", BAD_INTEGERS)
def test_bad_numbers_of_steps_are_clipped(client, bad):
    endless = one(3, bad, pen_bias=-100.0)
    answer = client.predict("generate", endless)
    assert answer["length"].tolist() == [min(max(bad, 0), MAX_STEPS)]
    assert not answer["x"][0, answer["length"][0] :].any()
    arrays = arrays_for("score", 1)
    clipped = np.array([min(max(bad, 0), MAX_STEPS)], "int32")
    for name in ("prime", "score"):
        answer = client.predict(name, {**arrays, "length": np.array([bad], "int32")})
        assert_close(answer, client.predict(name, {**arrays, "length": clipped}))
    arrays = {**arrays_for("step", 1), "t": np.array([bad], "int32")}
    assert np.isfinite(client.predict("step", arrays)["x"]).all()


def test_an_empty_beginning_is_none(client):
    arrays = {**arrays_for("prime", 1), "length": np.zeros(1, "int32")}
    arrays["x"][:] = np.nan  # all of it lies beyond the length
    assert_close(client.predict("prime", arrays), client.predict("init", {"seed": arrays["seed"]}))
    assert not any(value.any() for value in client.predict("score", arrays).values())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 7.0])
def test_an_impossible_pen_is_nan_and_touches_no_other_row(client, bad):
    for name in ("prime", "score"):
        arrays = arrays_for(name)
        expected = client.predict(name, arrays)
        arrays["x"] = arrays["x"].copy()
        arrays["x"][1, 2, 2] = bad
        for form in Client.FORMS:
            for key, value in client.predict(name, arrays, form).items():
                assert np.isnan(value[1]).all(), key
                np.testing.assert_allclose(value[::2], expected[key][::2], **TOLERANCE)


def test_a_file_replaces_bad_values_too(tmp_path):
    exported = export(make_model(), tmp_path / "out", quantize="none", **ARGUMENTS)
    lite = LiteModel(exported / "model.tflite")

    def run(name, **arrays):
        result = lite.signature(name)(**arrays)  # what `generate` and `score` would refuse
        return {key: value.copy() for key, value in result.items()}

    for name in OPTIONS:
        for value in BAD_OPTIONS:
            answer = run("generate", **one(7, **{name: value}))
            assert_close(answer, run("generate", **one(7, **{name: taken(name, value)})))
            assert np.isfinite(answer["x"]).all()
    arrays = arrays_for("score", 1)
    for bad in BAD_INTEGERS:
        clipped = min(max(bad, 0), MAX_STEPS)
        answer = run("generate", **one(3, bad, pen_bias=-100.0))
        assert answer["length"].tolist() == [clipped]
        for name in ("prime", "score"):
            answer = run(name, **{**arrays, "length": np.array([bad], "int32")})
            expected = run(name, **{**arrays, "length": np.array([clipped], "int32")})
            assert_close(answer, expected)
    arrays["x"][:, 4:] = np.nan
    answer = run("score", **{**arrays, "length": np.array([4], "int32")})
    assert np.isfinite(answer["elbo"]).all()
