"""Checks return what they let through, and their errors say what to do."""

import numpy as np
import pytest

from vrnn_tf import validation


def test_choice_names_the_nearest():
    assert validation.check_choice("cell", "gru", ("lstm", "gru")) == "gru"
    message = r"`cell` must be one of \['lstm', 'gru'\]. Received 'ltsm'. Did you mean 'lstm'\?$"
    with pytest.raises(ValueError, match=message):
        validation.check_choice("cell", "ltsm", iter(("lstm", "gru")))


@pytest.mark.parametrize("value", ["zzz", None, 3, ["lstm"], {"lstm": 1}])
def test_choice_without_a_near_one(value):
    with pytest.raises(ValueError, match=r"`cell` must be one of \['lstm', 'gru'\]. Received"):
        validation.check_choice("cell", value, ("lstm", "gru"))


@pytest.mark.parametrize("value", [2, 7, np.int64(2), np.array(3), np.uint8(200)])
def test_integers_become_python_integers(value):
    checked = validation.check_integer("size", value, 2)
    assert type(checked) is int
    assert checked == int(value)


@pytest.mark.parametrize(
    "value", [1, -5, 2.0, np.float32(4.0), "3", None, True, [3], np.array([3, 4]), float("nan")]
)
def test_what_is_no_integer_or_too_small(value):
    with pytest.raises(ValueError, match="`size` must be an integer >= 2. Received"):
        validation.check_integer("size", value, 2)


@pytest.mark.parametrize("value", [0, 0.0, 1.5, np.float32(2.0), np.int32(3)])
def test_numbers_become_floats(value):
    checked = validation.check_number("scale", value, 0.0)
    assert type(checked) is float
    assert checked == value


@pytest.mark.parametrize(
    "value", [-1e-9, np.nan, np.inf, -np.inf, "much", "1", True, 10**400, None, [1.0]]
)
def test_numbers_out_of_range(value):
    with pytest.raises(ValueError, match="`scale` must be a number >= 0.0. Received"):
        validation.check_number("scale", value, 0.0)


def test_strict_numbers_exclude_the_bound():
    assert validation.check_number("scale", 1e-9, 0.0, strict=True) == 1e-9
    with pytest.raises(ValueError, match="`scale` must be a number > 0.0. Received 0"):
        validation.check_number("scale", 0, 0.0, strict=True)


def test_numbers_without_a_bound_are_finite():
    assert validation.check_number("bias", -1e30) == -1e30
    with pytest.raises(ValueError, match="`bias` must be a finite number. Received inf"):
        validation.check_number("bias", np.inf)


@pytest.mark.parametrize(
    ("value", "widths"),
    [(150, (150,)), ((), ()), ([3, 4], (3, 4)), (np.int64(5), (5,)), ((np.int32(2),), (2,))],
)
def test_widths(value, widths):
    checked = validation.check_widths("hidden_units", value)
    assert checked == widths
    assert all(type(width) is int for width in checked)


@pytest.mark.parametrize("value", ["150", 1.5, None, {"a": 150}])
def test_what_is_no_widths(value):
    with pytest.raises(ValueError, match="must be an integer or a sequence of them. Received"):
        validation.check_widths("hidden_units", value)


def test_widths_name_the_wrong_one():
    with pytest.raises(ValueError, match=r"`hidden_units\[1\]` must be an integer >= 1. Received"):
        validation.check_widths("hidden_units", (150, 0))


def test_a_network_has_a_sensible_number_of_layers():
    assert len(validation.check_widths("hidden_units", [3] * 100)) == 100
    with pytest.raises(ValueError, match="at most 100 layers. Received 101"):
        validation.check_widths("hidden_units", [3] * 101)


@pytest.mark.parametrize("shape", [(2, 7, 3), (2, 7, None), (None, None, 3), (0, 0, 3)])
def test_sequences(shape):
    validation.check_sequences(Shaped(shape), 3, "dx, dy, pen")


@pytest.mark.parametrize(
    ("shape", "fix"),
    [
        ((3,), "Add a batch axis, a time axis and a feature axis"),
        ((7, 3), r"x\[None\] for one sequence, x\[..., None\] for one feature"),
        ((2, 7, 4), "The last axis must have 3 entries"),
        ((2, 2, 7, 3), "The last axis must have 3 entries"),
    ],
)
def test_sequences_of_another_shape(shape, fix):
    message = rf"`x` must be \[B, T, 3\] \(dx, dy, pen\). Received shape .*{fix}"
    with pytest.raises(ValueError, match=message):
        validation.check_sequences(Shaped(shape), 3, "dx, dy, pen")


class Shaped:
    """Stands for a tensor of any static shape, unknown axes included."""

    def __init__(self, shape):
        self.shape = shape


@pytest.mark.parametrize("seed", [0, 5, -1, 2**31 - 1, 2**31, -(2**63), 2**63 - 1, 2**70 + 3])
def test_seeds_count_on_and_wrap_around_like_int32(seed):
    seeds = validation.check_seeds(seed, 3)
    low_bits = [(seed + i) & 0xFFFFFFFF for i in range(3)]
    assert seeds == np.array(low_bits, "uint32").view("int32").tolist()
