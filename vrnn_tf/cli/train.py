"""`vrnn train`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from vrnn_tf import files
from vrnn_tf.cli.config_options import add_config_options
from vrnn_tf.cli.errors import import_tensorflow_quietly, readable_errors
from vrnn_tf.train.config import TrainConfig, defaults


@readable_errors()
@add_config_options
def train(
    preset: Annotated[
        str | None, typer.Argument(help="For example demo, handwriting, pianoroll, char.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Run folder. The default is runs/ and the preset's name."),
    ] = None,
    repeat_of: Annotated[
        Path | None,
        typer.Option("--from", metavar="RUN", help="Repeat this run. --out names the new folder."),
    ] = None,
    *,
    changes: dict[str, Any],
    strategy: Annotated[
        str,
        typer.Option(
            help="none; mirrored for all GPUs of this machine; multiworker for the workers that "
            "TF_CONFIG names."
        ),
    ] = "none",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, or start it.")
    ] = False,
    accept_changes: Annotated[
        bool,
        typer.Option("--accept-changes", help="Resume although data or versions have changed."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run that is in --out.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write logs for TensorBoard.")
    ] = False,
) -> None:
    """Trains a preset and leaves a run folder.

    An option that is not given keeps the value of the preset, or of the run that is repeated or
    resumed. The bar shows nats per sequence: elbo (higher is better), nll and kl
    (elbo = -nll - kl).

    Examples: `vrnn train demo --out runs/demo`;
    `vrnn train handwriting --dataset iam_ondb --data-dir IAM`;
    `vrnn train handwriting --dataset strokes --data-dir mine --model latent_size=0`;
    `vrnn train --from runs/demo --out runs/again`
    """
    base = _start(preset, changes.get("dataset"), repeat_of, out)
    out = out or Path("runs") / base.preset
    if resume and (out / "config.json").is_file():
        saved = files.read_json(out / "config.json")
        base = TrainConfig.from_dict({**saved, "preset": base.preset})
    config = _changed(base, changes)
    import_tensorflow_quietly()
    from vrnn_tf.train import run

    try:
        summary = run.train(
            config,
            out,
            resume=resume,
            overwrite=overwrite,
            tensorboard=tensorboard,
            verbose="auto" if sys.stdout.isatty() else 2,  # a line an epoch in a log file
            accept_changes=accept_changes,
            repeat_of=repeat_of,
            strategy=strategy,
        )
    except KeyboardInterrupt:
        hint = "Nothing was saved."
        if (out / "model.keras").exists():
            hint = f"{out} holds a usable run. Continue it with --resume."
        typer.echo(f"\nStopped. {hint}", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"{out}: {_outcome(summary)}")


def _start(
    preset: str | None, dataset: str | None, repeat_of: Path | None, out: Path | None
) -> TrainConfig:
    """The configuration of the preset or of the run to repeat, before options change it."""
    if preset is not None and repeat_of is None:
        return defaults(preset, dataset)
    if preset is not None or repeat_of is None:
        raise ValueError(
            "Name either a preset or, with --from, a run to repeat. Received "
            f"{'neither' if preset is None else 'both'}."
        )
    if out is None or out.resolve() == repeat_of.resolve():
        raise ValueError("--from needs --out, a folder other than that of the run to repeat.")
    return TrainConfig.from_dict(files.read_json(repeat_of / "config.json"))


def _changed(config: TrainConfig, changes: Mapping[str, Any]) -> TrainConfig:
    """The configuration with other values; a dictionary changes only its keys."""
    merged = {
        name: {**getattr(config, name), **value} if isinstance(value, dict) else value
        for name, value in changes.items()
    }
    return dataclasses.replace(config, **merged)


def _outcome(summary: Mapping[str, Any]) -> str:
    """One line about a training, from the summary that `run.train` returns."""
    bound, offset = summary["bound"], summary["raw_unit_offset"]
    after = summary["after"][bound]
    raw = f" ({after + offset:.1f} in raw units)" if offset else ""
    baselines = ", ".join(f"{name} {nats:.1f}" for name, nats in summary["baselines"].items())
    return (
        f"the validation bound was {summary['before'][bound]:.1f} nats per sequence before "
        f"training and is {after:.1f}{raw} after epoch {summary['best_epoch']}. Simple baselines "
        f"reach: {baselines}."
    )
