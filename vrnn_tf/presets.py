"""Named configurations of `VRNN`, as data. `VRNN.from_preset(name, **overrides)` uses them."""

from __future__ import annotations

import copy
from typing import Any

from vrnn_tf.validation import check_choice

_PAPER = {"initialization": "paper", "max_norm": 1.9365}
_HANDWRITING_WIDTHS = {
    "phi_x": 250,
    "phi_z": 150,
    "prior": 150,
    "posterior": 150,
    "decoder": 250,
}

PRESETS: dict[str, dict[str, Any]] = {
    # Lines of the built-in data that end by themselves. It trains in minutes on two cores.
    "demo": {
        "likelihood": {"name": "bivariate_gmm", "num_components": 5, "end_of_sequence": True},
        "latent_size": 16,
        "recurrent_units": 256,
        "hidden_units": {"phi_x": 64, "phi_z": 64, "prior": 64, "posterior": 64, "decoder": 128},
    },
    # Handwriting at a size for a laptop and for a phone.
    "handwriting": {
        "likelihood": {"name": "bivariate_gmm", "num_components": 20, "end_of_sequence": True},
        "latent_size": 50,
        "recurrent_units": 400,
        "hidden_units": _HANDWRITING_WIDTHS,
    },
    # The paper's model of IAM-OnDB: one LSTM of 1200 units, one ReLU layer in each network.
    "handwriting_paper": {
        "likelihood": {"name": "bivariate_gmm", "num_components": 20},
        "latent_size": 50,
        "recurrent_units": 1200,
        "hidden_units": _HANDWRITING_WIDTHS,
        **_PAPER,
    },
    # Raw audio at a size for a laptop.
    "speech": {
        "likelihood": {"name": "gmm", "event_size": 200, "num_components": 10},
        "latent_size": 64,
        "recurrent_units": 256,
        "hidden_units": 256,
    },
    # The paper's model of Blizzard: frames of 200 raw samples, four ReLU layers in each network.
    "speech_paper": {
        "likelihood": {"name": "gmm", "event_size": 200, "num_components": 20},
        "latent_size": 200,
        "recurrent_units": 4000,
        "hidden_units": (500, 500, 500, 500),
        **_PAPER,
    },
    # Piano rolls at the sizes of the FIVO paper, arXiv:1705.09279.
    "pianoroll": {
        "likelihood": {"name": "bernoulli", "event_size": 88},
        "latent_size": 64,
        "recurrent_units": 64,
        "hidden_units": 64,
    },
    # Characters: an embedding over 128 ASCII symbols.
    "char": {
        "likelihood": {"name": "categorical", "num_classes": 128},
        "latent_size": 32,
        "recurrent_cell": "gru",
        "recurrent_units": 64,
        "hidden_units": 64,
        "embedding_size": 64,
    },
}


def get(name: str) -> dict[str, Any]:
    """Returns a copy of the configuration called `name`.

    Raises:
        ValueError: if the name is unknown; lists the valid names.
    """
    return copy.deepcopy(PRESETS[check_choice("preset", name, PRESETS)])
