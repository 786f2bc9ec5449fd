"""What is packed under a name comes back under that name."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vrnn_tf.packing import PackedConstant, Packing

SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=6).map(
    lambda sizes: {f"slice_{i}": size for i, size in enumerate(sizes)}
)


@settings(deadline=None, max_examples=25)
@given(sizes=SIZES, leading=st.lists(st.integers(1, 3), max_size=3), seed=st.integers(0, 2**16))
def test_unpack_inverts_pack(sizes, leading, seed):
    packing = Packing(sizes)
    rng = np.random.default_rng(seed)
    values = {name: rng.normal(size=(*leading, size)) for name, size in sizes.items()}
    shuffled = {name: values[name] for name in rng.permutation(list(sizes))}
    packed = np.asarray(packing.pack(shuffled))
    np.testing.assert_array_equal(packed, np.concatenate(list(values.values()), axis=-1))
    unpacked = packing.unpack(packed)
    assert list(unpacked) == list(sizes)
    for name, value in values.items():
        np.testing.assert_array_equal(unpacked[name], value)


def test_slices_stand_in_the_order_of_the_names():
    unpacked = Packing({"b": 1, "a": 3}).unpack(np.arange(8.0).reshape(2, 4))
    np.testing.assert_array_equal(unpacked["b"], [[0], [4]])
    np.testing.assert_array_equal(unpacked["a"], [[1, 2, 3], [5, 6, 7]])


@pytest.mark.parametrize("size", [0, -1, 2.0, "3", None])
def test_sizes_are_positive_integers(size):
    with pytest.raises(ValueError, match="positive integer size. Received b="):
        Packing({"a": 1, "b": size})


def test_pack_wants_every_name_once():
    packing = Packing({"a": 1, "b": 2})
    with pytest.raises(ValueError, match=r"Expected values for \['a', 'b'\]. Received \['a'\]"):
        packing.pack({"a": np.zeros(1)})
    with pytest.raises(ValueError, match="Received .*'c'"):
        packing.pack({"a": np.zeros(1), "b": np.zeros(2), "c": np.zeros(1)})


def test_pack_does_not_let_one_name_spill_into_the_next():
    with pytest.raises(ValueError, match=r"Expected 'a' to have a last axis of 1.*\(4, 2\)"):
        Packing({"a": 1, "b": 2}).pack({"a": np.zeros((4, 2)), "b": np.zeros((4, 1))})


def test_unpack_wants_the_whole_vector():
    with pytest.raises(ValueError, match=r"last axis of 3 .* Received shape \(2, 4\)"):
        Packing({"a": 1, "b": 2}).unpack(np.zeros((2, 4)))


def test_a_constant_for_no_slice_is_refused():
    with pytest.raises(ValueError, match=r"names of \['loc', 'raw_scale'\]. Received \['scale'\]"):
        PackedConstant({"loc": 2, "raw_scale": 2}, {"scale": 0.5})


def test_packed_constant_fills_the_named_slices():
    initializer = PackedConstant({"a": 2, "b": 1, "c": 3}, {"b": 0.5, "c": -1.0})
    expected = [0, 0, 0.5, -1, -1, -1]
    np.testing.assert_array_equal(initializer((6,), dtype="float32"), expected)
    config = keras.saving.serialize_keras_object(initializer)
    restored = keras.saving.deserialize_keras_object(config)
    np.testing.assert_array_equal(restored((6,), dtype="float32"), expected)
    layer = keras.layers.Dense(6, bias_initializer=initializer)
    layer.build((None, 2))
    np.testing.assert_array_equal(layer.bias, expected)
