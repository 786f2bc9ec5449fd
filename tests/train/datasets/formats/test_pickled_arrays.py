"""Pickled arrays are read as unpickling would give them, and never unpickled."""

import pickle
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from object_arrays import PROTOCOLS, VARIED, same, to_objects
from vrnn_tf.train.datasets.formats import pickled_arrays


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "nest",
    [
        pytest.param(lambda a, b: [a, b], id="list"),
        pytest.param(lambda a, b: (a, [b]), id="tuple"),
        pytest.param(lambda a, b: to_objects([[a], b]), id="array of lists"),
        pytest.param(lambda a, b: np.array(to_objects([a, b]), object), id="array"),
        pytest.param(lambda a, b: to_objects([to_objects([a]), to_objects([b])]), id="arrays"),
    ],
)
def test_nests_are_flattened_in_order(nest, protocol):
    a, b = np.arange(3), np.arange(4.0)
    same(pickled_arrays.read_pickle(pickle.dumps(nest(a, b), protocol=protocol)), [a, b])


def test_an_array_that_stands_there_twice_comes_twice():
    a = np.arange(5)
    same(pickled_arrays.read_pickle(pickle.dumps(to_objects([a, a, a]))), [a, a, a])


def test_no_arrays_are_no_arrays():
    assert pickled_arrays.read_pickle(pickle.dumps(np.empty(0, object))) == []


@given(
    values=st.lists(
        arrays.arrays(
            st.sampled_from(["i1", "<i2", ">i4", "i8", "u2", "f4", ">f8", "?"]),
            arrays.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=4),
        ),
        max_size=4,
    ),
    protocol=st.sampled_from(PROTOCOLS),
)
def test_any_arrays_come_back(values, protocol):
    same(pickled_arrays.read_pickle(pickle.dumps(to_objects(values), protocol=protocol)), values)


@given(data=st.binary(max_size=60), at=st.integers(0, 400), protocol=st.sampled_from(PROTOCOLS))
def test_damage_is_a_value_error_and_nothing_else(data, at, protocol):
    body = pickle.dumps(to_objects(VARIED[:3]), protocol=protocol)
    damaged = body[:at] + data + body[at + len(data) :]
    try:
        result = pickled_arrays.read_pickle(damaged)
    except ValueError:
        return
    assert all(array.dtype.kind in "biuf" for array in result)


def test_nothing_is_imported(tmp_path):
    body = b"\x80\x02cantigravity\nfly\n."
    with pytest.raises(ValueError, match=r"holds antigravity.fly, not a plain array"):
        pickled_arrays.read_pickle(body)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (to_objects(["text"]), "holds a str, not a plain array of numbers; save it with np.savez"),
        (to_objects([3.5]), "holds a float"),
        (to_objects([None]), "holds a NoneType"),
        (to_objects([np.array(["text"])]), "an array of 'U4'"),
        (to_objects([np.array([1j])]), "an array of 'c16'"),
        (to_objects([np.zeros(2, "i4,f4")]), "an array of 'V8'|holds EMPTY_DICT"),
        (to_objects([np.ma.masked_array([1, 2])]), "holds numpy.ma"),
        (to_objects([np.array([[None]])]), "axes, not one"),
        (to_objects([{"a": np.arange(3)}]), "holds EMPTY_DICT, which is not part of"),
        (to_objects([np.float64(3)]), "holds numpy._?core.multiarray.scalar"),
        (to_objects([np.arange(3).view(np.recarray)]), "holds numpy.rec|not a plain array"),
    ],
)
def test_other_things_are_named_and_refused(value, message):
    for protocol in PROTOCOLS:
        with pytest.raises(ValueError, match=message):
            pickled_arrays.read_pickle(pickle.dumps(value, protocol=protocol))


def test_a_declared_shape_must_be_that_of_the_data():
    body = pickle.dumps(to_objects([np.arange(5, dtype=np.int8)]), protocol=2)
    assert body.count(b"K\x01K\x05\x85") == 1  # version 1, shape (5,)
    huge = b"K\x01\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x40\x00\x85"  # shape (2 ** 62,)
    for other in (b"K\x01K\x06\x85", b"K\x01J\xff\xff\xff\xff\x85", b"K\x01(K\x05tX\x00\x00", huge):
        with pytest.raises(ValueError, match="shape|damaged|at position|not enough|expected"):
            pickled_arrays.read_pickle(body.replace(b"K\x01K\x05\x85", other))


def test_shared_nests_cannot_multiply():
    laughs = [np.arange(3)]
    for _ in range(12):
        laughs = [laughs] * 10
    endless = []
    endless.append(endless)
    wide = [[]] * 3_000
    for value in (laughs, endless, [[wide] * 3_000] * 3_000):
        with pytest.raises(ValueError, match="nests its arrays too deeply"):
            pickled_arrays.read_pickle(pickle.dumps(value))


def test_truncated_pickles_are_refused():
    body = pickle.dumps(to_objects(VARIED[:3]))
    for length in range(len(body)):
        with pytest.raises(ValueError, match="exhausted|damaged|not enough|not a plain|expected"):
            pickled_arrays.read_pickle(body[:length])
