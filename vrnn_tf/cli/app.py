"""The `vrnn` command. Each command imports what it needs when it runs."""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vrnn_tf import media
from vrnn_tf.media import Medium
from vrnn_tf.validation import check_choice, check_integer

app = typer.Typer(
    help="Variational recurrent neural networks: train, generate, export.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

Out = Annotated[Path, typer.Option("--out", "-o", help="Where to write.", show_default=False)]
Seed = Annotated[int, typer.Option(help="Same seed, same result.")]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder of the data set's files, see `vrnn data info NAME`.")
]
PreparedDir = Annotated[
    Path | None,
    typer.Option(help="Where records are kept. $TFDS_DATA_DIR or ~/tensorflow_datasets."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at a malformed file.")]
DataOptions = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="KEY=VALUE", help="Option of the data set; repeat it."),
]
Split = Annotated[
    str | None, typer.Option(help="train, validation or test. test, if there is one.")
]
OtherDataset = Annotated[str | None, typer.Option(help="Another data set of that kind.")]

_LONGEST_MESSAGE = 1_000  # characters
_MOST_NUMBERS = 2**28  # that `generate` holds at once, 1 GiB
_NOISE_SIZE = 64  # numbers, in the order of the noise of a step
data_app = typer.Typer(help="Data sets: list, info, prepare.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@app.command()
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
    with _clear_errors():
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
            "data_dir": _absolute(data_dir),
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
            "prepared_dir": _absolute(prepared_dir),
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
            given["dataset_options"] = {**base.dataset_options, **_key_values("--data", data)}
        if model:
            given["model"] = {**base.model, **_key_values("--model", model)}
        config = dataclasses.replace(base, **given)
        _import_tensorflow_quietly()
        from vrnn_tf.train import run

        bar = "auto" if sys.stdout.isatty() else 2  # a line an epoch in a log file
        try:
            summary = run.train(
                config, out, resume, overwrite, tensorboard, bar, accept_changes, repeat, strategy
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


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    dataset: OtherDataset = None,
    data_dir: DataDir = None,
    data: DataOptions = None,
    split: Split = None,
    bound: Annotated[str, typer.Option(help="elbo, iwae or fivo.")] = "elbo",
    samples: Annotated[int | None, typer.Option(help="K of iwae, N of fivo. 1, else 40.")] = None,
    resampling: Annotated[
        str, typer.Option(help="Of fivo: systematic or multinomial.")
    ] = "systematic",
    repeats: Annotated[
        int, typer.Option(help="How often, with other noise: two or more tell its error.")
    ] = 2,
    beside: Annotated[
        list[Path] | None, typer.Option(help="Another run to compare with; repeat it.")
    ] = None,
    seed: Seed = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Evaluates a bound on log p(x), in nats a sequence and a step and in bits a dimension.

    A model without a latent variable has its exact likelihood, which the table then says. With
    --beside also the difference to other runs on the same sequences, with its own, smaller error.

    Example: `vrnn evaluate runs/demo --split validation --bound iwae --samples 40`
    """
    with _clear_errors():
        import json as json_format

        _import_tensorflow_quietly()
        from vrnn_tf.train import run as runs

        result = runs.evaluate(
            run,
            split,
            bound,
            (1 if bound == "elbo" else 40) if samples is None else samples,
            beside=beside or (),
            dataset=dataset,
            data_dir=_absolute(data_dir),
            dataset_options=_key_values("--data", data),
            resampling=resampling,
            repeats=repeats,
            seed=seed,
        )
        if json:
            typer.echo(json_format.dumps(result, indent=1))
            return
        typer.echo(
            f"{result['dataset']}, {result['split']}: {result['num_sequences']} sequences, "
            f"{result['num_steps']} steps, {result['bound']}"
        )
        rows = _evaluation_rows(result)
        _print_table(rows)
        if any(row["of x"] == "raw" for row in rows):
            typer.echo(f"raw: {result['units']}")


@app.command()
def analyze(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Out,
    num: Annotated[int, typer.Option(help="How many sequences, the first of the split.")] = 3,
    beside: Annotated[
        list[Path] | None, typer.Option(help="Another run to draw samples beside; repeat it.")
    ] = None,
    split: Split = None,
    dataset: OtherDataset = None,
    data_dir: DataDir = None,
    data: DataOptions = None,
    seed: Seed = 0,
) -> None:
    """Draws what the latent variable does: how far the posterior's mean moves and the KL over time,
    dimensions that are used, reconstructions, samples, a walk along one dimension. With --beside,
    samples of several runs side by side.

    The numbers behind the figures are in latent.npz and summary.json.

    Example: `vrnn analyze runs/demo --out analysis`
    """
    with _clear_errors():
        from vrnn_tf.validation import check_integer

        check_integer("num", num, 1)
        _import_tensorflow_quietly()
        from vrnn_tf.tasks import analysis
        from vrnn_tf.train import run as runs

        options = _key_values("--data", data)
        loaded, found = runs.load_with_data(run, split, dataset, _absolute(data_dir), options)
        result = analysis.analyze(
            loaded.model,
            found.sequences[:num],
            loaded.normalization,
            loaded.medium,
            out,
            seed,
        )
        if beside:
            every = {str(run): loaded, **{str(path): runs.load(path) for path in beside}}
            if len({one.medium for one in every.values()}) > 1:
                raise ValueError("Runs to compare must be of one kind of data, in one unit.")
            analysis.compare_samples(
                {name: (one.model, one.normalization) for name, one in every.items()},
                loaded.medium,
                max(map(len, found.sequences[:num])),
                out / "side_by_side.png",
                seed=seed,
            )
        typer.echo(
            f"{out}: {found.dataset}, {found.split}: KL {result['kl']:.3f} nats a step, "
            f"{result['active_dimensions']} of {result['dimensions']} dimensions of z are used"
        )


@app.command()
def generate(
    source: Annotated[Path, typer.Argument(help="A run folder or an exported .tflite file.")],
    out: Out,
    num: Annotated[int, typer.Option(help="How many sequences.")] = 4,
    steps: Annotated[int | None, typer.Option(help="Largest number of steps.")] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Multiplies the noise of x. 0.5 for handwriting, else 1."),
    ] = None,
    latent_temperature: Annotated[
        float | None, typer.Option(help="Multiplies the noise of z. 1.")
    ] = None,
    pen_bias: Annotated[
        float | None, typer.Option(help="Raises the odds of a pen lift, nats. 0.")
    ] = None,
    seed: Seed = 0,
    prime: Annotated[
        Path | None,
        typer.Option(help="A beginning to go on from: .npz with x [T, D], or .txt for text."),
    ] = None,
) -> None:
    """Makes new sequences: a picture (.svg, .png), sound (.wav), music (.mid), text (.txt), or
    numbers in raw units (.npz), as what the model was trained on allows.

    The same seed gives the same sequences from a run and from its .tflite file.

    Example: `vrnn generate runs/demo --num 8 --seed 7 --out lines.svg`
    """
    with _clear_errors():
        options: dict[str, float | None] = {
            "latent_temperature": latent_temperature,
            "pen_bias": pen_bias,
        }
        if not source.exists():
            raise ValueError(f"{source} does not exist. Give a run folder or a .tflite file.")
        open_source = _open_file if source.suffix == ".tflite" else _open_run
        medium, draw = open_source(source)
        media.check_suffix(out, (*medium.suffixes, ".npz"))
        options["temperature"] = medium.temperature if temperature is None else temperature
        sequences = draw(num, steps, seed, options, prime)
        medium.save(out, sequences)
        typer.echo(f"{out}: {num} sequences, {[len(x) for x in sequences]} steps")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Out,
    quantize: Annotated[
        list[str] | None,
        typer.Option(help="none, int8, float16 or int4 (experimental); repeat it. none and int8."),
    ] = None,
    max_steps: Annotated[
        int | None, typer.Option(help="T_max, the static length. The longest training sequence.")
    ] = None,
    serving: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Also write serving/ for TF Serving, with NAME/1/."),
    ] = None,
) -> None:
    """Exports the generation loop: a SavedModel, .tflite files and metadata.json.

    An earlier export in --out is replaced as a whole.

    Examples: `vrnn export runs/demo --out exported`;
    `vrnn export runs/demo --out exported --serving handwriting`
    """
    with _clear_errors():
        _import_tensorflow_quietly()
        from vrnn_tf.export import exporter
        from vrnn_tf.train import run as runs

        loaded = runs.load(run)
        exporter.export(
            loaded.model,
            out,
            max_steps=int(loaded.metadata["longest_sequence"]) if max_steps is None else max_steps,
            normalization=loaded.normalization.to_dict(),
            units=loaded.medium.units,
            extra_metadata={"medium": loaded.medium.to_dict()},
            quantize=tuple(quantize or ("none", "int8")),
            serving=serving,
        )
        for path in sorted(out.glob("*.tflite")):
            typer.echo(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
        typer.echo(f"{out / 'saved_model'}: for tf.saved_model.load, C, and TF Serving")
        if serving is not None:
            folder = out / exporter.SERVING_FOLDER
            typer.echo(f"{folder}: TF Serving's {serving}/, model.config and batching.config")


@data_app.command("list")
def list_data() -> None:
    """Lists the data sets and what they hold."""
    with _clear_errors():
        from vrnn_tf.train import datasets

        rows = []
        for name in datasets.names():
            cls = datasets.get(name)
            needs = "files" if not cls.DOWNLOADS else "download or files"
            needs = "nothing" if name == "synthetic_handwriting" else needs
            rows.append({"name": name, "kind": cls.KIND, "what": cls.SUMMARY, "needs": needs})
        _print_table(rows)


@data_app.command()
def info(name: Annotated[str, typer.Argument(help="Name of a data set.")]) -> None:
    """Shows what a data set is, its licence and citation, what to fetch, and its options.

    Example: `vrnn data info iam_ondb`
    """
    with _clear_errors():
        import dataclasses

        from vrnn_tf.train import datasets

        cls = datasets.get(name)
        typer.echo(f"{name} ({cls.KIND}): {cls.SUMMARY}\n")
        for title in ("HOMEPAGE", "LICENSE", "LAYOUT", "CITATION"):
            if getattr(cls, title):
                typer.echo(f"{title.capitalize()}:\n{getattr(cls, title).strip()}\n")
        for file, (url, digest) in cls.DOWNLOADS.items():
            typer.echo(f"Without --data-dir it fetches {file}: {url} (SHA-256 {digest})\n")
        for field in dataclasses.fields(cls.Options):
            typer.echo(f"--data {field.name}={field.default!r}")
        for options in reversed(cls.Options.__mro__):
            if dataclasses.is_dataclass(options) and dataclasses.fields(options):
                typer.echo("\n" + inspect.cleandoc(options.__doc__ or ""))


@data_app.command()
def prepare(
    name: Annotated[str, typer.Argument(help="Name of a data set.")],
    data_dir: DataDir = None,
    data: DataOptions = None,
    prepared_dir: PreparedDir = None,
    strict: Strict = False,
    beam: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Read with workers of Apache Beam: an option of its pipeline; repeat it.",
        ),
    ] = None,
) -> None:
    """Reads and checks the files of a data set once, and keeps them as records.

    `vrnn train` does it too, if it was not done. Malformed files are skipped and counted.

    Example: `vrnn data prepare iam_ondb --data-dir IAM`
    """
    with _clear_errors():
        _import_tensorflow_quietly()
        from vrnn_tf.train import datasets

        if beam:
            logging.disable(logging.WARNING)  # Beam repeats what its workers log
        builder = datasets.get(name).prepare(
            data_dir,
            prepared_dir,
            strict,
            _key_values("--beam", beam) if beam else None,
            **_key_values("--data", data),
        )
        facts = builder.facts()
        for split, count in facts.get("records", {}).items():
            typer.echo(f"{name}: {count} records in {split}")
        skipped = facts.get("skipped", {})
        if skipped.get("count"):
            typer.echo(f"{name}: {skipped['count']} skipped, as the warnings say")


@app.command()
def verify(
    directory: Annotated[Path, typer.Argument(help="What `vrnn export` wrote.")],
    run: Annotated[
        Path | None, typer.Option(help="The run it was made from: compare on its data too.")
    ] = None,
    sequences: Annotated[int, typer.Option(help="How many of them, the first of the split.")] = 64,
    dataset: OtherDataset = None,
    data_dir: DataDir = None,
    data: DataOptions = None,
    split: Split = None,
    json: Annotated[Path | None, typer.Option(help="Also write the report as JSON.")] = None,
) -> None:
    """Compares Keras, SavedModel and TFLite: values, bound, sizes, operators, speed, memory.

    With --run also on real sequences: how much of the bound a quantised file loses. Exits
    with 1 if they disagree.

    Example: `vrnn verify exported --run runs/demo --split validation`
    """
    with _clear_errors():
        check_integer("sequences", sequences, 1)
        given = {"--dataset": dataset, "--data-dir": data_dir, "--data": data, "--split": split}
        for name, value in given.items():
            if run is None and value:
                raise ValueError(f"{name} says which data of a run. Received no --run. Add it.")
        _import_tensorflow_quietly()
        from vrnn_tf import files
        from vrnn_tf.export import metadata
        from vrnn_tf.export import verify as verification
        from vrnn_tf.train import run as runs

        real = None
        if run is not None:
            described = metadata.read(directory / metadata.FILE_NAME)
            loaded, found = runs.load_with_data(
                run, split, dataset, _absolute(data_dir), _key_values("--data", data)
            )
            if loaded.normalization.to_dict() != described["normalization"]:
                raise ValueError(
                    f"{directory} was not made from {run}: their normalisations differ. Choose the "
                    "run that was exported."
                )
            typer.echo(f"{found.dataset}, {found.split}")
            real = found.sequences[:sequences]
        report = verification.verify(directory, real)
        _print_table(verification.table(report))
        for name, operators in report["operators"].items():
            typer.echo(f"{name} uses {', '.join(operators)}")
        if json is not None:
            files.write_json(json, report)
    if not report["passed"]:
        raise typer.Exit(1)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the demo.")] = Path("demo"),
) -> None:
    """Trains on the built-in data, generates, exports, verifies, and leaves pictures.

    Takes about six minutes on two cores; replaces what an earlier demo left in the folder.

    Example: `vrnn demo --out demo`
    """
    with _clear_errors():
        import subprocess
        import time

        from vrnn_tf import files

        started = time.time()
        run, exported = out / "run", out / "export"
        lite = str(exported / "model.tflite")
        sample = ["generate", lite, "--num", "8", "--seed", "4", "--temperature", "0.4", "--out"]
        for arguments in (
            ["train", "demo", "--out", str(run), "--overwrite"],
            ["export", str(run), "--out", str(exported)],
            [*sample, str(out / "handwriting.svg")],
            [*sample, str(out / "handwriting.png")],
            ["verify", str(exported), "--run", str(run), "--json", str(out / "verify.json")],
        ):
            typer.echo(f"\n$ vrnn {' '.join(arguments)}")
            code = subprocess.run([sys.executable, "-m", "vrnn_tf.cli", *arguments]).returncode
            if code:
                raise typer.Exit(code)
        report = {
            "training": files.read_json(run / "summary.json"),
            "export": files.read_json(out / "verify.json"),
            "seconds": round(time.time() - started, 1),
        }
        files.write_json(out / "report.json", report)
        (out / "verify.json").unlink()
        typer.echo(f"\n{out / 'report.json'} and {out / 'handwriting.png'} are ready.")


# (num, steps, seed, options, prime) to sequences in raw units
Draw = Callable[[int, int | None, int, dict[str, float | None], Path | None], list]


def _evaluation_rows(result: Mapping[str, Any]) -> list[dict[str, str]]:
    """The table of `vrnn evaluate`."""
    units = {
        "nats_per_sequence": "nats a sequence",
        "nats_per_step": "nats a step",
        "bits_per_dimension": "bits a dimension",
    }
    scales: dict[str, Mapping[str, Any]] = {"normalised": result}
    if any(result["raw"][name] != result[name] for name in units):
        scales["raw"] = result["raw"]
    rows = [
        _estimate_row(unit, scale, estimates[name])
        for scale, estimates in scales.items()
        for name, unit in units.items()
    ]
    for path, estimate in result["difference_to"].items():
        name = f"nats a sequence above {path}, {estimate['bound']}"
        rows.append(_estimate_row(name, "either", estimate))
    return rows


def _estimate_row(unit: str, scale: str, estimate: Mapping[str, Any]) -> dict[str, str]:
    noise = estimate["noise_error"]
    return {
        "unit": unit,
        "of x": scale,
        "mean": f"{estimate['mean']:.4f}",
        "standard error": f"{estimate['standard_error']:.4f}",
        "of it noise": "not measured" if noise is None else f"{noise:.4f}",
    }


def _open_run(source: Path) -> tuple[Medium, Draw]:
    _import_tensorflow_quietly()
    from vrnn_tf.model.generation import option_defaults
    from vrnn_tf.train import run

    loaded = run.load(source)
    model, normalization, medium = loaded.model, loaded.normalization, loaded.medium

    def draw(num, steps, seed, options, prime) -> list:
        steps = int(loaded.metadata["longest_sequence"]) if steps is None else steps
        _check_amount(num, steps, medium)
        sequences = model.generate(
            num,
            steps,
            seed=seed,
            prime=None if prime is None else normalization.apply(_read_sequence(prime, medium)),
            **_known_options(options, option_defaults(model.likelihood, model.latent_size)),
        )
        return [normalization.invert(x) for x in sequences]

    return medium, draw


def _open_file(source: Path) -> tuple[Medium, Draw]:
    from vrnn_tf.export.runtime import LiteModel

    model = LiteModel(source)
    medium = media.from_dict(model.metadata["extra"].get("medium"))

    def draw(num, steps, seed, options, prime) -> list:
        steps = model.max_steps if steps is None else steps
        _check_amount(num, steps, medium)
        sequences = model.generate(
            num,
            steps,
            seed,
            prime=None if prime is None else model.to_normalized(_read_sequence(prime, medium)),
            **_known_options(options, model.option_defaults),
        )
        return [model.to_raw(x) for x in sequences]

    return medium, draw


def _check_amount(num: int, steps: int, medium: Medium) -> None:
    """Raises ValueError if that many sequences would not fit into memory."""
    numbers = num * max(steps, 1) * max(medium.event_size, _NOISE_SIZE)
    if numbers > _MOST_NUMBERS:
        raise ValueError(
            f"{num} sequences of {steps} steps are too many to hold at once. Ask for at most "
            f"{num * max(steps, 1) * _MOST_NUMBERS // numbers} steps in all, by --num and --steps."
        )


def _known_options(options: dict[str, float | None], known) -> dict[str, float]:
    """The options that were given; refuses one that a model does not have."""
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        check_choice("option", name, known)
    return given


def _read_sequence(path: Path, medium: Medium):
    """A beginning to go on from, `[T, D]` in raw units: an .npz, or a text for a model of text."""
    import zipfile

    import numpy as np

    if isinstance(medium, media.Text) and path.suffix == ".txt":
        from vrnn_tf.train.datasets.text_file import read_text

        try:
            return medium.encode(read_text(path))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"{path}: {reason}") from None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            x, count = arrays["x"], np.size(arrays.get("length", 0))
            if x.dtype.kind not in "biuf":
                raise ValueError(f"numbers of the type {x.dtype}")
            x = x.astype(np.float32)
    except (
        *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError),
        zipfile.BadZipFile,
    ) as error:
        reason = "it does not exist" if isinstance(error, FileNotFoundError) else "it is not"
        raise ValueError(
            f"{path} must be an .npz file with an array of numbers x [T, D]: {reason}."
        ) from None
    if count > 1:
        raise ValueError(f"{path} must hold one sequence to go on from. Received {count}.")
    if x.ndim == 2 and x.shape[1] == medium.event_size:  # or else the model says what is wrong
        try:
            medium.check(x)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    return x


def _absolute(folder: Path | None) -> str | None:
    """The same folder wherever the command is given next."""
    return None if folder is None else str(folder.expanduser().resolve())


def _key_values(option: str, pairs: Sequence[str] | None) -> dict[str, Any]:
    """`["a=1", "b=x"]` as `{"a": 1, "b": "x"}`: values are JSON, or else plain text."""
    import json

    from vrnn_tf.files import parse_json

    found = {}
    for pair in pairs or ():
        key, equals, text = pair.partition("=")
        if not (key and equals):
            raise ValueError(f"{option} must be KEY=VALUE. Received {pair!r}.")
        try:
            found[key] = parse_json(text)
        except json.JSONDecodeError:
            found[key] = text
    return found


def _print_table(rows: Sequence[Mapping[str, str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(*rows[0], box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(*row.values())
    Console().print(table)


def _import_tensorflow_quietly() -> None:
    """Imports TensorFlow without the messages that its libraries print while they load."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import absl.logging
        import tensorflow  # noqa: F401

        absl.logging.set_verbosity(absl.logging.ERROR)
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    """Turns what a user can cause into one line and exit code 2."""
    warnings.filterwarnings("ignore", category=UserWarning, module="keras")
    warnings.showwarning = _show_warning
    try:
        yield
    except (ValueError, OSError, ArithmeticError) as error:
        message = " ".join(str(error).split())
        if len(message) > _LONGEST_MESSAGE:  # it shows a value that is no less long
            message = f"{message[: _LONGEST_MESSAGE // 2]} ... {message[-_LONGEST_MESSAGE // 2 :]}"
        typer.echo(f"vrnn: {message}", err=True)
        raise typer.Exit(2) from None


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    if category.__module__.startswith("vrnn_tf"):
        typer.echo(f"vrnn: warning: {message}", err=True)


def main() -> None:
    """The console script."""
    app()
