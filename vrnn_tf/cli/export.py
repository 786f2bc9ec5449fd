"""`vrnn export`."""

from __future__ import annotations

from typing import Annotated

import typer

from vrnn_tf.cli.errors import import_tensorflow_quietly, readable_errors
from vrnn_tf.cli.options import Out, Run


@readable_errors()
def export(
    run: Run,
    out: Out,
    quantize: Annotated[
        list[str] | None,
        typer.Option(
            help="none, int8, float16 or int4 (experimental). Can be repeated. The default is none "
            "and int8."
        ),
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option(
            help="T_max, the static length in steps. The default is the length of the longest "
            "training sequence."
        ),
    ] = None,
    serving: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Also write serving/ for TensorFlow Serving, with the model in NAME/1/.",
        ),
    ] = None,
) -> None:
    """Exports the generation loop: a SavedModel, .tflite files and metadata.json.

    The new export replaces all of an earlier export in --out.

    Examples: `vrnn export runs/demo --out exported`;
    `vrnn export runs/demo --out exported --serving handwriting`
    """
    import_tensorflow_quietly()
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
    typer.echo(f"{out / 'saved_model'}: for tf.saved_model.load, C and TensorFlow Serving")
    if serving is not None:
        folder = out / exporter.SERVING_FOLDER
        typer.echo(f"{folder}: {serving}/, model.config and batching.config for TensorFlow Serving")
