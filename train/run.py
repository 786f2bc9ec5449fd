"""A training run from its configuration to its folder: build, compile, fit, save.

A run folder holds model.keras (the best by validation bound), checkpoints/ (to resume from),
config.json, metadata.json, history.csv, summary.json and pictures/.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import inspect
import math
import platform
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import vrnn_tf
from vrnn_tf import files, media, presets
from vrnn_tf.bounds import Bound
from vrnn_tf.likelihoods import DiscretizedLogisticMixture
from vrnn_tf.media import Medium
from vrnn_tf.model.saving import load_model
from vrnn_tf.model.vrnn import VRNN
from vrnn_tf.normalization import Normalization
from vrnn_tf.tasks.evaluation import Evaluation, difference, evaluate_bound
from vrnn_tf.validation import check_choice, check_integer

from . import callbacks, checkpoints, datasets, pipeline, store
from .baselines import baselines
from .checkpoints import Progress, RunWarning
from .config import TrainConfig
from .distribute import Cluster

FILES = ("config.json", "metadata.json", "model.keras")
# May differ when a run is resumed.
WHEREABOUTS = ("data_dir", "prepared_dir", "strict", "data_memory", "checkpoint_every")
# May differ if the user says so. The rest is in the checkpoint: model, optimizer, carried states.
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
_ORIGIN = ("python", "revision", "replicas")  # of metadata.json, beside the versions of packages
_WRITTEN = (*FILES, "history.csv", "summary.json")  # atomically, by every run
LOGGED_SEQUENCES = 8  # of validation, whose KL TensorBoard shows
LONGEST_PICTURE = 1_000  # steps of a sample that is drawn after an epoch


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained run, read back from its folder."""

    model: VRNN
    config: TrainConfig
    normalization: Normalization
    medium: Medium
    metadata: dict[str, Any]


def train(
    config: TrainConfig,
    out: Path,
    resume: bool = False,
    overwrite: bool = False,
    tensorboard: bool = False,
    verbose: int | str = "auto",
    accept_changes: bool = False,
    repeats: Path | None = None,
    strategy: str = "none",
) -> dict[str, Any]:
    """Trains a model and leaves a run folder.

    Args:
        config: the run's description.
        out: the run folder.
        resume: go on from the newest checkpoint that is whole, or start if there is none: the
            result is that of a run that never stopped, bit for bit.
        overwrite: replace a run that stands in `out`.
        tensorboard: log to `out/tensorboard`.
        verbose: as in `keras.Model.fit`.
        accept_changes: resume although data, versions or `ACCEPTABLE` entries of the configuration
            differ from those of the run; a warning says which.
        repeats: the folder of another run, whose data and versions must be those of this one.
        strategy: see `distribute.Cluster`. With several workers each calls this function.

    Returns:
        The summary, also in `out/summary.json`: bounds and baselines on the validation split, nats
        per sequence. A bound in raw units is the bound plus `raw_unit_offset`.

    Raises:
        ValueError: if `out` holds something that the arguments do not allow to touch, a run of
            another configuration, data or versions is to be resumed, or no checkpoint is whole.
        OSError: if the disk is full; what was saved is still there.
        callbacks.NonFiniteError: if the numbers stop being finite.
        distribute.WorkerLostError: if another worker is gone.
        KeyboardInterrupt: after the weights at hand were made a usable run.
    """
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    cluster = Cluster(strategy)
    verbose = verbose if cluster.is_chief else 0
    with _matmul_precision(config.matmul_precision), cluster.losses_named():
        return _train(
            config, out, resume, overwrite, tensorboard, verbose, accept_changes, repeats, cluster
        )


def _train(
    config, out, resume, overwrite, tensorboard, verbose, accept, repeats, cluster
) -> dict[str, Any]:
    _check_folder(out, config, resume, overwrite, accept)
    if tensorboard:
        _check_tensorboard()
    started = time.time()
    _check_kind(config)
    found = checkpoints.newest(out) if resume else None
    with cluster.chief_first():  # prepares the records
        splits = _load_data(config)
    with cluster.scope():
        model = _new_model(config, splits.medium) if found is None else load_model(found[0])
    if found is None:
        normalization = _fit_normalization(config, splits, model)
    else:
        normalization = Normalization.from_dict(_entry(out / "metadata.json", "normalization"))
    training, validation = _batches(config, splits, normalization, model)
    metadata = _metadata(config, splits, normalization, training, cluster)
    cluster.check_agreement(
        {
            "checkpoint": found[1].step if found else None,
            "data": metadata["data_sha256"],
            "versions": metadata["versions"],
            "configuration": {**config.to_dict(), **dict.fromkeys(WHEREABOUTS)},
        }
    )
    if repeats is not None:
        _check_same_origin(repeats / "metadata.json", metadata, accept)
    if found is None:
        with cluster.scope():
            _compile(model, config, len(training))
        before = model.evaluate(
            cluster.dataset(validation), steps=len(validation), verbose=0, return_dict=True
        )
        first = {"val_" + name: value for name, value in before.items()}
        progress = Progress(step=0, epoch=0, batch=0, rows=[], before=first, metrics=[])
        if cluster.is_chief:
            _remove_run(out)  # only now that nothing can be wrong with the new one
    else:
        _check_same_origin(out / "metadata.json", metadata, accept)
        progress = _start_of(found[1], out, _monitor(model), len(training))
    plain = _baselines(splits.medium, model, training, validation, config.data_memory)
    sample = _sampler(splits, normalization)
    hooks = []
    if cluster.is_chief:
        _write_beginning(out, config, metadata, progress, plain)
        hooks = [callbacks.DrawSamples(out, _pictures(splits.medium, sample))]
        if tensorboard:
            few = validation.sequences[:LOGGED_SEQUENCES]
            hooks += [
                keras.callbacks.TensorBoard(out / "tensorboard"),
                callbacks.LogToTensorBoard(out, splits.medium, sample, few),
            ]
    rows = _fit(model, config, out, progress, training, validation, hooks, verbose, cluster)
    cluster.check_agreement({"weights": callbacks.weights_digest(model)})
    monitor = _monitor(model)
    best = max(rows, key=lambda row: row[monitor])
    after = {name: value for name, value in best.items() if name.startswith("val_")}
    steps = float(store.lengths(validation.sequences).mean())
    summary = {
        "unit": "nats per sequence",
        "bound": monitor,
        "before": progress.before,
        "after": after,
        "after_nats_per_step": after[monitor] / steps,
        "raw_unit_offset": steps * normalization.log_jacobian() + 0.0,  # and not -0.0
        "baselines": plain,
        "best_epoch": best["epoch"],
        "epochs": len(rows),
        "parameters": sum(math.prod(w.shape) for w in model.trainable_weights),
        "mean_steps_per_sequence": steps,
        "seconds": round(time.time() - started, 1),
    }
    if model.skip_non_finite:
        summary["skipped"] = round(sum(row["skipped"] for row in rows))
    if cluster.is_chief:
        files.write_json(out / "summary.json", summary)
    return summary


def _write_beginning(out, config, metadata, progress, plain) -> None:
    """What a run folder holds before the first epoch, or when it goes on."""
    for leftover in _leftovers(out):
        leftover.unlink()
    files.write_json(out / "config.json", config.to_dict())
    files.write_json(out / "metadata.json", metadata)
    if progress.rows:
        callbacks.write_history(out / "history.csv", progress.rows)
    files.write_json(out / "summary.json", {"before": progress.before, "baselines": plain})


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
    """Evaluates the best model of a run on sequences of a split.

    Args:
        folder: of the run.
        split: "train", "validation" or "test"; None for "test", or "validation" if there is none.
        bound, num_samples: see `vrnn_tf.evaluate_bound`.
        beside: folders of runs to compare with on the same sequences.
        dataset: name of another data set of the same kind; None for the run's own.
        data_dir: where its files are; None for the run's own.
        dataset_options: that differ from the run's, or from the other data set's defaults.
        **options: further arguments of `vrnn_tf.evaluate_bound`.

    Returns:
        JSON-able: what was evaluated, `Evaluation.to_dict`, and `evaluation.difference` to others.

    Raises:
        ValueError: if a run cannot be read, the data do not fit it, the split is empty, or runs
            cannot be compared.
    """
    Bound(bound, num_samples)  # before the data are read
    runs = {
        path: load_with_data(path, split, dataset, data_dir, dataset_options)
        for path in (folder, *beside)
    }
    run, found = runs[folder]
    for path in beside:
        _check_comparable(path, *runs[path], *runs[folder])

    def evaluation(run: Run, found: Found) -> Evaluation:
        size, num_buckets = run.config.batch_size, run.config.num_buckets
        batches = pipeline.Batches(found.sequences, size, num_buckets=num_buckets)
        return evaluate_bound(
            run.model,
            batches.epoch(0),
            bound,
            num_samples,
            normalization=run.normalization,
            **options,
        )

    own, differences = evaluation(run, found), {}
    for path in beside:
        other = evaluation(*runs[path])
        estimate = dataclasses.asdict(difference(own, other))
        differences[str(path)] = {"bound": other.bound, **estimate}
    return {
        "dataset": found.dataset,
        "split": found.split,
        "units": run.medium.units,
        **own.to_dict(),
        "difference_to": differences,
    }


def _check_comparable(path: Path, other: Run, others: Found, run: Run, found: Found) -> None:
    """Raises ValueError if two runs do not say how probable the same numbers are."""
    if other.model.likelihood.is_density != run.model.likelihood.is_density:
        raise ValueError(
            f"{path} cannot be compared: one model has a density, the other probabilities."
        )
    same = len(others.sequences) == len(found.sequences) and all(
        x.shape == y.shape
        and np.allclose(other.normalization.invert(x), run.normalization.invert(y), atol=1e-3)
        for x, y in zip(others.sequences, found.sequences, strict=True)
    )
    if not same:
        raise ValueError(
            f"{path} cannot be compared: its {others.split} split of {others.dataset} holds other "
            "sequences, or marks their end in another way. Name the same with --dataset, "
            "--data-dir, --data and --split."
        )


@dataclasses.dataclass(frozen=True)
class Found:
    """Sequences for a run.

    Attributes:
        dataset: where they are from.
        split: "train", "validation" or "test".
        sequences: `[T_i, D]`, as the run's model is fed.
    """

    dataset: str
    split: str
    sequences: Sequence[np.ndarray]


def load_with_data(
    folder: Path,
    split: str | None = None,
    dataset: str | None = None,
    data_dir: str | None = None,
    dataset_options: Mapping[str, Any] | None = None,
) -> tuple[Run, Found]:
    """A run and sequences that its model can read; the arguments are those of `evaluate`."""
    if split is not None:
        check_choice("split", split, ("train", "validation", "test"))
    run = load(folder)
    config = run.config
    if dataset is not None and dataset != config.dataset:
        other: dict[str, Any] = {"data_dir": None, "num_train": None, "num_validation": None}
        config = dataclasses.replace(config, dataset=dataset, dataset_options={}, **other)
        _check_kind(config)
    config = dataclasses.replace(
        config,
        data_dir=config.data_dir if data_dir is None else data_dir,
        dataset_options={**config.dataset_options, **(dataset_options or {})},
    )
    splits = _load_data(config, test=split in (None, "test"))
    split = split or ("test" if splits.test else "validation")
    sequences = getattr(splits, split)
    if not sequences:
        filled = [name for name in ("train", "validation", "test") if getattr(splits, name)]
        raise ValueError(f"{config.dataset} has no {split} split. Choose one of {filled}.")
    if splits.medium.likelihood_arguments() != run.medium.likelihood_arguments():
        raise ValueError(
            f"{config.dataset} holds {splits.medium.likelihood_arguments()}, the run was trained "
            f"on {run.medium.likelihood_arguments()}."
        )
    prepared = pipeline.prepare(sequences, run.normalization, run.model.likelihood)
    return run, Found(config.dataset, split, prepared)


def load(folder: Path) -> Run:
    """Reads a run folder.

    Raises:
        ValueError: if a file is missing or damaged; names it.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise ValueError(
                f"{folder} is not a run folder: {name} is missing. Make one with `vrnn train "
                f"PRESET --out {folder}`."
            )
    metadata = files.read_json(folder / "metadata.json")
    _entry(folder / "metadata.json", "longest_sequence")
    config = TrainConfig.from_dict(files.read_json(folder / "config.json"))
    normalization = Normalization.from_dict(metadata.get("normalization", {}))
    medium = media.from_dict(metadata.get("medium", {}))
    run = Run(load_model(folder / "model.keras"), config, normalization, medium, metadata)
    _check_belongs(folder, run)
    return run


def _check_belongs(folder: Path, run: Run) -> None:
    """Raises ValueError if the files of a run are not of one run."""
    check_integer("longest_sequence", run.metadata["longest_sequence"], 1)
    likelihood = run.model.likelihood
    sizes = {run.medium.event_size, len(run.normalization.mean), likelihood.event_size}
    known, fixed = likelihood.get_config(), run.medium.likelihood_arguments()
    belongs = likelihood.name in run.medium.likelihoods and {**known, **fixed} == known
    if not belongs or len(sizes) > 1:
        raise ValueError(
            f"{folder / 'metadata.json'} describes {run.medium.kind} that the model beside it was "
            "not trained on. Restore both files of one run."
        )


def _sampler(
    splits: datasets.Splits, normalization: Normalization
) -> Callable[[VRNN], list[np.ndarray]]:
    """What draws samples `[T, D]` of a model, in raw units."""
    steps = min(int(store.lengths(splits.train).max()), LONGEST_PICTURE)
    temperature = splits.medium.temperature

    def sample(model: VRNN) -> list[np.ndarray]:
        drawn = model.generate(4, steps, temperature=temperature)
        return [normalization.invert(x) for x in drawn]

    return sample


def _pictures(
    medium: Medium, sample: Callable[[VRNN], list[np.ndarray]]
) -> Callable[[VRNN, Path], Any]:
    """What draws samples of a model into a file whose name lacks its suffix."""
    return lambda model, path: medium.save(path.with_suffix(medium.suffixes[0]), sample(model))


def _start_of(progress: Progress, out: Path, monitor: str, steps_per_epoch: int) -> Progress:
    """Where a run goes on: at the checkpoint, if the epochs still have so many batches."""
    complete = all("epoch" in row for row in progress.rows)
    if not complete or not all(monitor in row for row in [progress.before, *progress.rows]):
        raise ValueError(f"A checkpoint in {out} has a history without {monitor}. Start a new run.")
    if progress.rows and not (out / "model.keras").exists():
        raise ValueError(
            f"{out / 'model.keras'}, the best model so far, is missing. Restore it, or start a new "
            "run."
        )
    if progress.batch >= steps_per_epoch:  # other data, that the user has accepted
        return dataclasses.replace(progress, batch=0, metrics=[])
    return progress


def _fit(
    model, config, out, progress, training, validation, hooks, verbose, cluster
) -> list[dict[str, float]]:
    """Trains to the last epoch and returns the history."""
    stop, every = callbacks.StopOnNonFinite(progress), config.checkpoint_every
    folder = out if cluster.is_chief else None
    save = callbacks.SaveRun(folder, progress, _monitor(model), len(training), every)

    def fit(epoch: int, epochs: int) -> None:
        first_batch = progress.first_batch(epoch)
        model.fit(
            cluster.dataset(training, first_epoch=epoch, repeat=True, first_batch=first_batch),
            validation_data=cluster.dataset(validation),
            validation_steps=len(validation),
            steps_per_epoch=len(training) - first_batch,
            initial_epoch=epoch,
            epochs=epochs,
            callbacks=[stop, *hooks, save],
            shuffle=False,
            verbose=verbose,
        )

    try:
        epoch = progress.epoch
        if progress.batch:  # the rest of an epoch has fewer steps than `fit` gives the next
            fit(epoch, epoch + 1)
            epoch += 1
        fit(epoch, config.epochs)
    except KeyboardInterrupt:
        unsaved = cluster.is_chief and not (out / "model.keras").exists()
        if unsaved and not callbacks.non_finite_weights(model):
            callbacks.save_model(model, out / "model.keras")
        raise
    return save.rows


def _monitor(model: VRNN) -> str:
    """The name of the validation bound in the history."""
    return f"val_{model.bound.name}"


def _load_data(config: TrainConfig, test: bool = False) -> datasets.Splits:
    splits = datasets.get(config.dataset).load(
        config.num_train,
        config.num_validation,
        config.seed,
        test,
        data_dir=config.data_dir,
        prepared_dir=config.prepared_dir,
        strict=config.strict,
        memory=config.data_memory * 2**30,
        **config.dataset_options,
    )
    for name in ("train", "validation"):
        if not getattr(splits, name):
            raise ValueError(
                f"The {name} split of {config.dataset} holds no sequence with the options "
                f"{config.dataset_options}."
            )
    return splits


def _likelihood(config: TrainConfig) -> dict[str, Any]:
    """The likelihood of the preset with the run's changes, `{"name": ..., **arguments}`."""
    arguments = {**presets.get(config.preset), **config.model}
    likelihood = arguments["likelihood"]
    return dict(likelihood) if isinstance(likelihood, Mapping) else {"name": likelihood}


def _check_kind(config: TrainConfig) -> None:
    """Raises ValueError unless the likelihood can describe the data: before they are read."""
    kind = datasets.get(config.dataset).KIND
    name, known = _likelihood(config).get("name"), media.likelihoods(kind)
    if name not in known:
        fitting = [
            preset
            for preset, arguments in presets.PRESETS.items()
            if arguments["likelihood"]["name"] in known
        ]
        raise ValueError(
            f"{config.dataset} holds {kind}, which the likelihood {name!r} does not describe. "
            f"Presets for {kind}: {fitting}; likelihoods: {list(known)}."
        )


def _new_model(config: TrainConfig, medium: Medium) -> VRNN:
    """The preset, with the run's changes and with what the data fix."""
    likelihood, fixed = _likelihood(config), medium.likelihood_arguments()
    asked = config.model.get("likelihood")
    for name, value in fixed.items():
        if isinstance(asked, Mapping) and asked.get(name, value) != value:
            raise ValueError(
                f"The data have {name}={value}. Received {asked[name]} in the likelihood. Leave it "
                "out."
            )
    known = [name for name in inspect.signature(VRNN).parameters if name != "kwargs"]
    for name in config.model:
        check_choice("model", name, [*known, "dtype"])
    arguments = {**presets.get(config.preset), "seed": config.seed, **config.model}
    arguments["likelihood"] = {**likelihood, **fixed}
    if config.chunk_steps is not None:
        arguments["stateful_batch_size"] = config.batch_size
    return VRNN(**arguments)


def _fit_normalization(config: TrainConfig, splits: datasets.Splits, model: VRNN) -> Normalization:
    name = config.normalization or splits.medium.normalization
    if isinstance(model.likelihood, DiscretizedLogisticMixture):
        # Levels of 16-bit audio lie in [-1, 1] by their definition.
        if config.normalization not in (None, "none"):
            raise ValueError(
                "A likelihood of discrete levels needs normalization 'none'. Received "
                f"{config.normalization!r}."
            )
        name = "none"
    return Normalization.fit(name, splits.train, splits.medium.normalized_features)


def _batches(config, splits, normalization, model):
    def batches(sequences: Sequence[np.ndarray], seed: int | None):
        prepared = pipeline.prepare(sequences, normalization, model.likelihood)
        if config.chunk_steps is not None:
            return pipeline.Chunks(
                prepared, config.batch_size, seed, chunk_steps=config.chunk_steps
            )
        return pipeline.Batches(prepared, config.batch_size, seed, num_buckets=config.num_buckets)

    return batches(splits.train, config.seed), batches(splits.validation, None)


def _compile(model: VRNN, config: TrainConfig, steps_per_epoch: int) -> None:
    schedule = keras.optimizers.schedules.CosineDecay(
        config.learning_rate, config.epochs * steps_per_epoch, alpha=0.1
    )
    model.compile(
        keras.optimizers.Adam(
            schedule,
            weight_decay=config.weight_decay or None,
            global_clipnorm=config.clip_norm,
        ),
        jit_compile=config.jit_compile,
    )


def _baselines(medium: Medium, model: VRNN, training, validation, memory) -> dict[str, float]:
    """Fitted on as many training sequences as fit in memory (GiB)."""
    fitted, size = training.sequences, 4 * training.event_size
    if isinstance(fitted, store.Sequences):
        number = np.searchsorted(np.cumsum(fitted.lengths) * size, memory * 2**30)
        fitted = fitted[: max(int(number), 1)]
    found = baselines(medium, fitted, validation.sequences)
    if isinstance(model.likelihood, DiscretizedLogisticMixture):
        # From a density to the probability of a level: times the width of one.
        width = 2.0 / (model.likelihood.num_levels - 1)
        samples = store.lengths(validation.sequences).mean() * validation.event_size
        found = {name: nats + samples * math.log(width) for name, nats in found.items()}
    return found


def _metadata(
    config: TrainConfig,
    splits: datasets.Splits,
    normalization: Normalization,
    training: pipeline.Batches | pipeline.Chunks,
    cluster: Cluster,
) -> dict[str, Any]:
    digest = hashlib.sha256()
    for sequences in (splits.train, splits.validation):
        digest.update(len(sequences).to_bytes(8, "little"))
        for x in sequences:
            digest.update(len(x).to_bytes(8, "little"))
            digest.update(np.ascontiguousarray(x, dtype="<f4").tobytes())
    packages = ("vrnn_tf", "tensorflow", "tensorflow-probability", "keras", "numpy")
    return {
        "format": 2,
        "dataset": config.dataset,
        "medium": splits.medium.to_dict(),
        "units": splits.medium.units,
        "normalization": normalization.to_dict(),
        "num_train": len(splits.train),
        "num_validation": len(splits.validation),
        "longest_sequence": int(store.lengths(splits.train).max()),
        "data_sha256": digest.hexdigest(),
        "data": splits.facts,
        "padding": round(training.padding(), 4),
        "seed": config.seed,
        "replicas": cluster.num_replicas,
        "python": platform.python_version(),
        "revision": _revision(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }


def _revision() -> str | None:
    """The git revision of a checkout that this package runs from; None for an installed one."""
    checkout = Path(vrnn_tf.__file__).parents[1]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _check_folder(
    out: Path, config: TrainConfig, resume: bool, overwrite: bool, accept: bool
) -> None:
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file. Name a folder with --out.")
    occupied = out.is_dir() and bool({*out.iterdir()} - {*_leftovers(out)})
    is_run = (out / "config.json").is_file()
    if occupied and not is_run:
        raise ValueError(f"{out} is not empty and is not a run folder. Name another with --out.")
    if resume and is_run:
        _check_same(TrainConfig.from_dict(files.read_json(out / "config.json")), config, accept)
        if (out / "last.keras").exists():
            raise ValueError(
                f"{out} was made by an older version, whose runs cannot be resumed. Its "
                "model.keras is as usable as ever. Start a new run with another --out."
            )
    elif occupied and not resume and not overwrite:
        raise ValueError(
            f"{out} already holds a run. Go on with --resume, replace it with --overwrite, or name "
            "another folder with --out."
        )


def _check_same(old: TrainConfig, new: TrainConfig, accept: bool) -> None:
    before, after = old.to_dict(), new.to_dict()
    changed = {
        name: f"{name} was {before[name]!r}, now {after[name]!r}"
        for name in before
        if before[name] != after[name] and name not in WHEREABOUTS
    }
    fixed = [text for name, text in changed.items() if name not in ACCEPTABLE]
    if fixed:
        raise ValueError(
            f"The run to resume has another configuration: {'; '.join(changed.values())}. Resume "
            "it with the old one, or start a new run with another --out."
        )
    _refuse_or_warn(list(changed.values()), accept)


def _check_same_origin(path: Path, now: dict[str, Any], accept: bool) -> None:
    """Compares data and versions with those that a run was started with."""
    before, changes = files.read_json(path), []
    if before.get("data_sha256") != now["data_sha256"]:
        changes.append(
            f"the data had {before.get('num_train')} training and {before.get('num_validation')} "
            f"validation sequences, now {now['num_train']} and {now['num_validation']}, or their "
            "numbers differ"
        )
    versions = before.get("versions")
    old = {
        **(versions if isinstance(versions, dict) else {}),
        **{k: before.get(k) for k in _ORIGIN},
    }
    new = {**now["versions"], **{k: now[k] for k in _ORIGIN}}
    changes += [
        f"{name} was {old.get(name)}, now {new.get(name)}"
        for name in new
        if old.get(name) != new.get(name)
    ]
    _refuse_or_warn(changes, accept)


def _refuse_or_warn(changes: Sequence[str], accept: bool) -> None:
    if not changes:
        return
    text = f"The earlier run was not the same: {'; '.join(changes)}."
    if not accept:
        raise ValueError(
            f"{text} Restore that, go on all the same with --accept-changes (the numbers will not "
            "be those of an uninterrupted run), or start a new run with another --out."
        )
    warnings.warn(text, RunWarning, stacklevel=2)


def _entry(path: Path, name: str) -> Any:
    """An entry of a JSON file of the run; raises ValueError if it is not there."""
    content = files.read_json(path)
    if name not in content:
        raise ValueError(f"{path} lacks {name!r}: it is damaged, or of an older version.")
    return content[name]


def _leftovers(out: Path) -> list[Path]:
    """Files that a run was writing when it was killed."""
    return [path for name in _WRITTEN for path in files.leftovers(out / name)]


def _remove_run(out: Path) -> None:
    """Removes the files that a run wrote, and nothing else."""
    for name in (*_WRITTEN, "last.keras"):
        (out / name).unlink(missing_ok=True)
    checkpoints.remove(out)
    for sample in (out / "pictures").glob("epoch_*.*"):
        sample.unlink()


@contextlib.contextmanager
def _matmul_precision(name: str) -> Iterator[None]:
    """Lets TensorFlow's graph optimizer round the operands of matrix products."""
    option = "auto_mixed_precision_onednn_bfloat16"
    before = tf.config.optimizer.get_experimental_options().get(option, False)
    tf.config.optimizer.set_experimental_options({option: name == "bfloat16"})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({option: before})


def _check_tensorboard() -> None:
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        raise ValueError(
            "--tensorboard needs the package tensorboard. Install it with "
            "`pip install 'vrnn_tf[tensorboard]'`."
        ) from None
