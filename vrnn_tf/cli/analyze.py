"""`vrnn analyze`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vrnn_tf.cli.errors import import_tensorflow_quietly, readable_errors
from vrnn_tf.cli.options import (
    DataDir,
    DataOptions,
    OtherDataset,
    Out,
    Run,
    Seed,
    Split,
    absolute,
    key_values,
)
from vrnn_tf.validation import check_integer


@readable_errors()
def analyze(
    run: Run,
    out: Out,
    num: Annotated[int, typer.Option(help="Number of sequences, from the start of the split.")] = 3,
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            help="Another run. Its samples are drawn beside those of the first. Can be repeated."
        ),
    ] = None,
    split: Split = None,
    dataset: OtherDataset = None,
    data_dir: DataDir = None,
    data: DataOptions = None,
    seed: Seed = 0,
) -> None:
    """Draws figures that show what the latent variable does.

    The figures show how far the posterior's mean moves and the KL over time, the dimensions that
    are used, reconstructions, samples, and a walk along one dimension. With --beside, another
    figure shows samples of several runs side by side. The numbers behind the figures are in
    latent.npz and summary.json.

    Example: `vrnn analyze runs/demo --out analysis`
    """
    check_integer("num", num, 1)
    import_tensorflow_quietly()
    from vrnn_tf.tasks import analysis
    from vrnn_tf.train import run as runs

    dataset_options = key_values("--data", data)
    loaded, source = runs.load_with_data(run, split, dataset, absolute(data_dir), dataset_options)
    model, normalization, medium = loaded.model, loaded.normalization, loaded.medium
    sequences = source.sequences[:num]
    summary = analysis.analyze(model, sequences, normalization, medium, out, seed)
    if beside:
        compared = {str(run): loaded, **{str(path): runs.load(path) for path in beside}}
        if len({other.medium for other in compared.values()}) > 1:
            raise ValueError("Runs to compare must be of one kind of data, in one unit.")
        models = {name: (other.model, other.normalization) for name, other in compared.items()}
        steps = max(map(len, sequences))
        analysis.compare_samples(models, medium, steps, out / "side_by_side.png", seed=seed)
    typer.echo(
        f"{out}: {source.dataset}, {source.split}: the KL is {summary['kl']:.3f} nats per step; "
        f"{summary['active_dimensions']} of {summary['dimensions']} dimensions of z are used"
    )
