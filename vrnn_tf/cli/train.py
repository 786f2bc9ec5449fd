"""`vrnn train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from vrnn_tf.cli.errors import clear_errors, import_tensorflow_quietly
from vrnn_tf.cli.options import DataDir, DataOptions, PreparedDir, Strict, absolute, key_values


@clear_errors()
def train(
    preset: Annotated[
        str | None, typer.Argument(help="For example demo, handwriting, pianoroll, char.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Run folder.")] = None,
    repeat: Annotated[
        Path | None, typer.Option("--from", metavar="RUN", help="Repeat that run, into --out.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Name, see `vrnn data list`.")] = None,
    data_dir: DataDir = None,
    data: DataOptions = None,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Argument of VRNN beside the preset; repeat it."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training data.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Sequences a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of Adam, at the start.")] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Of each update, times the learning rate.")
    ] = None,
    normalization: Annotated[
        str | None, typer.Option(help="none, paper, scalar or per_dimension.")
    ] = None,
    chunk_steps: Annotated[
        int | None, typer.Option(help="Truncate back-propagation: steps of a chunk.")
    ] = None,
    num_buckets: Annotated[
        int | None, typer.Option(help="Into how many lengths sequences are padded.")
    ] = None,
    num_train: Annotated[int | None, typer.Option(help="At most so many sequences.")] = None,
    num_validation: Annotated[int | None, typer.Option(help="At most so many sequences.")] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Only operations of a fixed order of sums.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Fixes data, weights and noise.")] = None,
    matmul_precision: Annotated[
        str | None, typer.Option(help="float32; bfloat16 is faster on processors that have it.")
    ] = None,
    jit_compile: Annotated[
        bool, typer.Option("--jit-compile", help="Compile by XLA, for each shape of a batch.")
    ] = False,
    prepared_dir: PreparedDir = None,
    strict: Strict = False,
    data_memory: Annotated[
        float | None, typer.Option(help="GiB that a split may take; else it stays on disk. 4.")
    ] = None,
    checkpoint_every: Annotated[
        int | None, typer.Option(help="Training steps from one checkpoint to the next.")
    ] = None,
    strategy: Annotated[
        str, typer.Option(help="none; mirrored: all GPUs here; multiworker: see TF_CONFIG.")
    ] = "none",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, or start it.")
    ] = False,
    accept_changes: Annotated[
        bool,
        typer.Option("--accept-changes", help="Resume although data or versions have changed."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace that run.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Log for it.")] = False,
) -> None:
    """Trains a preset and leaves a run folder.

    The bar shows nats per sequence: elbo (higher is better), nll and kl (elbo = -nll - kl).

    Examples: `vrnn train demo --out runs/demo`;
    `vrnn train handwriting --dataset iam_ondb --data-dir IAM`;
    `vrnn train handwriting --dataset strokes --data-dir mine --model latent_size=0`;
    `vrnn train --from runs/demo --out runs/again`
    """
    import dataclasses

    from vrnn_tf import files
    from vrnn_tf.train import config as configuration

    if (preset is None) == (repeat is None):
        raise ValueError(
            "Name either a preset or, with --from, a run to repeat. Received "
            f"{'neither' if preset is None else 'both'}."
        )
    if repeat is not None:
        if out is None or out.resolve() == repeat.resolve():
            raise ValueError("--from needs --out, another folder than that of the run.")
        base = configuration.TrainConfig.from_dict(files.read_json(repeat / "config.json"))
        base = base if dataset is None else dataclasses.replace(base, dataset=dataset)
    else:
        base = configuration.defaults(str(preset), dataset)
    out = out or Path("runs") / base.preset
    given: dict[str, Any] = {
        "data_dir": absolute(data_dir),
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "normalization": normalization,
        "chunk_steps": chunk_steps,
        "num_buckets": num_buckets,
        "jit_compile": jit_compile or None,
        "checkpoint_every": checkpoint_every,
        "num_train": num_train,
        "num_validation": num_validation,
        "seed": seed,
        "matmul_precision": matmul_precision,
        "prepared_dir": absolute(prepared_dir),
        "strict": strict or None,
        "data_memory": data_memory,
        "deterministic": deterministic or None,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if resume and (out / "config.json").is_file():
        saved = files.read_json(out / "config.json")
        base = configuration.TrainConfig.from_dict({**saved, "preset": base.preset})
        if dataset is not None:
            given["dataset"] = dataset
    if data:
        given["dataset_options"] = {**base.dataset_options, **key_values("--data", data)}
    if model:
        given["model"] = {**base.model, **key_values("--model", model)}
    config = dataclasses.replace(base, **given)
    import_tensorflow_quietly()
    from vrnn_tf.train import run

    bar = "auto" if sys.stdout.isatty() else 2  # a line an epoch in a log file
    try:
        summary = run.train(
            config,
            out,
            resume=resume,
            overwrite=overwrite,
            tensorboard=tensorboard,
            verbose=bar,
            accept_changes=accept_changes,
            repeat_of=repeat,
            strategy=strategy,
        )
    except KeyboardInterrupt:
        usable = (out / "model.keras").exists()
        hint = f"{out} is usable as it is; go on with --resume" if usable else "Nothing to keep"
        typer.echo(f"\nStopped. {hint}.", err=True)
        raise typer.Exit(130) from None
    bound = summary["bound"]
    after = summary["after"][bound]
    raw = f" ({after + summary['raw_unit_offset']:.1f} in raw units)"
    plain = ", ".join(f"{name} {nats:.1f}" for name, nats in summary["baselines"].items())
    typer.echo(
        f"{out}: validation bound {summary['before'][bound]:.1f} before training, "
        f"{after:.1f}{raw if summary['raw_unit_offset'] else ''} after epoch "
        f"{summary['best_epoch']}; plain baselines: {plain} (nats per sequence)"
    )
