"""Every preset trains and generates; those of the paper have the paper's sizes."""

import keras
import numpy as np
import pytest

import tiny_models
from vrnn_tf import VRNN, presets

# The sizes of the authors' released code, and of arXiv:1705.09279 for piano rolls.
PAPER_SIZES = {
    "handwriting_paper": {
        "likelihood": {"name": "bivariate_gmm", "num_components": 20},
        "latent_size": 50,
        "recurrent_units": 1200,
        "hidden_units": {
            "phi_x": 250,
            "phi_z": 150,
            "posterior": 150,
            "prior": 150,
            "decoder": 250,
        },
        "initialization": "paper",
        "max_norm": 1.9365,
    },
    "speech_paper": {
        "likelihood": {"name": "gmm", "event_size": 200, "num_components": 20},
        "latent_size": 200,
        "recurrent_units": 4000,
        "hidden_units": (500, 500, 500, 500),
        "initialization": "paper",
        "max_norm": 1.9365,
    },
    "pianoroll": {
        "likelihood": {"name": "bernoulli", "event_size": 88},
        "latent_size": 64,
        "recurrent_units": 64,
        "hidden_units": 64,
    },
}


def shrunk(name, **overrides):
    """The preset with its structure and 6 units in every layer."""
    widths = presets.get(name)["hidden_units"]

    def shrink(width):
        return 6 if isinstance(width, int) else (6,) * len(width)

    if isinstance(widths, dict):
        widths = {network: shrink(width) for network, width in widths.items()}
    else:
        widths = shrink(widths)
    return VRNN.from_preset(name, recurrent_units=6, hidden_units=widths, **overrides)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_preset_trains_and_generates(name):
    model = shrunk(name)
    x = tiny_models.observations(model, batch=2, steps=3)
    before = [np.array(weight) for weight in model.trainable_weights]
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
    logs = model.train_on_batch(x, return_dict=True)
    assert np.isfinite(list(logs.values())).all() and logs["kl"] > 0.0
    for weight, value in zip(model.trainable_weights, before, strict=True):
        assert np.any(weight != value), weight.path
    (sequence,) = model.generate(1, 2)
    assert sequence.shape[1] == x.shape[2] and np.isfinite(sequence).all()
    again = VRNN.from_config(model.get_config())
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]


@pytest.mark.parametrize("name", PAPER_SIZES)
def test_sizes_of_the_papers(name):
    assert presets.get(name) == PAPER_SIZES[name]


def test_layers_have_the_sizes_of_the_preset():
    model = VRNN.from_preset("handwriting_paper", recurrent_units=12)
    networks = {
        "phi_x": model.phi_x,
        "phi_z": model.cell.phi_z,
        "prior": model.cell.prior_network.body,
        "posterior": model.cell.posterior_network.body,
        "decoder": model.decoder,
    }
    shapes = {
        "phi_x": [(3, 250)],
        "phi_z": [(50, 150)],
        "prior": [(12, 150), (150, 2 * 50)],
        "posterior": [(250 + 12, 150), (150, 2 * 50)],
        "decoder": [(150 + 12, 250), (250, 20 * (1 + 2 + 2 + 1) + 1)],
    }
    for name, network in networks.items():
        assert [layer.kernel.shape for layer in network.layers] == shapes[name]
        assert network.layers[0].activation is keras.activations.relu
    assert isinstance(model.cell.core, keras.layers.LSTMCell)
    assert model.cell.core.kernel.shape == (250 + 150, 4 * 12)
    assert model.recurrence.cell is model.cell


def test_initialization_of_the_paper():
    model = shrunk("handwriting_paper")
    kernels = []
    for weight in model.trainable_weights:
        if "recurrent_kernel" in weight.path:
            for gate in np.split(np.array(weight), 4, axis=1):
                np.testing.assert_allclose(gate @ gate.T, np.eye(6), atol=1e-5)
        elif "bias" in weight.path:
            assert set(np.unique(weight)) <= {np.float32(0.0), np.float32(0.6)}
        else:
            kernels.append(np.ravel(weight))
    kernels = np.concatenate(kernels)
    assert 0.079 < kernels.max() <= 0.08 and -0.08 <= kernels.min() < -0.079
    np.testing.assert_allclose(kernels.std(), 0.08 / np.sqrt(3.0), rtol=0.05)
    np.testing.assert_array_equal(model.cell.core.bias, 0.0)  # the forget gate's too
    raw_scale_and_loc = np.array(model.cell.prior_network.body.layers[-1].bias)
    np.testing.assert_array_equal(raw_scale_and_loc, np.repeat(np.float32([0.0, 0.6]), 50))
    named = model.likelihood.packing.unpack(np.array(model.decoder.layers[-1].bias))
    for name, bias in named.items():
        np.testing.assert_array_equal(bias, np.float32(0.6 if name == "raw_scale" else 0.0))


def test_max_norm_holds_the_columns_of_every_kernel_but_the_recurrent():
    model = shrunk("handwriting_paper", max_norm=0.1)
    model.compile(keras.optimizers.SGD(10.0), run_eagerly=True)
    model.train_on_batch(tiny_models.observations(model))
    for weight in model.trainable_weights:
        norms = np.linalg.norm(weight, axis=0)
        if "recurrent_kernel" in weight.path:
            assert norms.max() > 0.9
        elif "kernel" in weight.path:
            assert norms.max() <= 0.1 * (1 + 1e-5), weight.path
            assert norms.max() > 0.05, weight.path


def test_overrides_and_copies():
    assert VRNN.from_preset("pianoroll", latent_size=0).latent_size == 0
    configuration = presets.get("handwriting_paper")
    configuration["hidden_units"]["phi_x"] = 1
    assert presets.get("handwriting_paper") == PAPER_SIZES["handwriting_paper"]


def test_an_unknown_preset_lists_all_names():
    with pytest.raises(ValueError, match="`preset` must be one of .*'demo'.*Did you mean 'demo'"):
        VRNN.from_preset("dmo")
