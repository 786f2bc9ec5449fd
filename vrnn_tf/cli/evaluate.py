"""`vrnn evaluate`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from vrnn_tf.cli.errors import import_tensorflow_quietly, readable_errors
from vrnn_tf.cli.options import (
    DataDir,
    DataOptions,
    OtherDataset,
    Run,
    Seed,
    Split,
    absolute,
    key_values,
)
from vrnn_tf.cli.tables import print_table


@readable_errors()
def evaluate(
    run: Run,
    dataset: OtherDataset = None,
    data_dir: DataDir = None,
    data: DataOptions = None,
    split: Split = None,
    bound: Annotated[str, typer.Option(help="elbo, iwae or fivo.")] = "elbo",
    samples: Annotated[
        int | None,
        typer.Option(help="K of iwae or N of fivo. The default is 40, and 1 for elbo."),
    ] = None,
    resampling: Annotated[
        str, typer.Option(help="How fivo resamples: systematic or multinomial.")
    ] = "systematic",
    repeats: Annotated[
        int,
        typer.Option(
            help="Number of evaluations, each with other noise. Two or more measure the noise "
            "error, the part of the standard error that other seeds would change."
        ),
    ] = 2,
    beside: Annotated[
        list[Path] | None, typer.Option(help="Another run to compare with. Can be repeated.")
    ] = None,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Evaluates a bound on log p(x).

    The table gives it in nats per sequence, nats per step and bits per dimension. A model without
    a latent variable has an exact likelihood, and the table then says "exact". With --beside, the
    table also gives the differences to other runs on the same sequences. A difference has an error
    of its own, which is smaller.

    Example: `vrnn evaluate runs/demo --split validation --bound iwae --samples 40`
    """
    import_tensorflow_quietly()
    from vrnn_tf.train import run as runs

    if samples is None:
        samples = 1 if bound == "elbo" else 40
    result = runs.evaluate(
        run,
        split,
        bound,
        samples,
        beside=beside or (),
        dataset=dataset,
        data_dir=absolute(data_dir),
        dataset_options=key_values("--data", data),
        resampling=resampling,
        repeats=repeats,
        seed=seed,
    )
    if as_json:
        typer.echo(json.dumps(result, indent=1))
        return
    typer.echo(
        f"{result['dataset']}, {result['split']}: {result['num_sequences']} sequences, "
        f"{result['num_steps']} steps, {result['bound']}"
    )
    rows = evaluation_rows(result)
    print_table(rows)
    if any(row["units of x"] == "raw" for row in rows):
        typer.echo(f"raw units: {result['units']}")


def evaluation_rows(result: Mapping[str, Any]) -> list[dict[str, str]]:
    """The table of `vrnn evaluate`, from what `run.evaluate` returns."""
    units = {
        "nats_per_sequence": "nats per sequence",
        "nats_per_step": "nats per step",
        "bits_per_dimension": "bits per dimension",
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
        name = f"nats per sequence above {path}, {estimate['bound']}"
        rows.append(_estimate_row(name, "either", estimate))
    return rows


def _estimate_row(unit: str, scale: str, estimate: Mapping[str, Any]) -> dict[str, str]:
    """A row for `dataclasses.asdict` of a `vrnn_tf.tasks.evaluation.Estimate`."""
    noise = estimate["noise_error"]
    return {
        "unit": unit,
        "units of x": scale,
        "mean": f"{estimate['mean']:.4f}",
        "standard error": f"{estimate['standard_error']:.4f}",
        "noise error": "not measured" if noise is None else f"{noise:.4f}",
    }
