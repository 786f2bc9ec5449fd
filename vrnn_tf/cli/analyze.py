"""`vrnn analyze`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vrnn_tf.cli.errors import clear_errors, import_tensorflow_quietly
from vrnn_tf.cli.options import (
    DataDir,
    DataOptions,
    OtherDataset,
    Out,
    Seed,
    Split,
    absolute,
    key_values,
)


@clear_errors()
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
    from vrnn_tf.validation import check_integer

    check_integer("num", num, 1)
    import_tensorflow_quietly()
    from vrnn_tf.tasks import analysis
    from vrnn_tf.train import run as runs

    options = key_values("--data", data)
    loaded, found = runs.load_with_data(run, split, dataset, absolute(data_dir), options)
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
