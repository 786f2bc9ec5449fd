"""The cases as data agree with the models that are made from them."""

import pytest

from benchmarks import cases
from vrnn_tf import VRNN


@pytest.mark.parametrize("name", cases.TINY_MODELS)
def test_sizes_of_the_data_tables_are_those_of_the_model(name):
    arguments = cases.TINY_MODELS[name]
    model, likelihood = VRNN(**arguments), arguments["likelihood"]
    assert cases.raw_size(likelihood) == model.likelihood.packing.size
    assert cases.event_size(likelihood) == model.likelihood.event_size
    for network in arguments["hidden_units"] if name == "gru" else ("phi_x", "decoder"):
        assert cases.widths(arguments, network) == model.hidden_units[network]
