"""Contestants of generation that use PyTorch: Eqs. (5-7), arXiv:1506.02216, one step at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.pytorch_vrnn import MAX_CORRELATION, MIN_SCALE, VRNN, gaussian
from benchmarks.worker import Contestant

# These options of torch.compile are the fastest here on a CPU. They make weights constants, which
# are packed for their products once, and C++ rather than Python calls the kernels.
COMPILATION = {"freezing": True, "cpp_wrapper": True}


class Sampler(VRNN):
    """Draws pen strokes.

    Args:
        model: arguments of `vrnn_tf.VRNN` with an LSTM and a mixture of bivariate Gaussians.
        choose: the function from logits `[B, K]` to the number of a component, int64 `[B, 1]`.

    Call arguments:
        batch: B.
        steps: T.

    Output shape:
        float32 `[B, T, 3]` (dx, dy, pen).
    """

    def __init__(self, model: dict[str, Any], choose: Callable[[torch.Tensor], torch.Tensor]):
        super().__init__(model)
        self.choose = choose

    def forward(self, batch: int, steps: int) -> np.ndarray:
        # h and c are two tensors. If both were one tensor, torch.compile would make another graph.
        h, c = (torch.zeros(batch, self.units) for _ in range(2))
        xs = []
        for _ in range(steps):
            x, h, c = self.draw(h, c)
            xs.append(x)
        return torch.stack(xs, dim=1).numpy()

    def draw(self, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Draws x `[B, 3]` and returns it with the next states, each `[B, H]`."""
        loc, scale = gaussian(self.prior(h))
        phi_z = self.phi_z(loc + scale * torch.randn_like(loc))
        x = self.sample(self.decode(phi_z, h))
        return x, *self.core(torch.cat([self.phi_x(x), phi_z], dim=-1), (h, c))

    def decode(self, phi_z: torch.Tensor, h_tm1: torch.Tensor) -> torch.Tensor:
        """Returns the raw parameters of the likelihood, `[B, 6 K + 1]`, Eq. (6)."""
        return self.decoder(torch.cat([phi_z, h_tm1], dim=-1))

    def sample(self, raw: torch.Tensor) -> torch.Tensor:
        """Draws x `[B, 3]` from raw parameters `[B, 6 K + 1]`, Eqs. (15-25), arXiv:1308.0850."""
        components = self.likelihood["num_components"]
        sizes = [components, 2 * components, 2 * components, components, 1]
        logits, loc, raw_scale, raw_correlation, pen = raw.split(sizes, dim=-1)
        choice = self.choose(logits)
        pair = choice.unsqueeze(-1).expand(-1, -1, 2)
        loc, raw_scale = (
            part.unflatten(-1, (components, 2)).gather(1, pair).squeeze(1)
            for part in (loc, raw_scale)
        )
        scale = F.softplus(raw_scale) + MIN_SCALE
        rho = MAX_CORRELATION * torch.tanh(raw_correlation.gather(1, choice))
        first, second = torch.randn_like(loc).split(1, dim=-1)
        second = rho * first + torch.sqrt(1.0 - rho.square()) * second
        offset = loc + scale * torch.cat([first, second], dim=-1)
        return torch.cat([offset, torch.bernoulli(torch.sigmoid(pen))], dim=-1)


def multinomial(logits: torch.Tensor) -> torch.Tensor:
    """Draws as users do. `torch.distributions` would double the time of a step at batch 1."""
    return torch.multinomial(torch.softmax(logits, dim=-1), 1)


def gumbel_max(logits: torch.Tensor) -> torch.Tensor:
    """Draws from the same distribution by operations that torch.compile fuses."""
    gumbel = -torch.log(torch.empty_like(logits).exponential_())
    return (logits + gumbel).argmax(dim=-1, keepdim=True)


def users(case: dict[str, Any]) -> Contestant:
    """Draws eagerly, as users do."""
    return _contestant(Sampler(case["model"], multinomial), case)


def compiled(case: dict[str, Any]) -> Contestant:
    """Compiles a step as a whole."""
    sampler = Sampler(case["model"], gumbel_max)
    # With `fullgraph` code that dynamo cannot trace is an error, so nothing runs uncompiled.
    sampler.draw = torch.compile(sampler.draw, fullgraph=True, dynamic=False)
    contestant = _contestant(sampler, case)
    # As `options` of torch.compile, freezing comes too late: weights are arguments by then.
    with torch._inductor.config.patch(COMPILATION):
        contestant.step()
    return contestant


def _contestant(sampler: Sampler, case: dict[str, Any]) -> Contestant:
    sampler.eval()

    def step() -> np.ndarray:
        with torch.inference_mode():
            return sampler(case["batch"], case["steps"])

    parameters = sum(part.numel() for part in sampler.parameters() if part.requires_grad)
    return Contestant(step, parameters)
