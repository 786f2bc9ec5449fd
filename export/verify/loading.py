"""Loads a SavedModel only if its graphs do nothing but compute.

The graphs of a SavedModel are programs, and TensorFlow has operations that reach files, processes
and Python.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

# Variables, branches and loops need these stateful operations. All other stateful ones are refused.
_STATEFUL_OPERATIONS = {
    *("VarHandleOp", "ReadVariableOp", "AssignVariableOp", "VarIsInitializedOp"),
    *("DisableCopyOnRead", "Assert", "StatefulPartitionedCall", "While", "If"),
    *("RestoreV2", "SaveV2", "MergeV2Checkpoints"),
}
# Operations with such names reach files, processes or Python, and TensorFlow calls them stateless.
_UNSAFE_NAMES = re.compile("Dataset|File(?!name)|PyFunc|Debug|Proto|Vocab")


def load_saved_model(directory: Path) -> Any:
    """Loads a SavedModel.

    Raises:
        ValueError: if the folder is missing, if TensorFlow cannot load it, or if it uses an
            operation that does more than compute (names it).
    """
    if not directory.is_dir():
        raise ValueError(f"{directory} is missing. Export the model again.")
    try:
        if unsafe := sorted(name for name in _operations(directory) if not _only_computes(name)):
            raise ValueError(f"it uses {', '.join(unsafe)}")
        return tf.saved_model.load(str(directory))
    except Exception as error:  # TensorFlow raises errors of any kind
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"{directory} is not a SavedModel that can be loaded: {lines[0]:.500}. Export the "
            "model again."
        ) from None


def _operations(directory: Path) -> set[str]:
    """The names of all operations in the graphs and functions of a SavedModel."""
    saved = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    graphs = [meta.graph_def for meta in saved.meta_graphs]
    functions = [function.node_def for graph in graphs for function in graph.library.function]
    return {node.op for nodes in (*(g.node for g in graphs), *functions) for node in nodes}


def _only_computes(operation: str) -> bool:
    definition = op_def_registry.get(operation)
    if definition is None or _UNSAFE_NAMES.search(operation):
        return False
    return not definition.is_stateful or operation in _STATEFUL_OPERATIONS
