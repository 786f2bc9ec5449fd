"""The Variational Recurrent Neural Network (arXiv:1506.02216) for Keras 3 and TensorFlow.

Names are imported when they are first used, so that drawing strokes or running an exported file
does not load TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vrnn_tf.core.cell import VRNNCell
    from vrnn_tf.loop.recurrence import Recurrence
    from vrnn_tf.model.saving import load_model
    from vrnn_tf.model.vrnn import VRNN
    from vrnn_tf.tasks.evaluation import evaluate_bound

__version__ = "0.1.0"
__all__ = ["VRNN", "Recurrence", "VRNNCell", "__version__", "evaluate_bound", "load_model"]

_HOMES = {
    "Recurrence": "vrnn_tf.loop.recurrence",
    "VRNN": "vrnn_tf.model.vrnn",
    "VRNNCell": "vrnn_tf.core.cell",
    "evaluate_bound": "vrnn_tf.tasks.evaluation",
    "load_model": "vrnn_tf.model.saving",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
