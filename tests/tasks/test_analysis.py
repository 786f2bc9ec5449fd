"""Traces against the NumPy loop; figures and files for every kind of data."""

import json

import numpy as np
import pytest

import reference
import tiny_models
from vrnn_tf import media, rng
from vrnn_tf.normalization import Normalization
from vrnn_tf.tasks import analysis


@pytest.fixture(scope="module")
def model():
    return tiny_models.make_case("smoothing")


def test_a_trace_is_the_posterior_of_the_loop(model):
    x = tiny_models.observations(model, batch=1, steps=6)
    trace = analysis.trace(model, x[0], seed=5)
    size = rng.normal_noise_size(model.latent_size)
    uniforms = rng.uniform(np.array([5], "int32"), np.arange(6, dtype="int32"), size, rng.POSTERIOR)
    eps = np.array(rng.normal(uniforms, model.latent_size), np.float64)
    outputs, _ = reference.LoopVRNN(model).run(x, eps)
    for name in ("posterior_loc", "prior_scale", "z", "kl", "log_likelihood"):
        np.testing.assert_allclose(getattr(trace, name), outputs[name][0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(trace.kl_of_dimension.sum(axis=1), outputs["kl"][0], rtol=1e-4)
    loc = outputs["posterior_loc"][0]
    distance = [0.0] + [np.sqrt(((loc[t] - loc[t - 1]) ** 2).sum()) for t in range(1, 6)]
    np.testing.assert_allclose(trace.shift, distance, rtol=1e-4, atol=1e-6)
    # The mode of the most probable component, Eqs. (15-22) of arXiv:1308.0850.
    raw, components = outputs["raw_parameters"][0], model.likelihood.num_components
    best = raw[:, :components].argmax(axis=1)
    places = raw[:, components : 3 * components].reshape(6, components, 2)
    np.testing.assert_allclose(
        trace.reconstruction[:, :2], places[np.arange(6), best], rtol=1e-4, atol=1e-5
    )


def test_a_traversal_moves_one_dimension(model):
    offsets = (-2.0, 0.0, 2.0)
    walks = analysis.traverse(model, 1, offsets, 4, temperature=0.0, seed=3)
    size = rng.normal_noise_size(model.latent_size)
    uniforms = rng.uniform(np.array([3], "int32"), np.arange(4, dtype="int32"), size, rng.LATENT)
    eps = np.array(rng.normal(uniforms, model.latent_size), np.float64)
    loop = reference.LoopVRNN(model)
    components = model.likelihood.num_components
    for offset, walk in zip(offsets, walks, strict=True):
        h, states = np.zeros((1, 4)), loop.initial_states(1)
        for t in range(4):
            loc, scale = loop.prior(h)
            z = loc + scale * (eps[:, t] + np.array([[0.0, offset]]))
            raw = loop.decode(z, h)[0]
            places = raw[components : 3 * components].reshape(components, 2)
            expected = [*places[raw[:components].argmax()], float(raw[-1] > 0.0)]
            np.testing.assert_allclose(walk[t], expected, rtol=1e-3, atol=1e-4)
            phi_x = loop.dense(model.phi_x.layers, walk[t : t + 1].astype("float64"))
            h, states = loop.recur(phi_x, z, h, states)
    drawn = analysis.traverse(model, 0, [0.0], 4, temperature=0.7, seed=3)
    np.testing.assert_allclose(drawn[0], model.generate(1, 4, 0.7, seed=3)[0], atol=1e-4)
    with pytest.raises(ValueError, match="below latent_size=2. Received 2"):
        analysis.traverse(model, 2, offsets, 4)


def test_unused_dimensions_are_counted():
    model = tiny_models.make_case("residual")
    size = model.latent_size
    for network in (model.cell.posterior_network, model.cell.prior_network):
        last = network.body.layers[-1]
        last.kernel.assign(np.zeros(last.kernel.shape))
        last.bias.assign(np.zeros(2 * size))
    posterior = model.cell.posterior_network.body.layers[-1]
    posterior.bias.assign([0.0, 1.0, 0.0, 0.0])  # its mean differs in the second dimension only
    x = tiny_models.observations(model, batch=2, steps=7)
    figures = analysis.summary([analysis.trace(model, row) for row in x])
    scale = reference.softplus(0.0) + reference.MIN_SCALE
    np.testing.assert_allclose(figures["kl_of_dimension"], [0.0, 0.5 / scale**2], atol=1e-5)
    assert (figures["active_dimensions"], figures["dimensions"]) == (1, 2)
    assert figures["shift"] == pytest.approx(0.0, abs=1e-6)


KINDS = {
    "strokes": (media.Strokes(), {"name": "bivariate_gmm", "num_components": 2}, {}),
    "audio": (media.Audio(8000, 4), {"name": "gmm", "event_size": 4, "num_components": 2}, {}),
    "pianoroll": (media.PianoRoll(60, 5), {"name": "nade", "event_size": 5, "units": 3}, {}),
    "text": (
        media.Text("abc\n"),
        {"name": "categorical", "num_classes": 4},
        {"embedding_size": 3},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_gets_its_figures(kind, tmp_path):
    medium, likelihood, arguments = KINDS[kind]
    model = tiny_models.make(likelihood, **arguments)
    sequences = [tiny_models.observations(model, 1, steps, steps)[0] for steps in (9, 4)]
    size = model.likelihood.event_size
    scaling = Normalization("scalar", (0.0,) * size, (1.0,) * size)
    result = analysis.analyze(model, sequences, scaling, medium, tmp_path / "out")
    suffix = medium.suffixes[0]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    drawn = {f"{name}{suffix}" for name in ("reconstructions", "samples", "traversal")}
    assert names == drawn | {"latent.png", "latent.npz", "dimensions.png", "summary.json"}
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == result
    with np.load(tmp_path / "out" / "latent.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["x_1"], sequences[1])
        assert arrays["kl_of_dimension_0"].shape == (9, 2)
    for picture in ("latent.png", "dimensions.png"):
        assert (tmp_path / "out" / picture).read_bytes()[:4] == b"\x89PNG"


def test_sequences_of_one_step(model):
    x = tiny_models.observations(model, batch=2, steps=1)
    assert analysis.summary([analysis.trace(model, row) for row in x])["shift"] == 0.0


def test_a_file_in_the_place_of_the_folder_is_kept(model, tmp_path):
    (tmp_path / "mine").write_text("mine")
    scaling = Normalization("none", (0.0,) * 3, (1.0,) * 3)
    sequences = list(tiny_models.observations(model))
    with pytest.raises(ValueError, match="is a file"):
        analysis.analyze(model, sequences, scaling, media.Strokes(), tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_model_without_a_latent_variable_is_refused(tmp_path):
    model = tiny_models.make_case("no_latent")
    with pytest.raises(ValueError, match="no latent variable"):
        analysis.analyze(
            model,
            tiny_models.observations(model),
            Normalization("none", (0.0,) * 3, (1.0,) * 3),
            media.Strokes(),
            tmp_path,
        )
