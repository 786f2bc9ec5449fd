"""The origin of a run: configuration, data and versions, compared with those of an earlier run.

metadata.json describes the data, their normalisation and the versions of the software. A run that
is resumed or repeated compares its configuration and its metadata with the earlier ones.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import vrnn_tf
from vrnn_tf import files
from vrnn_tf.normalization import Normalization

from . import datasets, store
from .checkpoints import RunWarning
from .config import TrainConfig

# A resumed run may change these entries of the configuration: they cannot change its numbers.
WHEREABOUTS = ("data_dir", "prepared_dir", "strict", "data_memory", "checkpoint_every")
# It may change these if the user says so. The checkpoint fixes all others: the model, the optimizer
# and the states that chunks carry on.
ACCEPTABLE = (
    "dataset",
    "dataset_options",
    "num_train",
    "num_validation",
    "num_buckets",
    "epochs",
    "seed",
    "matmul_precision",
)
_FORMAT = 2  # of metadata.json
_PACKAGES = ("vrnn_tf", "tensorflow", "tensorflow-probability", "keras", "numpy")
_COMPARED = ("python", "revision", "replicas")  # entries of metadata.json, beside the packages


def describe(
    config: TrainConfig,
    splits: datasets.Splits,
    normalization: Normalization,
    padding: float,
    num_replicas: int,
) -> dict[str, Any]:
    """Returns the content of metadata.json.

    Args:
        config: the run's configuration.
        splits: the data, in raw units.
        normalization: the one that the model's data have.
        padding: the share of an epoch's steps that is padding.
        num_replicas: how many replicas share a batch.
    """
    return {
        "format": _FORMAT,
        "dataset": config.dataset,
        "medium": splits.medium.to_dict(),
        "units": splits.medium.units,
        "normalization": normalization.to_dict(),
        "num_train": len(splits.train),
        "num_validation": len(splits.validation),
        "longest_sequence": int(store.lengths(splits.train).max()),
        "data_sha256": _digest(splits.train, splits.validation),
        "data": splits.facts,
        "padding": round(padding, 4),
        "seed": config.seed,
        "replicas": num_replicas,
        "python": platform.python_version(),
        "revision": _revision(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def check_same_configuration(
    earlier: TrainConfig, config: TrainConfig, accept_changes: bool
) -> None:
    """Compares the configuration of a run that is to be resumed with the earlier one.

    Raises:
        ValueError: if an entry differs that may not, or that the user has not accepted.
    """
    before, after = (json.loads(json.dumps(c.to_dict())) for c in (earlier, config))  # no tuples
    changes = {
        name: f"{name} was {before[name]!r}, now {after[name]!r}"
        for name in before
        if before[name] != after[name] and name not in WHEREABOUTS
    }
    if set(changes) - set(ACCEPTABLE):
        raise ValueError(
            f"The run to resume has another configuration: {'; '.join(changes.values())}. Resume "
            "it with the old one, or start a new run with another --out."
        )
    _refuse_or_warn(list(changes.values()), accept_changes)


def check_same_origin(path: Path, metadata: dict[str, Any], accept_changes: bool) -> None:
    """Compares data and versions with those of an earlier run.

    Args:
        path: metadata.json of the earlier run.
        metadata: that of this run, see `describe`.
        accept_changes: whether to warn of differences instead of refusing them.

    Raises:
        ValueError: if they differ and the user has not accepted it, or the file cannot be read.
    """
    earlier, changes = files.read_json(path), []
    if earlier.get("data_sha256") != metadata["data_sha256"]:
        changes.append(
            f"the data had {earlier.get('num_train')} training and "
            f"{earlier.get('num_validation')} validation sequences, now {metadata['num_train']} "
            f"and {metadata['num_validation']}, or their numbers differ"
        )
    before, after = _compared(earlier), _compared(metadata)
    changes += [
        f"{name} was {before.get(name)}, now {after[name]}"
        for name in after
        if before.get(name) != after[name]
    ]
    _refuse_or_warn(changes, accept_changes)


def _compared(metadata: dict[str, Any]) -> dict[str, Any]:
    """The versions of packages and the entries of `_COMPARED`."""
    versions = metadata.get("versions")
    packages = versions if isinstance(versions, dict) else {}
    return {**packages, **{name: metadata.get(name) for name in _COMPARED}}


def _refuse_or_warn(changes: Sequence[str], accept_changes: bool) -> None:
    if not changes:
        return
    text = f"The earlier run was not the same: {'; '.join(changes)}."
    if not accept_changes:
        raise ValueError(
            f"{text} Restore that, go on all the same with --accept-changes (the numbers will not "
            "be those of an uninterrupted run), or start a new run with another --out."
        )
    warnings.warn(text, RunWarning, stacklevel=2)


def _digest(*splits: Sequence[np.ndarray]) -> str:
    """The SHA-256 of all sequences of the splits, in their order."""
    digest = hashlib.sha256()
    for sequences in splits:
        digest.update(len(sequences).to_bytes(8, "little"))
        for x in sequences:
            digest.update(len(x).to_bytes(8, "little"))
            digest.update(np.ascontiguousarray(x, dtype="<f4").tobytes())
    return digest.hexdigest()


def _revision() -> str | None:
    """The git revision of the checkout that this package runs from; None if it is installed."""
    checkout = Path(vrnn_tf.__file__).parents[1]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
