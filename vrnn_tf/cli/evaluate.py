"""`vrnn evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from vrnn_tf.cli.errors import clear_errors, import_tensorflow_quietly
from vrnn_tf.cli.options import (
    DataDir,
    DataOptions,
    OtherDataset,
    Seed,
    Split,
    absolute,
    key_values,
)
from vrnn_tf.cli.tables import print_table


@clear_errors()
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
    import json as json_format

    import_tensorflow_quietly()
    from vrnn_tf.train import run as runs

    result = runs.evaluate(
        run,
        split,
        bound,
        (1 if bound == "elbo" else 40) if samples is None else samples,
        beside=beside or (),
        dataset=dataset,
        data_dir=absolute(data_dir),
        dataset_options=key_values("--data", data),
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
    print_table(rows)
    if any(row["of x"] == "raw" for row in rows):
        typer.echo(f"raw: {result['units']}")


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
