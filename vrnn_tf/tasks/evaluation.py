"""Evaluates bounds on log p(x) over a data set: how good, in which unit, how certain."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from vrnn_tf import rng
from vrnn_tf.bounds import Bound, Elbo, particle_bound
from vrnn_tf.model.vrnn import VRNN
from vrnn_tf.normalization import Normalization
from vrnn_tf.validation import check_integer

# More sequences than these allow at once wait for their turn.
MAX_PARTICLES = 4096  # rows of a particle filter
MAX_PARTICLE_STEPS = 1_200_000  # rows times steps, for all of which z has noise


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over a data set.

    Attributes:
        mean: of all sequences or steps.
        standard_error: of the mean, as if the sequences had been drawn at random from many.
        noise_error: the part that other seeds would change; None if there was one repeat. 0 for an
            exact value.
    """

    mean: float
    standard_error: float
    noise_error: float | None


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a model assigns to a data set. Nats are natural logarithms; more is better, but bits.

    Attributes:
        bound: "elbo", "iwae-K" or "fivo-N"; "exact" for a model without a latent variable, whose
            log-likelihood is computed and not bounded.
        num_sequences, num_steps: of the data set, masked steps not counted.
        nats_per_sequence: log p(x) or its bound, a sequence.
        nats_per_step: the sum over all sequences by the number of all steps.
        bits_per_dimension: -nats_per_step / (D log 2), for D features a step.
        raw: the same three in raw units, if a normalisation was given: the density of what was
            measured rather than of what the model was fed.
        values: float64 `[num_sequences]`, nats of each sequence, mean over repeats.
        raw_values: the same in raw units; without a normalisation x is raw already.
    """

    bound: str
    num_sequences: int
    num_steps: int
    nats_per_sequence: Estimate
    nats_per_step: Estimate
    bits_per_dimension: Estimate
    raw: Mapping[str, Estimate] | None
    values: np.ndarray
    raw_values: np.ndarray

    @property
    def is_exact(self) -> bool:
        """Whether the figures are log-likelihoods and not lower bounds."""
        return self.bound == "exact"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, without `values` and `raw_values`."""
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        del own["values"], own["raw_values"]
        estimates = {
            name: dataclasses.asdict(own.pop(name))
            for name in ("nats_per_sequence", "nats_per_step", "bits_per_dimension")
        }
        raw = own.pop("raw")
        if raw is not None:
            raw = {name: dataclasses.asdict(value) for name, value in raw.items()}
        return {**own, "exact": self.is_exact, **estimates, "raw": raw}


def evaluate_bound(
    model: VRNN,
    data: Any,
    bound: str = "elbo",
    num_samples: int = 1,
    *,
    resampling: str = "systematic",
    ess_threshold: float = 0.5,
    repeats: int = 2,
    seed: int = 0,
    normalization: Normalization | None = None,
) -> Evaluation:
    """A bound on the log-likelihood of every sequence, and its means.

    All noise is a function of `seed`, of the number of the repeat and of the number of the sequence
    in `data`: batches and padding do not change it. As many sequences are evaluated together as
    `MAX_PARTICLES` and `MAX_PARTICLE_STEPS` allow, at least one: 1000 samples of lines of 600 steps
    take 2.3 GiB in all with the preset "handwriting".

    Args:
        model: a `VRNN`.
        data: x `[B, T, D]`, `{"x": x, "mask": [B, T]}`, or an iterable of either, whole sequences.
        bound: "elbo", "iwae" or "fivo"; a model without a latent variable has its exact likelihood.
        num_samples: K of IWAE, N of FIVO.
        resampling: of FIVO, "systematic" or "multinomial".
        ess_threshold: of FIVO, see `bounds.Bound`.
        repeats: how often everything is done with other noise. Two or more tell `noise_error`.
        seed: an integer.
        normalization: that of the model's data, for figures in raw units.

    Raises:
        ValueError: if an argument is unknown or out of range, or `data` holds no sequence.
    """
    chosen = Bound(bound, num_samples, resampling, ess_threshold)
    check_integer("repeats", repeats, 1)
    check_integer("seed", seed, -(2**31))
    repeats = repeats if model.latent_size else 1
    evaluate = _compiled(model, chosen)
    values, lengths, first = [], [], 0
    for x, mask in _slices(model, data, num_samples):
        holds = mask.any(axis=1)
        if not holds.any():  # as where there is no step
            first += len(x)
            continue
        nats = []
        for repeat in range(repeats):
            seeds = rng.sequence_seeds(seed, repeat, first + ops.arange(len(x), dtype="int32"))
            nats.append(ops.convert_to_numpy(evaluate(x, mask, seeds)))
        values.append(np.array(nats, dtype=np.float64)[:, holds])
        lengths.append(mask.sum(axis=1)[holds])
        first += len(x)
    if not sum(map(len, lengths)):
        raise ValueError("A bound is evaluated on at least one sequence. Received none.")
    name = str(chosen) if model.latent_size else "exact"
    size = model.likelihood.event_size
    all_values, all_lengths = np.concatenate(values, axis=1), np.concatenate(lengths)
    means = _means(all_values, all_lengths, size, exact=not model.latent_size)
    raw, shift = None, np.zeros(len(all_lengths))
    if normalization is not None:
        shift = normalization.log_jacobian() * all_lengths
        raw = _means(all_values + shift, all_lengths, size, exact=not model.latent_size)
    return Evaluation(
        bound=name,
        num_sequences=len(all_lengths),
        num_steps=int(all_lengths.sum()),
        **means,
        raw=raw,
        values=all_values.mean(axis=0),
        raw_values=all_values.mean(axis=0) + shift,
    )


def difference(one: Evaluation, other: Evaluation) -> Estimate:
    """By how many nats a sequence `one` is above `other` on the same sequences, in raw units.

    The standard error is that of paired values: what makes a sequence easy or hard for both models
    is not in it, so it is much smaller than the errors of the two means.

    Raises:
        ValueError: if the numbers of sequences or steps differ.
    """
    sizes = [(e.num_sequences, e.num_steps) for e in (one, other)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            "A difference is that of the same sequences. Received "
            f"{sizes[0][0]} sequences of {sizes[0][1]} steps and {sizes[1][0]} of {sizes[1][1]}."
        )
    values = one.raw_values - other.raw_values
    paired = _estimate(values[None], np.ones(len(values)), exact=False)
    noises = [e.nats_per_sequence.noise_error for e in (one, other)]
    known = [noise for noise in noises if noise is not None]
    noise = math.hypot(*known) if len(known) == len(noises) else None
    return dataclasses.replace(paired, noise_error=noise)


def _compiled(model: VRNN, bound: Bound):
    """`(x, mask, seeds) -> nats [B]`; a graph on TensorFlow."""

    def evaluate(x, mask, seeds):
        if bound.has_particles and model.latent_size:
            return particle_bound(model, x, mask, seeds, bound)
        outputs, _ = model.observe(x, mask, seeds)
        return Elbo(outputs["log_likelihood"], outputs["kl"]).per_sequence()

    if keras.backend.backend() != "tensorflow":
        return evaluate
    import tensorflow as tf

    shape = (None, None, model.likelihood.event_size)
    signature = [
        tf.TensorSpec(shape, tf.float32),
        tf.TensorSpec(shape[:2], tf.bool),
        tf.TensorSpec((None,), tf.int32),
    ]
    return tf.function(evaluate, input_signature=signature, autograph=False)


def _slices(model: VRNN, data: Any, num_samples: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """x float32 `[B, T, D]` and mask bool `[B, T]`, as many sequences at once as are allowed."""
    single = isinstance(data, Mapping) or hasattr(data, "shape")
    batches: Iterable = [data] if single else data
    for batch in batches:
        if isinstance(batch, Mapping) and "reset" in batch:
            raise ValueError(
                "A bound is evaluated on whole sequences. Received chunks, with 'reset'. Pass x "
                "and mask of whole sequences."
            )
        x, mask = model.standardize_inputs(batch)
        x, mask = ops.convert_to_numpy(x), ops.convert_to_numpy(mask)
        most = min(MAX_PARTICLES, MAX_PARTICLE_STEPS // max(x.shape[1], 1))
        rows = max(1, most // num_samples)
        for start in range(0, len(x), rows):
            yield x[start : start + rows], mask[start : start + rows]


def _means(values: np.ndarray, lengths: np.ndarray, size: int, exact: bool) -> dict[str, Estimate]:
    """Means of `values [repeats, N]` a sequence, a step and a dimension."""
    bits = -values / (size * math.log(2.0))
    return {
        "nats_per_sequence": _estimate(values, np.ones(len(lengths)), exact),
        "nats_per_step": _estimate(values, lengths, exact),
        "bits_per_dimension": _estimate(bits, lengths, exact),
    }


def _estimate(values: np.ndarray, weights: np.ndarray, exact: bool) -> Estimate:
    """The ratio sum(values) / sum(weights) over sequences, with its errors.

    The error over sequences is that of a ratio estimator: the residuals v_i - r w_i, by the mean
    weight. That over noise is the deviation between repeats.
    """
    repeats, number = values.shape
    ratios = values.sum(axis=1) / weights.sum()
    ratio = float(ratios.mean())
    residuals = values.mean(axis=0) - ratio * weights
    error = 0.0
    if number > 1:
        error = float(residuals.std(ddof=1) / math.sqrt(number) / weights.mean())
    noise = None if repeats < 2 else float(ratios.std(ddof=1) / math.sqrt(repeats))
    return Estimate(ratio, error, 0.0 if exact else noise)
