"""What a trained model does with its latent variable: numbers and figures.

The figures are Figure 2 of arXiv:1506.02216 and others that help to tell a latent variable that the
model uses from a collapsed one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from vrnn_tf import files
from vrnn_tf.core.gaussian import DiagonalGaussian
from vrnn_tf.distributions import tfd
from vrnn_tf.loop.interface import SequenceModel
from vrnn_tf.media import Medium, save_figure
from vrnn_tf.model import generation
from vrnn_tf.normalization import Normalization
from vrnn_tf.validation import check_integer

ACTIVE_NATS = 0.01  # a step; a dimension of z with less KL counts as unused
OFFSETS = (-1.0, -0.5, 0.0, 0.5, 1.0)  # scales of the prior, of the samples of a traversal


@dataclasses.dataclass(frozen=True)
class Trace:
    """The posterior of one sequence at every step, as float32 arrays.

    Attributes:
        x: `[T, D]`, normalised.
        reconstruction: `[T, D]`, at every step the mode of the most probable component of
            p(x_t | z_<=t, x_<t), with z from the posterior.
        shift: `[T]`, |mu_t - mu_{t-1}|, the Euclidean distance by which the posterior's mean moves.
            It is 0 at the first step.
        kl: `[T]`, nats a step.
        kl_of_dimension: `[T, Z]`, nats. Its sum over Z is `kl`.
        log_likelihood: `[T]`, nats a step.
        posterior_loc, posterior_scale, prior_loc, prior_scale, z: `[T, Z]`.

    Example:

    >>> import numpy as np
    >>> from vrnn_tf import VRNN
    >>> from vrnn_tf.tasks import analysis
    >>> frames = {"name": "gaussian", "event_size": 2}
    >>> model = VRNN(frames, latent_size=3, recurrent_units=4, hidden_units=3)
    >>> trace = analysis.trace(model, np.zeros((5, 2), "float32"))
    >>> trace.kl.shape, trace.kl_of_dimension.shape
    ((5,), (5, 3))
    """

    x: np.ndarray
    reconstruction: np.ndarray
    shift: np.ndarray
    kl: np.ndarray
    kl_of_dimension: np.ndarray
    log_likelihood: np.ndarray
    posterior_loc: np.ndarray
    posterior_scale: np.ndarray
    prior_loc: np.ndarray
    prior_scale: np.ndarray
    z: np.ndarray


def trace(model: SequenceModel, sequence: np.ndarray, seed: int = 0) -> Trace:
    """Runs the posterior over a sequence.

    Args:
        model: a model with a latent variable.
        sequence: `[T, D]`, normalised.
        seed: fixes the noise of z.

    Raises:
        ValueError: if the model has no latent variable, or the sequence is not `[T, D]`.
    """
    _check_latent(model)
    x, mask = model.standardize_inputs(np.asarray(sequence, np.float32)[None])
    seeds = ops.convert_to_tensor([seed], dtype="int32")
    outputs, _ = model.observe(x, mask, seeds)
    noise = ops.full((1, len(sequence), model.likelihood.noise_size), 0.5)
    mode = model.likelihood.sample(outputs["raw_parameters"], noise, 0.0)
    arrays = {name: ops.convert_to_numpy(value)[0] for name, value in outputs.items()}
    posterior = DiagonalGaussian(arrays["posterior_loc"], arrays["posterior_scale"])
    prior = DiagonalGaussian(arrays["prior_loc"], arrays["prior_scale"])
    moves = np.diff(posterior.loc, axis=0, prepend=posterior.loc[:1])
    kept = {f.name for f in dataclasses.fields(Trace)} & set(arrays)
    return Trace(
        x=np.asarray(sequence, np.float32),
        reconstruction=ops.convert_to_numpy(mode)[0],
        shift=np.linalg.norm(moves, axis=-1),
        kl_of_dimension=_kl_of_dimension(posterior, prior),
        **{name: arrays[name] for name in kept},
    )


def traverse(
    model: SequenceModel,
    dimension: int,
    offsets: Sequence[float],
    num_steps: int,
    temperature: float = 1.0,
    seed: int = 0,
) -> list[np.ndarray]:
    """Draws samples from the same noise, with one dimension of z moved at every step.

    z_t = prior mean + prior scale * (noise_t + offset), so the samples show what this dimension
    changes.

    Args:
        model: a model with a latent variable.
        dimension: 0 .. Z - 1.
        offsets: one for each sample, in scales of the prior.
        num_steps: T.
        temperature: multiplies the noise of x.
        seed: fixes the noise. An offset of 0 gives the sequence that `generate` draws with this
            seed.

    Returns:
        For each offset a sample, float32 `[T, D]`, normalised.

    Raises:
        ValueError: if the model has no latent variable or a number is out of range.
    """
    _check_latent(model)
    check_integer("num_steps", num_steps, 1)
    if not 0 <= check_integer("dimension", dimension, 0) < model.latent_size:
        raise ValueError(
            f"`dimension` must be below latent_size={model.latent_size}. Received {dimension}."
        )
    batch = len(offsets)
    move = np.zeros((batch, model.latent_size), np.float32)
    move[:, dimension] = offsets
    seeds = ops.full((batch,), seed, dtype="int32")
    steps = ops.tile(ops.arange(num_steps, dtype="int32")[None], (batch, 1))
    noise = generation.draw_noise(model, seeds, steps)
    defaults = generation.option_defaults(model.likelihood, model.latent_size)
    values = {**defaults, "temperature": temperature}
    options = {name: ops.full((batch,), value) for name, value in values.items()}
    states, made = model.cell.get_initial_state(batch), []
    for t in range(num_steps):
        x, states = generation.step_from_noise(
            model, states, noise[:, t], options, latent_offset=move
        )
        made.append(ops.convert_to_numpy(x))
    return list(np.stack(made, axis=1))


def summary(traces: Sequence[Trace]) -> dict[str, Any]:
    """Averages over all steps of some sequences how much z is used. JSON-able, nats a step."""
    kl = np.concatenate([t.kl_of_dimension for t in traces]).mean(axis=0)  # [Z]
    shifts = np.concatenate([t.shift[1:] for t in traces])  # empty if every sequence is one step
    return {
        "kl": float(kl.sum()),
        "log_likelihood": float(np.concatenate([t.log_likelihood for t in traces]).mean()),
        "active_dimensions": int((kl > ACTIVE_NATS).sum()),
        "dimensions": len(kl),
        "kl_of_dimension": [float(nats) for nats in kl],
        "shift": float(shifts.mean()) if len(shifts) else 0.0,
    }


def analyze(
    model: SequenceModel,
    sequences: Sequence[np.ndarray],
    normalization: Normalization,
    medium: Medium,
    folder: Path,
    seed: int = 0,
) -> dict[str, Any]:
    """Writes figures of what z does, and the data behind them.

        latent.png, latent.npz   x, |mu_t - mu_{t-1}| and the KL over time (Figure 2 of the paper)
        dimensions.png           nats a step in each dimension of z, in descending order
        reconstructions.*        each sequence, and below it its reconstruction
        samples.*                as many samples of the prior, as long as the longest sequence
        traversal.*              one sample, with the dimension of most KL moved by -1 .. 1
        summary.json             see `summary`

    The suffix * is the first of the medium. The arrays of latent.npz are those of `Trace`, each
    with the number of its sequence behind the name.

    Args:
        model: a model with a latent variable.
        sequences: `[T_i, D]`, normalised.
        normalization: the normalisation of the sequences.
        medium: what the sequences mean.
        folder: the folder to write into; it is made if it does not exist.
        seed: fixes all noise.

    Returns:
        The content of summary.json.

    Raises:
        ValueError: if the model has no latent variable, if there is no sequence, or if `folder` is
            a file.
    """
    if folder.is_file():
        raise ValueError(f"{folder} is a file. Name a folder.")
    if not len(sequences):
        raise ValueError("An analysis needs at least one sequence. Received none.")
    traces = [trace(model, x, seed + i) for i, x in enumerate(sequences)]
    usage = summary(traces)
    folder.mkdir(parents=True, exist_ok=True)
    _save_traces(folder / "latent.npz", traces)
    raw = [normalization.invert(t.x) for t in traces]
    save_figure(folder / "latent.png", _latent_figure(traces, raw, medium))
    kl = np.array(usage["kl_of_dimension"])
    order = np.argsort(kl)[::-1]
    save_figure(folder / "dimensions.png", _dimension_figure(kl[order]))
    longest, temperature = max(map(len, sequences)), medium.temperature
    pictures = {
        "reconstructions": [x for t in traces for x in (t.x, t.reconstruction)],
        "samples": model.generate(len(traces), longest, temperature, seed),
        "traversal": traverse(model, int(order[0]), OFFSETS, longest, temperature, seed),
    }
    for name, normalised in pictures.items():
        path = (folder / name).with_suffix(medium.suffixes[0])
        medium.save(path, [normalization.invert(x) for x in normalised])
    files.write_json(folder / "summary.json", usage)
    return usage


def _save_traces(path: Path, traces: Sequence[Trace]) -> None:
    arrays = {
        f"{name}_{i}": value
        for i, t in enumerate(traces)
        for name, value in dataclasses.asdict(t).items()
    }
    with files.atomic(path) as temporary:
        np.savez(temporary, **arrays)


def compare_samples(
    models: Mapping[str, tuple[SequenceModel, Normalization]],
    medium: Medium,
    num_steps: int,
    path: Path,
    num: int = 3,
    seed: int = 0,
) -> None:
    """Draws samples of several models into one PNG: a row for each model, titled with its name.

    Args:
        models: `{name: (model, normalization of its data)}`, all of one medium.
        medium: what the sequences mean.
        num_steps: the largest number of steps.
        path: the file to write.
        num: how many samples of each model. All models have the same seeds.
        seed: the seed of the first sample.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * num, 2.2 * len(models)), dpi=100, layout="constrained")
    rows = figure.subplots(len(models), num, squeeze=False)
    for row, (name, (model, normalization)) in zip(rows, models.items(), strict=True):
        drawn = model.generate(num, num_steps, medium.temperature, seed)
        for axes, x in zip(row, drawn, strict=True):
            medium.plot(axes, normalization.invert(x))
        row[0].set_title(name, loc="left", fontsize=9)
    save_figure(path, figure)


def _check_latent(model: SequenceModel) -> None:
    if not model.latent_size:
        raise ValueError("The model has no latent variable to analyse (latent_size=0).")


def _kl_of_dimension(posterior: DiagonalGaussian, prior: DiagonalGaussian) -> np.ndarray:
    return ops.convert_to_numpy(tfd.kl_divergence(tfd.Normal(*posterior), tfd.Normal(*prior)))


def _latent_figure(traces: Sequence[Trace], raw: Sequence[np.ndarray], medium: Medium):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5 * len(traces), 6), dpi=100, layout="constrained")
    rows = figure.subplots(3, len(traces), squeeze=False)
    for (top, middle, bottom), t, x in zip(rows.T, traces, raw, strict=True):
        medium.plot(top, x)
        steps = np.arange(len(t.kl))
        for axes, values, label in (
            (middle, t.shift, "|mu_t - mu_t-1|"),
            (bottom, t.kl, "KL, nats a step"),
        ):
            axes.plot(steps, values, linewidth=0.8, color="black")
            axes.set_xlim(0, max(len(steps) - 1, 1))
            axes.set_ylim(bottom=0.0)
            axes.set_ylabel(label)
            axes.set_xlabel("step")
            for lift in medium.marks(x):
                axes.axvline(lift, color="lightgrey", linewidth=0.6, zorder=0)
    return figure


def _dimension_figure(nats: np.ndarray):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.bar(np.arange(len(nats)), nats, color="black")
    axes.axhline(ACTIVE_NATS, color="grey", linewidth=0.8)
    axes.set_xlabel("dimension of z, most first")
    axes.set_ylabel("KL, nats a step")
    return figure
