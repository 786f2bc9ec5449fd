"""`vrnn verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vrnn_tf import files
from vrnn_tf.cli.errors import import_tensorflow_quietly, readable_errors
from vrnn_tf.cli.options import DataDir, DataOptions, OtherDataset, Split, absolute, key_values
from vrnn_tf.cli.tables import print_table
from vrnn_tf.validation import check_integer


@readable_errors()
def verify(
    directory: Annotated[Path, typer.Argument(help="A folder that `vrnn export` wrote.")],
    run: Annotated[
        Path | None,
        typer.Option(
            help="The run that was exported. The models are then also compared on its data."
        ),
    ] = None,
    sequences: Annotated[
        int, typer.Option(help="Number of sequences of these data, from the start of the split.")
    ] = 64,
    dataset: OtherDataset = None,
    data_dir: DataDir = None,
    data: DataOptions = None,
    split: Split = None,
    json: Annotated[
        Path | None, typer.Option(help="Also write the report to this file, as JSON.")
    ] = None,
) -> None:
    """Compares Keras, SavedModel and TFLite: values, bound, sizes, operators, speed, memory.

    With --run, real sequences also show how much of the bound a quantised file loses. The exit
    code is 1 if the models disagree.

    Example: `vrnn verify exported --run runs/demo --split validation`
    """
    check_integer("sequences", sequences, 1)
    data_options = {"--dataset": dataset, "--data-dir": data_dir, "--data": data, "--split": split}
    for name, value in data_options.items():
        if run is None and value:
            raise ValueError(f"{name} chooses data for --run. Received no --run. Add it.")
    import_tensorflow_quietly()
    from vrnn_tf.export import metadata
    from vrnn_tf.export import verify as verification
    from vrnn_tf.train import run as runs

    real_sequences = None
    if run is not None:
        exported = metadata.read(directory / metadata.FILE_NAME)
        loaded, source = runs.load_with_data(
            run, split, dataset, absolute(data_dir), key_values("--data", data)
        )
        if loaded.normalization.to_dict() != exported["normalization"]:
            raise ValueError(
                f"{directory} was not made from {run}: their normalisations differ. Choose the "
                "run that was exported."
            )
        typer.echo(f"{source.dataset}, {source.split}")
        real_sequences = source.sequences[:sequences]
    report = verification.verify(directory, real_sequences)
    print_table(verification.table(report))
    for name, operators in report["operators"].items():
        typer.echo(f"{name} uses {', '.join(operators)}")
    if json is not None:
        files.write_json(json, report)
    if not report["passed"]:
        raise typer.Exit(1)
