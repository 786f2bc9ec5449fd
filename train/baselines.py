"""What plain models of the same data reach: figures that a bound should be far above.

Each is fitted on the training split by maximum likelihood and scored on the validation split, in
the units that the model is trained on and in nats per sequence, so that it can be compared with
`val_elbo` directly. No baseline is fitted or scored on points that a model would not see.

    strokes    iid: one Gaussian of (dx, dy); ar2: a Gaussian around a linear function of the last
               two offsets, one within strokes and another for the jump to the next stroke. Both
               with the frequencies of the pen's states.
    audio      iid: one Gaussian for a sample; ar16: a Gaussian around a linear function of the last
               16 samples, also those of its own frame.
    pianoroll  iid: independent keys, each with its own frequency.
    text       unigram and bigram: frequencies of characters, alone and after their predecessor.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from vrnn_tf.media import Medium

_ORDER_OF_SPEECH = 16  # about a sample for each pole of the vocal tract at 8 to 16 kHz
_PSEUDO_COUNT = 0.5  # a key or character that training never shows has a frequency above 0

Sequences = Sequence[np.ndarray]


def baselines(medium: Medium, train: Sequences, validation: Sequences) -> dict[str, float]:
    """Fits and scores the baselines of a medium.

    Args:
        medium: of the data.
        train: prepared arrays `[T_i, D]` to fit on.
        validation: prepared arrays to score.

    Returns:
        `{name: nats per sequence}`, means over the validation sequences.
    """
    return _OF_KIND[medium.kind](train, validation)


def _strokes(train: Sequences, validation: Sequences) -> dict[str, float]:
    pen = _frequencies([x[:, 2] for x in train], 3)
    pens = [np.log(pen[x[:, 2].astype(int)]).sum() for x in validation]
    moves, others = [x[:, :2] for x in train], [x[:, :2] for x in validation]
    jumps, other_jumps = [_is_jump(x) for x in train], [_is_jump(x) for x in validation]
    iid = _autoregression(moves, others, 0)
    ar2 = _autoregression(moves, others, 2, jumps, other_jumps)
    return {"iid": float(np.mean(pens)) + iid, "ar2": float(np.mean(pens)) + ar2}


def _is_jump(x: np.ndarray) -> np.ndarray:
    """`[T]`, 1 where the row before lifted the pen."""
    return np.concatenate([[0], x[:-1, 2] > 0.0]).astype(int)


def _audio(train: Sequences, validation: Sequences) -> dict[str, float]:
    waves = [x.reshape(-1, 1) for x in train]
    others = [x.reshape(-1, 1) for x in validation]
    return {
        "iid": _autoregression(waves, others, 0),
        f"ar{_ORDER_OF_SPEECH}": _autoregression(waves, others, _ORDER_OF_SPEECH),
    }


def _pianoroll(train: Sequences, validation: Sequences) -> dict[str, float]:
    steps = sum(map(len, train))
    held = np.sum([x.sum(axis=0, dtype=np.float64) for x in train], axis=0)
    on = (held + _PSEUDO_COUNT) / (steps + 2 * _PSEUDO_COUNT)
    nats = [(x @ np.log(on) + (1 - x) @ np.log1p(-on)).sum() for x in validation]
    return {"iid": float(np.mean(nats))}


def _text(train: Sequences, validation: Sequences) -> dict[str, float]:
    size = 1 + int(max(x.max() for x in (*train, *validation)))
    unigram = _frequencies([x[:, 0] for x in train], size)
    pairs = np.zeros((size, size))
    for x in train:
        np.add.at(pairs, (x[:-1, 0].astype(int), x[1:, 0].astype(int)), 1.0)
    # Characters that seldom or never stand first borrow the frequencies of all characters.
    after = (pairs + unigram) / (pairs.sum(axis=1, keepdims=True) + 1.0)
    alone, paired = [], []
    for x in validation:
        symbols = x[:, 0].astype(int)
        nats = np.log(unigram[symbols])
        alone.append(nats.sum())
        paired.append(nats[0] + np.log(after[symbols[:-1], symbols[1:]]).sum())
    return {"unigram": float(np.mean(alone)), "bigram": float(np.mean(paired))}


_OF_KIND: dict[str, Callable[[Sequences, Sequences], dict[str, float]]] = {
    "strokes": _strokes,
    "audio": _audio,
    "pianoroll": _pianoroll,
    "text": _text,
}


def _frequencies(values: Iterable[np.ndarray], size: int) -> np.ndarray:
    counts = np.sum([np.bincount(x.astype(int), minlength=size) for x in values], axis=0)
    return (counts + _PSEUDO_COUNT) / (counts + _PSEUDO_COUNT).sum()


def _autoregression(
    train: Sequences,
    validation: Sequences,
    order: int,
    train_states: Sequences | None = None,
    validation_states: Sequences | None = None,
) -> float:
    """Nats per sequence of x_t ~ N(A_s [1, x_{t-1}, ..., x_{t-order}], S_s).

    x is 0 before the start. The state s of each step, an integer, has its own A and S; one state
    for all if `states` are None. A state that training hardly shows shares those of all steps.
    """
    states = train_states or [np.zeros(len(x), int) for x in train]
    other_states = validation_states or [np.zeros(len(x), int) for x in validation]
    everything = _Moments.of(train, order, [np.zeros(len(x), int) for x in train], 0)
    fits = {}
    for number in range(1 + max(int(s.max()) for s in (*states, *other_states))):
        moments = _Moments.of(train, order, states, number)
        enough = moments.steps > 2 * len(moments.gram)
        fits[number] = (moments if enough else everything).fit()
    nats = np.zeros(len(validation))
    for i, (x, state) in enumerate(zip(validation, other_states, strict=True)):
        past = _past(x, order)
        for number, (weights, precision, constant) in fits.items():
            error = (x - past @ weights)[state == number]
            nats[i] += len(error) * constant
            nats[i] -= 0.5 * np.einsum("ti,ij,tj->", error, precision, error)
    return float(nats.mean())


@dataclasses.dataclass
class _Moments:
    """Sums over the steps of one state: what a linear regression needs."""

    gram: np.ndarray
    cross: np.ndarray
    power: np.ndarray
    steps: int

    @classmethod
    def of(cls, sequences: Sequences, order: int, states: Sequences, state: int) -> _Moments:
        size = sequences[0].shape[1]
        width = 1 + order * size
        sums = cls(np.zeros((width, width)), np.zeros((width, size)), np.zeros((size, size)), 0)
        for x, of_step in zip(sequences, states, strict=True):
            chosen = of_step == state
            past, now = _past(x, order)[chosen], x[chosen].astype(np.float64)
            sums.gram += past.T @ past
            sums.cross += past.T @ now
            sums.power += now.T @ now
            sums.steps += len(now)
        return sums

    def fit(self) -> tuple[np.ndarray, np.ndarray, float]:
        """The weights, the inverse covariance, and the log density at the mean."""
        weights = np.linalg.lstsq(self.gram, self.cross, rcond=None)[0]
        covariance = (self.power - weights.T @ self.gram @ weights) / self.steps
        size = len(covariance)
        # Rounding, and features that are exactly predictable, must not make a variance of 0.
        covariance += 1e-9 * np.trace(self.power) / (size * self.steps) * np.eye(size)
        constant = -0.5 * (size * math.log(2 * math.pi) + np.linalg.slogdet(covariance)[1])
        return weights, np.linalg.inv(covariance), float(constant)


def _past(x: np.ndarray, order: int) -> np.ndarray:
    """float64 `[T, 1 + order * D]`: a one and the last `order` observations."""
    padded = np.concatenate([np.zeros((order, x.shape[1])), x]).astype(np.float64)
    lags = [padded[order - lag : order - lag + len(x)] for lag in range(1, order + 1)]
    return np.concatenate([np.ones((len(x), 1)), *lags], axis=1)
