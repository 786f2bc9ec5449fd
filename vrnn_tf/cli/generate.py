"""`vrnn generate`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from vrnn_tf import media
from vrnn_tf.cli.errors import import_tensorflow_quietly, readable_errors
from vrnn_tf.cli.options import Out, Seed
from vrnn_tf.cli.primer import read_primer
from vrnn_tf.media import Medium
from vrnn_tf.validation import check_choice

_MAX_NUMBERS = 2**28  # that are held at once, 1 GiB
_NOISE_SIZE = 64  # numbers, about as many as the noise of one step


@dataclasses.dataclass(frozen=True)
class Generator:
    """A model that generates, from a run or from a .tflite file.

    Attributes:
        medium: what the numbers mean.
        num_steps: how many steps are generated if the user does not say.
        option_defaults: `{name: default}` of the sampling options.
        generate: `(num_sequences, num_steps, seed=, prime=, **options)` to normalised sequences.
        normalize, denormalize: raw sequences to normalised ones, and the inverse.
    """

    medium: Medium
    num_steps: int
    option_defaults: Mapping[str, float]
    generate: Callable[..., list[np.ndarray]]
    normalize: Callable[[np.ndarray], np.ndarray]
    denormalize: Callable[[np.ndarray], np.ndarray]


@readable_errors()
def generate(
    source: Annotated[Path, typer.Argument(help="A run folder or an exported .tflite file.")],
    out: Out,
    num: Annotated[int, typer.Option(help="Number of sequences.")] = 4,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Largest number of steps. The default is the length of the longest training "
            "sequence, or T_max of the file."
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Multiplies the noise of x. The default is 0.5 for handwriting, else 1."),
    ] = None,
    latent_temperature: Annotated[
        float | None, typer.Option(help="Multiplies the noise of z. The default is 1.")
    ] = None,
    pen_bias: Annotated[
        float | None,
        typer.Option(help="Raises the log-odds of a pen lift, in nats. The default is 0."),
    ] = None,
    seed: Seed = 0,
    prime: Annotated[
        Path | None,
        typer.Option(
            help="File with the beginning of a sequence, which the new sequences continue: .npz "
            "with x [T, D], or .txt for text."
        ),
    ] = None,
) -> None:
    """Generates new sequences and writes them to a file.

    The name of the file decides what is written: a picture (.svg, .png), sound (.wav), music
    (.mid), text (.txt), or numbers in raw units (.npz), as far as the data that the model was
    trained on allow. The same seed gives the same sequences from a run and from its .tflite file.

    Example: `vrnn generate runs/demo --num 8 --seed 7 --out lines.svg`
    """
    if not source.exists():
        raise ValueError(f"{source} does not exist. Give a run folder or a .tflite file.")
    generator = _open_file(source) if source.suffix == ".tflite" else _open_run(source)
    medium = generator.medium
    media.check_suffix(out, (*medium.suffixes, ".npz"))
    steps = generator.num_steps if steps is None else steps
    _check_amount(num, steps, medium)
    options = _chosen_options(
        generator.option_defaults,
        latent_temperature=latent_temperature,
        pen_bias=pen_bias,
        temperature=medium.temperature if temperature is None else temperature,
    )
    primer = None if prime is None else generator.normalize(read_primer(prime, medium))
    normalised = generator.generate(num, steps, seed=seed, prime=primer, **options)
    sequences = [generator.denormalize(x) for x in normalised]
    medium.save(out, sequences)
    typer.echo(f"{out}: {num} sequences of {[len(x) for x in sequences]} steps")


def _open_run(folder: Path) -> Generator:
    import_tensorflow_quietly()
    from vrnn_tf.model.generation import option_defaults
    from vrnn_tf.train import run

    loaded = run.load(folder)
    return Generator(
        medium=loaded.medium,
        num_steps=int(loaded.metadata["longest_sequence"]),
        option_defaults=option_defaults(loaded.model.likelihood, loaded.model.latent_size),
        generate=loaded.model.generate,
        normalize=loaded.normalization.apply,
        denormalize=loaded.normalization.invert,
    )


def _open_file(path: Path) -> Generator:
    from vrnn_tf.export.runtime import LiteModel

    model = LiteModel(path)
    return Generator(
        medium=media.from_dict(model.metadata["extra"].get("medium")),
        num_steps=model.max_steps,
        option_defaults=model.option_defaults,
        generate=model.generate,
        normalize=model.to_normalized,
        denormalize=model.to_raw,
    )


def _check_amount(num: int, steps: int, medium: Medium) -> None:
    """Raises ValueError if that many sequences would not fit into memory."""
    numbers = num * max(steps, 1) * max(medium.event_size, _NOISE_SIZE)
    if numbers > _MAX_NUMBERS:
        raise ValueError(
            f"{num} sequences of {steps} steps are too many to hold at once. Ask for at most "
            f"{num * max(steps, 1) * _MAX_NUMBERS // numbers} steps in all, by --num and --steps."
        )


def _chosen_options(names: Mapping[str, Any], **options: float | None) -> dict[str, float]:
    """The options that are not None; raises ValueError for one that the model does not have."""
    chosen = {name: value for name, value in options.items() if value is not None}
    for name in chosen:
        check_choice("option", name, names)
    return chosen
