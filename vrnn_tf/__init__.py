"""The Variational Recurrent Neural Network (arXiv:1506.02216) for Keras 3 and TensorFlow.

Names are imported when they are first used, so that drawing strokes or running an exported file
does not load TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vrnn_tf.cell import VRNNCell
    from vrnn_tf.evaluation import evaluate_bound
    from vrnn_tf.models import VRNN
    from vrnn_tf.recurrence import Recurrence

__version__ = "0.1.0"
__all__ = ["VRNN", "Recurrence", "VRNNCell", "__version__", "evaluate_bound"]

_HOMES = {
    "Recurrence": "vrnn_tf.recurrence",
    "VRNN": "vrnn_tf.models",
    "VRNNCell": "vrnn_tf.cell",
    "evaluate_bound": "vrnn_tf.evaluation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
