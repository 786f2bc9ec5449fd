"""The VRNN of Eqs. (5-9, 11), arXiv:1506.02216, in PyTorch, with the sizes of `vrnn_tf.VRNN`.

`VRNN` is written as its users write it: it applies every network at every time step. `HoistedVRNN`
is the same function of the same parameters as an expert writes it. Before the loop over time it
computes what does not depend on h_{t-1}. After the loop it computes what does not change h_t. Both
parts run for all steps at once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks import cases

MIN_SCALE, MAX_CORRELATION = 1e-4, 0.9999  # as in vrnn_tf


class VRNN(nn.Module):
    """Minus the bound of Eq. (11), nats a sequence.

    Args:
        model: arguments of `vrnn_tf.VRNN`, as in `cases`.

    Call arguments:
        x: `[T, B, D]`.
        noise: standard normal numbers `[T, B, Z]`. With None they are drawn.

    Output shape:
        A scalar, the mean over the batch.
    """

    def __init__(self, model: dict[str, Any]):
        super().__init__()
        self.likelihood = model["likelihood"]
        self.latent_size, self.units = model["latent_size"], model["recurrent_units"]
        x, z, h = cases.event_size(self.likelihood), self.latent_size, self.units

        def network(name: str, inputs: int, outputs: int | None = None) -> nn.Sequential:
            layers: list[nn.Module] = []
            for width in cases.widths(model, name):
                layers += [nn.Linear(inputs, width), nn.ReLU()]
                inputs = width
            return nn.Sequential(*layers, *([nn.Linear(inputs, outputs)] if outputs else []))

        self.phi_x, self.phi_z = network("phi_x", x), network("phi_z", z)
        phi_x, phi_z = (cases.widths(model, name)[-1] for name in ("phi_x", "phi_z"))
        self.prior = network("prior", h, 2 * z)
        self.posterior = network("posterior", phi_x + h, 2 * z)
        self.decoder = network("decoder", phi_z + h, cases.raw_size(self.likelihood))
        self.is_lstm = model["recurrent_cell"] == "lstm"
        self.core = (nn.LSTMCell if self.is_lstm else nn.GRUCell)(phi_x + phi_z, h)
        if self.is_lstm:  # Keras has one bias where PyTorch adds two
            self.core.bias_hh.requires_grad_(False).zero_()

    def forward(self, x: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        states = self.initial_states(x)
        bound = x.new_zeros(())
        for t in range(len(x)):
            bound_t, states = self.step(x[t], None if noise is None else noise[t], states)
            bound = bound + bound_t
        return -bound / x.shape[1]

    def step(self, x, noise, states):
        """Returns the bound of a time step, summed over the batch, and the next states."""
        h = states[0]
        phi_x = self.phi_x(x)
        prior_loc, prior_scale = gaussian(self.prior(h))
        loc, scale = gaussian(self.posterior(torch.cat([phi_x, h], dim=1)))
        z = loc + scale * (torch.randn_like(loc) if noise is None else noise)
        phi_z = self.phi_z(z)
        raw = self.decoder(torch.cat([phi_z, h], dim=1))
        log_likelihood = log_prob(self.likelihood, raw, x).sum()
        kl = kl_divergence(loc, scale, prior_loc, prior_scale).sum()
        features = torch.cat([phi_x, phi_z], dim=1)
        states = self.core(features, states) if self.is_lstm else (self.core(features, h),)
        return log_likelihood - kl, states

    def initial_states(self, x):
        """Returns zeros, `(h, c)` or `(h,)`, each `[B, H]`."""
        return (x.new_zeros(x.shape[1], self.units),) * (2 if self.is_lstm else 1)


class HoistedVRNN(VRNN):
    """Computes the same numbers with as little as possible inside the loop."""

    def forward(self, x: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        if noise is None:
            noise = torch.randn(*x.shape[:2], self.latent_size)
        from_x, weights = self.before(x)
        states, kept = self.initial_states(x), []
        # `unbind` collects the gradient of its parts once. Each `from_x[t]` would make a full one.
        rows = zip(*(part.unbind(0) for part in from_x), noise.unbind(0), strict=True)
        for posterior_x, core_x, noise_t in rows:
            h_tm1 = states[0]
            posterior, phi_z, states = self.step(posterior_x, core_x, noise_t, states, weights)
            kept.append((posterior, phi_z, h_tm1))
        return self.after(x, *(torch.stack(parts) for parts in zip(*kept, strict=True)))

    def before(self, x):
        """Returns what comes from x alone, `[T, B, .]`, and the parts of matrices for the loop."""
        phi_x = self.phi_x(x)
        first, size = self.posterior[0], phi_x.shape[-1]
        weight_x, posterior_h = first.weight.split([size, self.units], dim=1)
        posterior_x = F.linear(phi_x, weight_x, first.bias)
        input_size = self.core.input_size
        weight_x, core_z = self.core.weight_ih.split([size, input_size - size], dim=1)
        core_x = F.linear(phi_x, weight_x, self.core.bias_ih)
        return (posterior_x, core_x), (posterior_h, core_z)

    def step(self, posterior_x, core_x, noise, states, weights):
        """Returns the posterior's raw parameters of a time step, phi_z and the next states."""
        h, (posterior_h, core_z) = states[0], weights
        posterior = self.posterior[1:](torch.addmm(posterior_x, h, posterior_h.t()))
        loc, scale = gaussian(posterior)
        phi_z = self.phi_z(loc + scale * noise)
        inputs = torch.addmm(core_x, phi_z, core_z.t())
        return posterior, phi_z, (self.lstm if self.is_lstm else self.gru)(inputs, *states)

    def lstm(self, inputs, h, c):
        gates = torch.addmm(inputs, h, self.core.weight_hh.t())
        i, f, g, o = gates.chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c

    def gru(self, inputs, h):
        reset_x, update_x, new_x = inputs.chunk(3, dim=1)
        recurrent = F.linear(h, self.core.weight_hh, self.core.bias_hh)
        reset_h, update_h, new_h = recurrent.chunk(3, dim=1)
        new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
        return (new + torch.sigmoid(update_x + update_h) * (h - new),)

    def after(self, x, posterior, phi_z, h_tm1):
        """Returns the loss from what the loop kept of every step."""
        raw = self.decoder(torch.cat([phi_z, h_tm1], dim=-1))
        kl = kl_divergence(*gaussian(posterior), *gaussian(self.prior(h_tm1)))
        return (kl - log_prob(self.likelihood, raw, x)).sum() / x.shape[1]


def copy_weights(source: Any, target: VRNN) -> None:
    """Gives `target` the weights of a `vrnn_tf.VRNN` of the same sizes."""
    cell = source.cell
    networks = {
        "phi_x": source.phi_x,
        "phi_z": cell.phi_z,
        "prior": cell.prior_network.body,
        "posterior": cell.posterior_network.body,
        "decoder": source.decoder,
    }
    pairs = [
        pair
        for name, network in networks.items()
        for pair in zip(network.layers, getattr(target, name)[::2], strict=True)
    ]
    with torch.no_grad():
        for dense, linear in pairs:
            linear.weight.copy_(_gates_reordered(dense.kernel, 1).T)
            linear.bias.copy_(_gates_reordered(dense.bias, 1))
        core, gates = target.core, 1 if target.is_lstm else 3
        core.weight_ih.copy_(_gates_reordered(cell.core.kernel, gates).T)
        core.weight_hh.copy_(_gates_reordered(cell.core.recurrent_kernel, gates).T)
        bias = _gates_reordered(cell.core.bias, gates)
        core.bias_ih.copy_(bias if target.is_lstm else bias[0])
        if not target.is_lstm:
            core.bias_hh.copy_(bias[1])


def _gates_reordered(weight: Any, gates: int) -> torch.Tensor:
    """Swaps the first two gates of a GRU, which have the other order in Keras."""
    parts = list(torch.from_numpy(np.array(weight)).chunk(gates, dim=-1))
    return torch.cat([*reversed(parts[:2]), *parts[2:]], dim=-1)


def gaussian(raw):
    """Returns loc and scale of a diagonal Gaussian, each `[..., Z]`, from `[..., 2 Z]`."""
    loc, raw_scale = raw.chunk(2, dim=-1)
    return loc, F.softplus(raw_scale) + MIN_SCALE


def kl_divergence(loc, scale, prior_loc, prior_scale):
    """Returns KL(N(loc, scale^2) || N(prior_loc, prior_scale^2)), nats a step, `[...]`."""
    ratio = scale / prior_scale
    difference = (loc - prior_loc) / prior_scale
    return 0.5 * (ratio.square() + difference.square() - 1.0 - 2.0 * ratio.log()).sum(dim=-1)


def log_prob(likelihood: dict[str, Any], raw, x):
    """Returns log p(x), nats a step, `[...]`, from the decoder's output `[..., P]`."""
    return _LOG_PROBS[likelihood["name"]](raw, x, likelihood.get("num_components"))


def _bernoulli(raw, x, _):
    return -F.binary_cross_entropy_with_logits(raw, x, reduction="none").sum(dim=-1)


def _gaussian_mixture(raw, x, components: int):
    event = x.shape[-1]
    logits, loc, raw_scale = raw.split([components, *[components * event] * 2], dim=-1)
    loc, raw_scale = (part.unflatten(-1, (components, event)) for part in (loc, raw_scale))
    scale = F.softplus(raw_scale) + MIN_SCALE
    standard = (x.unsqueeze(-2) - loc) / scale
    normals = -0.5 * (standard.square() + math.log(2.0 * math.pi)).sum(-1) - scale.log().sum(-1)
    return torch.logsumexp(F.log_softmax(logits, dim=-1) + normals, dim=-1)


def _bivariate_mixture(raw, x, components: int):
    sizes = [components, 2 * components, 2 * components, components, 1]
    logits, loc, raw_scale, raw_correlation, pen = raw.split(sizes, dim=-1)
    loc, raw_scale = (part.unflatten(-1, (components, 2)) for part in (loc, raw_scale))
    scale = F.softplus(raw_scale) + MIN_SCALE
    rho = MAX_CORRELATION * torch.tanh(raw_correlation)
    first, second = ((x[..., None, :2] - loc) / scale).unbind(dim=-1)
    rest = 1.0 - rho.square()
    exponent = (first.square() + second.square() - 2.0 * rho * first * second) / rest
    normalizer = math.log(2.0 * math.pi) + scale.log().sum(dim=-1) + 0.5 * rest.log()
    mixture = F.log_softmax(logits, dim=-1) - 0.5 * exponent - normalizer
    pen_log_prob = -F.binary_cross_entropy_with_logits(pen, x[..., 2:], reduction="none")
    return torch.logsumexp(mixture, dim=-1) + pen_log_prob.squeeze(-1)


_LOG_PROBS = {
    "bernoulli": _bernoulli,
    "gmm": _gaussian_mixture,
    "bivariate_gmm": _bivariate_mixture,
}
