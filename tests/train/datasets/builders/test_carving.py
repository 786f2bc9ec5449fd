"""Groups that are set aside for validation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vrnn_tf.train.datasets.builders.carving import carve, check_fraction


@given(
    st.dictionaries(st.text(min_size=1, max_size=5), st.integers(1, 20), min_size=2, max_size=12),
    st.floats(0.01, 0.99),
)
def test_carved_groups_are_few_stable_and_never_all(sizes, fraction):
    chosen = carve(sizes, fraction)
    assert chosen
    assert chosen < set(sizes)
    assert carve(dict(reversed(sizes.items())), fraction) == chosen
    held = sum(sizes[group] for group in chosen)
    wanted = fraction * sum(sizes.values())
    smallest_too_many = held - max(sizes[group] for group in chosen)
    assert smallest_too_many < wanted
    assert held >= wanted or len(chosen) == len(sizes) - 1


def test_one_group_cannot_be_carved():
    with pytest.raises(ValueError, match="at least two groups"):
        carve({"a": 3}, 0.1)
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        check_fraction("validation_fraction", 1.0)
