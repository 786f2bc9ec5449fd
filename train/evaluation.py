"""Evaluates runs on a split of a data set, alone or beside other runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vrnn_tf.bounds import Bound
from vrnn_tf.tasks.evaluation import Evaluation, difference, evaluate_bound
from vrnn_tf.validation import check_choice

from . import datasets, pipeline, plan
from .config import TrainConfig
from .folder import Run, load

_SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class DatasetSplit:
    """A split of a data set, prepared for the model of a run.

    Attributes:
        dataset: name of the data set.
        split: "train", "validation" or "test".
        sequences: `[T_i, D]`, normalised as the model's training data were.
    """

    dataset: str
    split: str
    sequences: Sequence[np.ndarray]


def evaluate(
    folder: Path,
    split: str | None = None,
    bound: str = "elbo",
    num_samples: int = 1,
    *,
    beside: Sequence[Path] = (),
    dataset: str | None = None,
    data_dir: str | None = None,
    dataset_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Evaluates the best model of a run on the sequences of a split.

    Args:
        folder: the run folder.
        split: "train", "validation" or "test"; None for "test", or "validation" if there is none.
        bound, num_samples: see `vrnn_tf.evaluate_bound`.
        beside: folders of runs to compare with on the same sequences.
        dataset: name of another data set of the same kind; None for that of the run.
        data_dir: folder of the data set's files; None for that of the run.
        dataset_options: options that differ from those of the run, or from the defaults of the
            other data set.
        **options: further arguments of `vrnn_tf.evaluate_bound`.

    Returns:
        A dictionary for JSON: dataset, split, units, the entries of `Evaluation.to_dict`, and
        difference_to, `{run: evaluation.difference}`.

    Raises:
        ValueError: if a run cannot be read, the data do not fit it, the split is empty, or runs
            cannot be compared.
    """
    # A bound that is not known is refused before the data are read.
    Bound(bound, num_samples, options.get("resampling", "systematic"))
    runs = {
        path: load_with_data(path, split, dataset, data_dir, dataset_options)
        for path in (folder, *beside)
    }
    run, data = runs[folder]
    for path in beside:
        _check_comparable(path, *runs[path], run, data)
    evaluation = _evaluate(run, data, bound, num_samples, **options)
    differences = {}
    for path in beside:
        other = _evaluate(*runs[path], bound, num_samples, **options)
        estimate = dataclasses.asdict(difference(evaluation, other))
        differences[str(path)] = {"bound": other.bound, **estimate}
    return {
        "dataset": data.dataset,
        "split": data.split,
        "units": run.medium.units,
        **evaluation.to_dict(),
        "difference_to": differences,
    }


def _evaluate(
    run: Run, data: DatasetSplit, bound: str, num_samples: int, **options: Any
) -> Evaluation:
    size, num_buckets = run.config.batch_size, run.config.num_buckets
    batches = pipeline.Batches(data.sequences, size, num_buckets=num_buckets)
    return evaluate_bound(
        run.model,
        batches.epoch(0),
        bound,
        num_samples,
        normalization=run.normalization,
        **options,
    )


def _check_comparable(
    path: Path, other: Run, other_data: DatasetSplit, run: Run, data: DatasetSplit
) -> None:
    """Raises ValueError if two runs do not say how probable the same numbers are."""
    if other.model.likelihood.is_density != run.model.likelihood.is_density:
        raise ValueError(
            f"{path} cannot be compared: one model has a density, the other probabilities."
        )
    same = len(other_data.sequences) == len(data.sequences) and all(
        x.shape == y.shape
        and np.allclose(other.normalization.invert(x), run.normalization.invert(y), atol=1e-3)
        for x, y in zip(other_data.sequences, data.sequences, strict=True)
    )
    if not same:
        raise ValueError(
            f"{path} cannot be compared: its {other_data.split} split of {other_data.dataset} "
            "holds other sequences, or marks their end in another way. Name the same with "
            "--dataset, --data-dir, --data and --split."
        )


def load_with_data(
    folder: Path,
    split: str | None = None,
    dataset: str | None = None,
    data_dir: str | None = None,
    dataset_options: Mapping[str, Any] | None = None,
) -> tuple[Run, DatasetSplit]:
    """Reads a run and sequences for its model; `evaluate` explains the arguments and errors."""
    if split is not None:
        check_choice("split", split, _SPLITS)
    run = load(folder)
    config = _with_data(run.config, dataset, data_dir, dataset_options or {})
    splits = plan.load_splits(config, test=split in (None, "test"))
    split = split or ("test" if splits.test else "validation")
    sequences = _sequences(splits, split, config.dataset)
    arguments = splits.medium.likelihood_arguments()
    if arguments != run.medium.likelihood_arguments():
        raise ValueError(
            f"{config.dataset} holds {arguments}, the run was trained on "
            f"{run.medium.likelihood_arguments()}."
        )
    prepared = pipeline.prepare(sequences, run.normalization, run.model.likelihood)
    return run, DatasetSplit(config.dataset, split, prepared)


def _with_data(
    config: TrainConfig,
    dataset: str | None,
    data_dir: str | None,
    dataset_options: Mapping[str, Any],
) -> TrainConfig:
    """The configuration of a run with other data; raises ValueError if they do not fit it."""
    if dataset is not None and dataset != config.dataset:
        theirs: dict[str, Any] = {"data_dir": None, "num_train": None, "num_validation": None}
        config = dataclasses.replace(config, dataset=dataset, dataset_options={}, **theirs)
        plan.check_likelihood(config)
    return dataclasses.replace(
        config,
        data_dir=config.data_dir if data_dir is None else data_dir,
        dataset_options={**config.dataset_options, **dataset_options},
    )


def _sequences(splits: datasets.Splits, split: str, dataset: str) -> Sequence[np.ndarray]:
    """The sequences of a split; raises ValueError if there are none."""
    sequences = getattr(splits, split)
    if not sequences:
        filled = [name for name in _SPLITS if getattr(splits, name)]
        raise ValueError(f"{dataset} has no {split} split. Choose one of {filled}.")
    return sequences
