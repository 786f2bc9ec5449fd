"""`vrnn generate`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from vrnn_tf import media
from vrnn_tf.cli.errors import clear_errors, import_tensorflow_quietly
from vrnn_tf.cli.options import Out, Seed
from vrnn_tf.cli.primer import read_sequence
from vrnn_tf.media import Medium
from vrnn_tf.validation import check_choice

_MOST_NUMBERS = 2**28  # that `generate` holds at once, 1 GiB
_NOISE_SIZE = 64  # numbers, in the order of the noise of a step

# (num, steps, seed, options, prime) to sequences in raw units
Draw = Callable[[int, int | None, int, dict[str, float | None], Path | None], list]


@clear_errors()
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


def _open_run(source: Path) -> tuple[Medium, Draw]:
    import_tensorflow_quietly()
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
            prime=None if prime is None else normalization.apply(read_sequence(prime, medium)),
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
            prime=None if prime is None else model.to_normalized(read_sequence(prime, medium)),
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
