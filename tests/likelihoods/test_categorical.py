"""The alphabet of a categorical likelihood."""

import pytest

from vrnn_tf import likelihoods


def test_one_class_is_no_choice():
    with pytest.raises(ValueError, match="`num_classes` must be an integer >= 2. Received 1"):
        likelihoods.Categorical(1)


def test_end_class_is_a_symbol():
    with pytest.raises(ValueError, match="`end_class` must be below num_classes=4. Received 4"):
        likelihoods.Categorical(4, end_class=4)
    with pytest.raises(ValueError, match="`end_class` must be an integer >= 0. Received -1"):
        likelihoods.Categorical(4, end_class=-1)
