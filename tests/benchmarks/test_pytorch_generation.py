"""The PyTorch sampler is our model: its step and its draws are ours."""

import numpy as np
import pytest

import reference
from benchmarks import cases
from vrnn_tf import VRNN

torch = pytest.importorskip("torch")

from benchmarks import pytorch_generation, pytorch_vrnn  # noqa: E402

MODEL = cases.TINY["model"]
DRAWS = 100_000


@pytest.fixture(scope="module")
def ours():
    model = VRNN(**MODEL)
    reference.randomize_weights(model)
    return model


def sampler(choose=pytorch_generation.multinomial):
    return pytorch_generation.Sampler(MODEL, choose).requires_grad_(False)


def normal(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype("float32")


def test_a_step_is_ours_given_z_and_x(ours):
    theirs = sampler()
    pytorch_vrnn.copy_weights(ours, theirs)
    h, c = normal(3, MODEL["recurrent_units"]), normal(3, MODEL["recurrent_units"]) / 2
    x, z = normal(3, 3), normal(3, MODEL["latent_size"]) * 2
    prior, phi_z = ours.cell.prior(h), ours.cell.phi_z(z)
    next_h, _, next_c = ours.cell.recur(ours.phi_x(x), phi_z, [h, h, c])
    expected = [*prior, ours.decode(phi_z, h), next_h, next_c]

    h, c, x, z = map(torch.from_numpy, (h, c, x, z))
    phi_z = theirs.phi_z(z)
    states = theirs.core(torch.cat([theirs.phi_x(x), phi_z], dim=-1), (h, c))
    actual = [*pytorch_generation.gaussian(theirs.prior(h)), theirs.decode(phi_z, h), *states]
    for a, b in zip(expected, actual, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["multinomial", "gumbel_max"])
def test_draws_have_the_moments_of_our_likelihood(name, ours):
    raw = normal(1, ours.likelihood.packing.size)
    torch.manual_seed(0)
    rows = torch.from_numpy(raw).expand(DRAWS, -1)
    x = sampler(getattr(pytorch_generation, name)).sample(rows).double().numpy()
    draws = np.concatenate([x, x[:, :2] ** 2, x[:, :1] * x[:, 1:2]], axis=1)
    named = {key: np.array(v)[0] for key, v in ours.likelihood.parameters(raw).items()}
    loc, scale = named["loc"], named["scale"]
    cross = named["correlation"] * scale.prod(axis=1) + loc.prod(axis=1)
    moments = np.concatenate([loc, loc**2 + scale**2, cross[:, None]], axis=1)
    dx, dy, dx2, dy2, dxdy = reference.softmax(named["logits"]) @ moments
    expected = [dx, dy, reference.expit(named["pen_logit"][0]), dx2, dy2, dxdy]
    error = draws.std(axis=0) / np.sqrt(DRAWS)
    assert (np.abs(draws.mean(axis=0) - expected) < 6.0 * error).all()


def test_a_step_compiles_as_a_whole():
    theirs = sampler(pytorch_generation.gumbel_max)
    draw = torch.compile(theirs.draw, fullgraph=True, backend="eager")
    h = torch.zeros(2, MODEL["recurrent_units"])
    assert [part.shape for part in draw(h, h)] == [(2, 3), h.shape, h.shape]
