"""The names of states, and the order that they keep however a runtime sorts them."""

import pytest

from vrnn_tf.export.states import list_states, name_states


@pytest.mark.parametrize("count", [0, 1, 2, 11, 101])
def test_states_come_back_in_their_order_from_any_order_of_names(count):
    named = name_states(range(count))
    for order in (sorted, reversed):
        assert list_states({name: named[name] for name in order(list(named))}) == list(range(count))


def test_other_tensors_are_no_states():
    assert list_states({"x": 5, "state_0": 7, "length": 2}) == [7]
