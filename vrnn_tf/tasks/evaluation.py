"""Bounds on log p(x) over a data set: their means, in several units, and how certain they are."""

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
from vrnn_tf.loop.interface import SequenceModel
from vrnn_tf.normalization import Normalization
from vrnn_tf.validation import check_integer

# As many sequences are evaluated together as these limits allow.
MAX_PARTICLES = 4096  # rows of a particle filter
MAX_PARTICLE_STEPS = 1_200_000  # rows times steps; z has noise in each of them


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over a data set, and its errors.

    Attributes:
        mean: the mean of all sequences or steps.
        standard_error: the error of the mean, if the sequences are a random sample of many.
        noise_error: the error that the noise of z causes. None if there was one repeat, 0 if the
            value is exact.

    Example:

    >>> from vrnn_tf.tasks.evaluation import Estimate
    >>> bound = Estimate(mean=-42.0, standard_error=1.5, noise_error=0.1)
    >>> f"{bound.mean} +- {bound.standard_error} nats"
    '-42.0 +- 1.5 nats'
    """

    mean: float
    standard_error: float
    noise_error: float | None


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """How probable a model finds a data set.

    Nats are natural logarithms of densities or probabilities. Higher is better for nats, lower is
    better for bits.

    Attributes:
        bound: "elbo", "iwae-K" or "fivo-N". It is "exact" for a model without a latent variable,
            whose log-likelihood is computed and not bounded.
        num_sequences: the number of sequences that have a step.
        num_steps: the number of their steps, without masked ones.
        nats_per_sequence: the mean of log p(x), or of its bound, over the sequences.
        nats_per_step: the sum over all sequences, divided by the number of all steps.
        bits_per_dimension: -nats_per_step / (D log 2), for D features a step.
        raw: the same three figures in raw units, or None if no normalisation was given. They
            describe the density of what was measured, before normalisation.
        values: float64 `[num_sequences]`, the nats of each sequence, averaged over the repeats.
        raw_values: the same in raw units. They equal `values` if no normalisation was given.

    Example:

    >>> import numpy as np
    >>> from vrnn_tf import VRNN, evaluate_bound
    >>> keys = {"name": "bernoulli", "event_size": 2}
    >>> model = VRNN(keys, latent_size=0, recurrent_units=4, hidden_units=3)
    >>> evaluation = evaluate_bound(model, np.zeros((3, 5, 2), "float32"))
    >>> evaluation.bound, evaluation.num_steps, evaluation.nats_per_step.noise_error
    ('exact', 15, 0.0)
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
        """Whether the figures are log-likelihoods rather than lower bounds."""
        return self.bound == "exact"

    def to_dict(self) -> dict[str, Any]:
        """Returns all but `values` and `raw_values`, JSON-able."""
        raw = None
        if self.raw is not None:
            raw = {name: dataclasses.asdict(estimate) for name, estimate in self.raw.items()}
        return {
            "bound": self.bound,
            "num_sequences": self.num_sequences,
            "num_steps": self.num_steps,
            "exact": self.is_exact,
            "nats_per_sequence": dataclasses.asdict(self.nats_per_sequence),
            "nats_per_step": dataclasses.asdict(self.nats_per_step),
            "bits_per_dimension": dataclasses.asdict(self.bits_per_dimension),
            "raw": raw,
        }


def evaluate_bound(
    model: SequenceModel,
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
    """Computes a bound on the log-likelihood of every sequence, and the means of the bound.

    All noise is a function of `seed`, of the number of the repeat and of the number of the sequence
    in `data`, so batches and padding do not change it. As many sequences are evaluated together as
    `MAX_PARTICLES` and `MAX_PARTICLE_STEPS` allow, at least one: 1000 samples of lines of 600 steps
    take 2.3 GiB in all with the preset "handwriting".

    Args:
        model: a `VRNN`.
        data: x `[B, T, D]`, `{"x": x, "mask": [B, T]}`, or an iterable of either. Each row is a
            whole sequence.
        bound: "elbo", "iwae" or "fivo". A model without a latent variable has an exact likelihood
            whatever the bound.
        num_samples: K of IWAE, N of FIVO.
        resampling: how FIVO resamples, "systematic" or "multinomial".
        ess_threshold: when FIVO resamples; see `bounds.Bound`.
        repeats: how often the bound is computed, each time with other noise. `noise_error` needs at
            least two.
        seed: an integer.
        normalization: the normalisation of the model's data, for figures in raw units.

    Returns:
        The bound of each sequence, and means.

    Raises:
        ValueError: if an argument is unknown or out of range, if `data` holds no sequence, or if it
            holds chunks of sequences.

    Example:

    >>> import numpy as np
    >>> from vrnn_tf import VRNN, evaluate_bound
    >>> frames = {"name": "gaussian", "event_size": 2}
    >>> model = VRNN(frames, latent_size=2, recurrent_units=4, hidden_units=3)
    >>> x = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")
    >>> evaluation = evaluate_bound(model, x, "fivo", num_samples=4)
    >>> evaluation.bound, evaluation.num_sequences, evaluation.num_steps
    ('fivo-4', 3, 15)
    >>> evaluation.nats_per_step.mean < 0.0
    True
    """
    chosen = Bound(bound, num_samples, resampling, ess_threshold)
    check_integer("repeats", repeats, 1)
    check_integer("seed", seed, -(2**31))
    exact, size = not model.latent_size, model.likelihood.event_size
    values, lengths = _nats(model, chosen, data, 1 if exact else repeats, seed)
    raw, shift = None, np.zeros(len(lengths))
    if normalization is not None:
        shift = normalization.log_jacobian() * lengths
        raw = _means(values + shift, lengths, size, exact)
    return Evaluation(
        bound="exact" if exact else str(chosen),
        num_sequences=len(lengths),
        num_steps=int(lengths.sum()),
        **_means(values, lengths, size, exact),
        raw=raw,
        values=values.mean(axis=0),
        raw_values=values.mean(axis=0) + shift,
    )


def difference(one: Evaluation, other: Evaluation) -> Estimate:
    """Tells by how many nats a sequence `one` is above `other` on the same sequences, in raw units.

    The standard error is that of paired values. It leaves out what makes a sequence easy or hard
    for both models, so it is much smaller than the errors of the two means.

    Raises:
        ValueError: if the numbers of sequences or steps differ.
    """
    sizes = [(e.num_sequences, e.num_steps) for e in (one, other)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            "A difference compares two evaluations of the same sequences. Received "
            f"{sizes[0][0]} sequences of {sizes[0][1]} steps and {sizes[1][0]} of {sizes[1][1]}."
        )
    values = one.raw_values - other.raw_values
    paired = _estimate(values[None], np.ones(len(values)), exact=False)
    first, second = (e.nats_per_sequence.noise_error for e in (one, other))
    noise_error = None if first is None or second is None else math.hypot(first, second)
    return dataclasses.replace(paired, noise_error=noise_error)


def _nats(
    model: SequenceModel, bound: Bound, data: Any, repeats: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the bound of each sequence, float64 `[repeats, N]`, and the lengths `[N]`."""
    evaluate = _compiled(model, bound)
    values, lengths, first = [], [], 0
    for x, mask in _slices(model, data, bound.num_samples):
        has_steps = mask.any(axis=1)
        if has_steps.any():
            numbers = first + ops.arange(len(x), dtype="int32")
            seeds = [rng.sequence_seeds(seed, repeat, numbers) for repeat in range(repeats)]
            nats = [ops.convert_to_numpy(evaluate(x, mask, row_seeds)) for row_seeds in seeds]
            values.append(np.array(nats, dtype=np.float64)[:, has_steps])
            lengths.append(mask.sum(axis=1)[has_steps])
        first += len(x)
    if not lengths:
        raise ValueError("A bound is evaluated on at least one sequence. Received none.")
    return np.concatenate(values, axis=1), np.concatenate(lengths)


def _compiled(model: SequenceModel, bound: Bound):
    """Returns a function `(x, mask, seeds) -> nats [B]`, which is a graph on TensorFlow."""

    def evaluate(x, mask, seeds):
        if bound.has_particles and model.latent_size:
            return particle_bound(model, x, mask, seeds, bound)
        outputs, _ = model.observe(x, mask, seeds)
        return Elbo.of(outputs).per_sequence()

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


def _slices(
    model: SequenceModel, data: Any, num_samples: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields x float32 `[B, T, D]` and mask bool `[B, T]` of as many sequences as are allowed."""
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
    """Averages `values [repeats, N]` over sequences, steps and dimensions."""
    bits = -values / (size * math.log(2.0))
    return {
        "nats_per_sequence": _estimate(values, np.ones(len(lengths)), exact),
        "nats_per_step": _estimate(values, lengths, exact),
        "bits_per_dimension": _estimate(bits, lengths, exact),
    }


def _estimate(values: np.ndarray, weights: np.ndarray, exact: bool) -> Estimate:
    """Estimates the ratio sum(values) / sum(weights) over sequences.

    The standard error is that of a ratio estimator: the standard error of the residuals
    v_i - r w_i, divided by the mean weight. The noise error comes from the deviation between the
    repeats.

    Args:
        values: `[repeats, N]`.
        weights: `[N]`.
        exact: whether the values have no noise.
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
