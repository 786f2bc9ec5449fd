"""A training run, from its configuration to its folder.

`plan` turns the configuration and the data into all that a run needs. `train` checks the plan
against earlier runs (`origin`), fits the model and fills the run folder (`folder`). `evaluation`
evaluates what a run has left.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from vrnn_tf import files

from . import callbacks, checkpoints, folder, origin, store
from .checkpoints import Checkpoint, Progress
from .config import TrainConfig
from .distribute import Cluster
from .evaluation import DatasetSplit, evaluate, load_with_data
from .folder import Run, load
from .plan import Plan

__all__ = ["DatasetSplit", "Run", "evaluate", "load", "load_with_data", "train"]

_LOGGED_SEQUENCES = 8  # TensorBoard shows the KL of so many validation sequences


def train(
    config: TrainConfig,
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    tensorboard: bool = False,
    verbose: int | str = "auto",
    accept_changes: bool = False,
    repeat_of: Path | None = None,
    strategy: str = "none",
) -> dict[str, Any]:
    """Trains a model and leaves a run folder.

    Args:
        config: the run's description.
        out: the run folder.
        resume: whether to go on from the newest checkpoint that is whole, or to start if there is
            none. The result is that of a run that never stopped, bit for bit.
        overwrite: whether to replace a run that stands in `out`.
        tensorboard: whether to log to `out/tensorboard`.
        verbose: see `keras.Model.fit`.
        accept_changes: whether to resume although data, versions or `origin.ACCEPTABLE` entries of
            the configuration differ from those of the run; a warning says which.
        repeat_of: the folder of another run that must have had the same data and versions.
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
        KeyboardInterrupt: if the user stops it; the weights so far are then a usable run.
    """
    started = time.time()
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    cluster = Cluster(strategy)
    with _matmul_precision(config.matmul_precision), cluster.losses_named():
        folder.check_writable(
            out, config, resume=resume, overwrite=overwrite, accept_changes=accept_changes
        )
        if tensorboard:
            _check_tensorboard()
        checkpoint = checkpoints.newest(out) if resume else None
        normalization = None if checkpoint is None else folder.read_normalization(out)
        plan = Plan.from_config(config, cluster, checkpoint, normalization)
        _check_workers_agree(cluster, plan, checkpoint)
        if repeat_of is not None:
            origin.check_same_origin(repeat_of / "metadata.json", plan.metadata, accept_changes)
        if checkpoint is not None:
            origin.check_same_origin(out / "metadata.json", plan.metadata, accept_changes)
        start = _start(plan, out, checkpoint, cluster)
        baselines = plan.score_baselines()
        if cluster.is_chief:
            if checkpoint is None:
                folder.remove(out)  # only now that nothing can be wrong with the new run
            folder.begin(out, plan.config, plan.metadata, start, baselines)
        hooks = _hooks(plan, out, tensorboard) if cluster.is_chief else []
        rows = _fit(plan, start, out, hooks, verbose if cluster.is_chief else 0, cluster)
        cluster.check_agreement({"weights": callbacks.weights_digest(plan.model)})
        summary = _summary(plan, start, rows, baselines, time.time() - started)
        if cluster.is_chief:
            files.write_json(out / "summary.json", summary)
        return summary


def _check_workers_agree(cluster: Cluster, plan: Plan, checkpoint: Checkpoint | None) -> None:
    """Raises ValueError if workers have other checkpoints, data, versions or configurations."""
    cluster.check_agreement(
        {
            "checkpoint": None if checkpoint is None else checkpoint.progress.step,
            "data": plan.metadata["data_sha256"],
            "versions": plan.metadata["versions"],
            "configuration": {**plan.config, **dict.fromkeys(origin.WHEREABOUTS)},
        }
    )


def _start(plan: Plan, out: Path, checkpoint: Checkpoint | None, cluster: Cluster) -> Progress:
    """Where `fit` starts: at the checkpoint, or at step 0 with the bound before training."""
    if checkpoint is not None:
        return _next_step(plan, out, checkpoint.progress)
    before = plan.model.evaluate(
        cluster.dataset(plan.validation),
        steps=len(plan.validation),
        verbose=0,
        return_dict=True,
    )
    metrics = {"val_" + name: value for name, value in before.items()}
    return Progress(step=0, epoch=0, batch=0, rows=[], before=metrics, metrics=[])


def _next_step(plan: Plan, out: Path, progress: Progress) -> Progress:
    """Where a run goes on: at its checkpoint, if an epoch still has so many batches.

    Raises:
        ValueError: if the history lacks the bound, or the best model so far is missing.
    """
    complete = all("epoch" in row for row in progress.rows)
    if not complete or not all(plan.monitor in row for row in [progress.before, *progress.rows]):
        raise ValueError(
            f"A checkpoint in {out} has a history without {plan.monitor}. Start a new run."
        )
    if progress.rows and not (out / "model.keras").exists():
        raise ValueError(
            f"{out / 'model.keras'}, the best model so far, is missing. Restore it, or start a new "
            "run."
        )
    if progress.batch >= len(plan.training):  # the user has accepted data with fewer batches
        return dataclasses.replace(progress, batch=0, metrics=[])
    return progress


def _hooks(plan: Plan, out: Path, tensorboard: bool) -> list[keras.callbacks.Callback]:
    """The callbacks that show how the model does after every epoch."""
    hooks = [callbacks.SampleDrawer(out, plan.medium, plan.sample)]
    if tensorboard:
        sequences = plan.validation.sequences[:_LOGGED_SEQUENCES]
        hooks += [
            keras.callbacks.TensorBoard(out / "tensorboard"),
            callbacks.TensorBoardLogger(out, plan.medium, plan.sample, sequences),
        ]
    return hooks


def _fit(
    plan: Plan,
    start: Progress,
    out: Path,
    hooks: Sequence[keras.callbacks.Callback],
    verbose: int | str,
    cluster: Cluster,
) -> list[dict[str, float]]:
    """Trains to the last epoch and returns the history."""
    model, steps_per_epoch = plan.model, len(plan.training)
    stop = callbacks.NonFiniteGuard(start, steps_per_epoch)
    save = callbacks.RunSaver(
        out if cluster.is_chief else None,
        start,
        plan.monitor,
        steps_per_epoch,
        plan.checkpoint_every,
    )

    def fit(epoch: int, epochs: int) -> None:
        first_batch = start.first_batch(epoch)
        model.fit(
            cluster.dataset(plan.training, first_epoch=epoch, repeat=True, first_batch=first_batch),
            validation_data=cluster.dataset(plan.validation),
            validation_steps=len(plan.validation),
            steps_per_epoch=steps_per_epoch - first_batch,
            initial_epoch=epoch,
            epochs=epochs,
            callbacks=[stop, *hooks, save],
            shuffle=False,
            verbose=verbose,
        )

    try:
        epoch = start.epoch
        if start.batch and epoch < plan.epochs:  # its rest has fewer steps than the next epochs
            fit(epoch, epoch + 1)
            epoch += 1
        fit(epoch, plan.epochs)
    except KeyboardInterrupt:
        unsaved = cluster.is_chief and not (out / "model.keras").exists()
        if unsaved and not callbacks.non_finite_weights(model):
            folder.write_model(out / "model.keras", model)
        raise
    return save.rows


def _summary(
    plan: Plan,
    start: Progress,
    rows: list[dict[str, float]],
    baselines: dict[str, float],
    seconds: float,
) -> dict[str, Any]:
    """The content of summary.json once the last epoch is done."""
    model, monitor = plan.model, plan.monitor
    best = max(rows, key=lambda row: row[monitor])
    after = {name: value for name, value in best.items() if name.startswith("val_")}
    steps = float(store.lengths(plan.validation.sequences).mean())
    summary = {
        "unit": "nats per sequence",
        "bound": monitor,
        "before": start.before,
        "after": after,
        "after_nats_per_step": after[monitor] / steps,
        "raw_unit_offset": steps * plan.normalization.log_jacobian() + 0.0,  # and not -0.0
        "baselines": baselines,
        "best_epoch": best["epoch"],
        "epochs": len(rows),
        "parameters": sum(math.prod(w.shape) for w in model.trainable_weights),
        "mean_steps_per_sequence": steps,
        "seconds": round(seconds, 1),
    }
    if model.skip_non_finite:
        summary["skipped"] = round(sum(row["skipped"] for row in rows))
    return summary


@contextlib.contextmanager
def _matmul_precision(name: str) -> Iterator[None]:
    """Lets TensorFlow's graph optimizer round the operands of matrix products in the block."""
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
