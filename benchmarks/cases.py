"""The training cases as data: their models, batches and optimiser."""

from __future__ import annotations

from typing import Any

import numpy as np

LEARNING_RATE, CLIP_NORM = (
    3e-4,
    5.0,
)  # every training step clips the gradient by its norm and runs Adam

_HANDWRITING = {
    "likelihood": {"name": "bivariate_gmm", "num_components": 20},
    "latent_size": 50,
    "recurrent_cell": "lstm",
    "hidden_units": {"phi_x": 250, "phi_z": 150, "prior": 150, "posterior": 150, "decoder": 250},
}


def _handwriting(units: int, batch: int, steps: int) -> dict[str, Any]:
    return {"batch": batch, "steps": steps, "model": {**_HANDWRITING, "recurrent_units": units}}


# `model` holds the arguments of `vrnn_tf.VRNN`; x is [batch, steps, event size].
TRAINING: dict[str, dict[str, Any]] = {
    # Rows of MNIST in sizes that public PyTorch VRNNs have.
    "mnist": {
        "batch": 128,
        "steps": 28,
        "model": {
            "likelihood": {"name": "bernoulli", "event_size": 28},
            "latent_size": 16,
            "recurrent_cell": "gru",
            "recurrent_units": 100,
            "hidden_units": {
                "phi_x": (100, 100),
                "phi_z": (100,),
                "prior": (100,),
                "posterior": (100, 100),
                "decoder": (100, 100),
            },
        },
    },
    # The preset `handwriting`, whole lines of IAM-OnDB.
    "handwriting400": _handwriting(400, batch=32, steps=300),
    # The paper's size.
    "handwriting1200": _handwriting(1200, batch=20, steps=100),
    "handwriting1200_long": _handwriting(1200, batch=20, steps=300),
    # Chunks of raw audio: 40 frames of 200 samples.
    "speech2000": {
        "batch": 64,
        "steps": 40,
        "model": {
            "likelihood": {"name": "gmm", "event_size": 200, "num_components": 20},
            "latent_size": 200,
            "recurrent_cell": "lstm",
            "recurrent_units": 2000,
            "hidden_units": 500,
        },
    },
}

# Twice the steps or twice the rows should take at most twice the time.
LINEARITY = {
    f"T {steps}, B {batch}": _handwriting(400, batch, steps)
    for steps, batch in ((150, 32), (300, 32), (600, 32), (300, 16), (300, 64))
}

# Models trained by a particle filter, on chunks. Only our contestants have particle filters.
PARTICLES: dict[str, dict[str, Any]] = {
    "fivo4": {
        "batch": 32,
        "steps": 100,
        "model": {
            **_HANDWRITING,
            "recurrent_units": 400,
            "bound": {"name": "fivo", "num_samples": 4},
        },
    }
}

# The smallest model that runs every part of a training step, for tests and for `--cases tiny`.
TINY = {
    "batch": 2,
    "steps": 3,
    "model": {**_HANDWRITING, "latent_size": 2, "recurrent_units": 4, "hidden_units": 3},
}
# Equally small models for tests: every recurrent cell, and every likelihood of a case.
TINY_MODELS: dict[str, dict[str, Any]] = {
    "lstm": TINY["model"],
    "gru": {
        "likelihood": {"name": "bernoulli", "event_size": 5},
        "latent_size": 2,
        "recurrent_cell": "gru",
        "recurrent_units": 4,
        "hidden_units": {
            "phi_x": (3, 6),
            "phi_z": (5,),
            "prior": (7,),
            "posterior": (3, 4),
            "decoder": (6, 5),
        },
    },
    "gmm": {
        "likelihood": {"name": "gmm", "event_size": 3, "num_components": 2},
        "latent_size": 2,
        "recurrent_cell": "lstm",
        "recurrent_units": 4,
        "hidden_units": (4, 3),
    },
}


def tiny(name: str) -> dict[str, Any]:
    """Returns a case of three steps with one of `TINY_MODELS`."""
    return {**TINY, "model": TINY_MODELS[name]}


def event_size(likelihood: dict[str, Any]) -> int:
    """Returns D, the size of one time step of x."""
    return likelihood.get("event_size", 3)


def raw_size(likelihood: dict[str, Any]) -> int:
    """Returns the size of the decoder's output for one time step."""
    sizes = {
        "bernoulli": lambda size: size,
        "gmm": lambda size: likelihood["num_components"] * (1 + 2 * size),
        "bivariate_gmm": lambda size: likelihood["num_components"] * 6 + 1,
    }
    return sizes[likelihood["name"]](event_size(likelihood))


def widths(model: dict[str, Any], network: str) -> tuple[int, ...]:
    """Returns the widths of the hidden layers of a network."""
    units = model["hidden_units"]
    units = units[network] if isinstance(units, dict) else units
    return (units,) if isinstance(units, int) else tuple(units)


def observations(case: dict[str, Any], seed: int = 0) -> np.ndarray:
    """Draws float32 x `[B, T, D]` in the support of the case's likelihood."""
    generator = np.random.default_rng(seed)
    likelihood = case["model"]["likelihood"]
    shape = (case["batch"], case["steps"], event_size(likelihood))
    if likelihood["name"] == "bernoulli":
        return generator.integers(0, 2, size=shape).astype(np.float32)
    x = generator.normal(size=shape).astype(np.float32)
    if likelihood["name"] == "bivariate_gmm":
        x[..., 2] = generator.random(shape[:2]) < 0.05  # the pen lifts
    return x
