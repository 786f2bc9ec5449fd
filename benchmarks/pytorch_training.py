"""Contestants of training that use PyTorch. README.md describes the four of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from benchmarks import cases
from benchmarks.pytorch_vrnn import VRNN, HoistedVRNN
from benchmarks.worker import Contestant

# Up to so many steps torch.compile gets the whole unrolled loop. Above, it gets the parts of the
# model, since compiling 300 unrolled steps takes many minutes.
LONGEST_UNROLLED = 40


def users(case: dict[str, Any]) -> Contestant:
    """Applies every network at every step."""
    return _contestant(VRNN(case["model"]), case, fused=False)


def users_compiled(case: dict[str, Any]) -> Contestant:
    """Compiles `users` by torch.compile."""
    return _compiled(VRNN(case["model"]), case, ("step",), fused=False)


def hoisted(case: dict[str, Any]) -> Contestant:
    """Keeps only what depends on h_{t-1} inside the loop, and uses a fused Adam."""
    return _contestant(HoistedVRNN(case["model"]), case, fused=True)


def hoisted_compiled(case: dict[str, Any]) -> Contestant:
    """Compiles `hoisted` by torch.compile."""
    return _compiled(HoistedVRNN(case["model"]), case, ("before", "step", "after"), fused=True)


def _contestant(model: nn.Module, case: dict[str, Any], fused: bool) -> Contestant:
    x = torch.from_numpy(cases.observations(case)).transpose(0, 1).contiguous()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(parameters, cases.LEARNING_RATE, fused=fused)

    def step() -> float:
        optimizer.zero_grad()
        loss = model(x)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, cases.CLIP_NORM)
        optimizer.step()
        return loss.item()

    return Contestant(step, sum(parameter.numel() for parameter in parameters))


def _compiled(
    model: nn.Module, case: dict[str, Any], parts: tuple[str, ...], fused: bool
) -> Contestant:
    # With `fullgraph` code that dynamo cannot trace is an error, so nothing runs uncompiled.
    whole = case["steps"] <= LONGEST_UNROLLED
    for part in ("forward",) if whole else parts:
        setattr(model, part, torch.compile(getattr(model, part), fullgraph=True, dynamic=False))
    contestant = _contestant(model, case, fused)
    contestant.notes["compiled"] = "forward" if whole else ", ".join(parts)
    return contestant
