"""Baselines: simple models of the same data, whose figures a bound should exceed by far.

Each is fitted on the training split by maximum likelihood and scored on the validation split. The
scores are in nats per sequence, in the units that the model is trained on: they can be compared
with `val_elbo` directly. No baseline is fitted or scored on points that a model would not see.

    strokes    iid: one Gaussian of (dx, dy); ar2: a Gaussian around a linear function of the last
               two offsets, one within strokes and another for the jump to the next stroke. Both
               use the frequencies of the pen's states.
    audio      iid: one Gaussian for a sample; ar16: a Gaussian around a linear function of the last
               16 samples, also those of its own frame.
    pianoroll  iid: independent keys, each with its own frequency.
    text       unigram and bigram: frequencies of characters, alone and after their predecessor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from vrnn_tf.media import Medium, Text

from . import store

_ORDER_OF_SPEECH = 16  # about a sample for each pole of the vocal tract at 8 to 16 kHz
_BLOCK = 100_000  # steps that are in memory at once as rows of a regression
_ENOUGH_STEPS = 20_000_000  # to fit a few hundred numbers
_PSEUDO_COUNT = 0.5  # a key or character that training never shows has a frequency above 0

Sequences = Sequence[np.ndarray]


def baselines(
    medium: Medium,
    train: Sequences,
    validation: Sequences,
    level_width: float | None = None,
) -> dict[str, float]:
    """Fits and scores the baselines of a medium.

    Args:
        medium: what the data mean.
        train: prepared arrays `[T_i, D]` to fit on.
        validation: prepared arrays to score.
        level_width: width of a discrete level in units of x, for a model that has probabilities of
            levels; None for other models.

    Returns:
        `{name: nats per sequence}`, means over the validation sequences.
    """
    if isinstance(medium, Text):
        return _text(train, validation, len(medium.charset))
    scores = _OF_KIND[medium.kind](train, validation)
    if level_width is None:
        return scores
    # The probability of a narrow level is the density in it times its width.
    samples = store.lengths(validation).mean() * validation[0].shape[-1]
    return {name: nats + samples * math.log(level_width) for name, nats in scores.items()}


def _strokes(train: Sequences, validation: Sequences) -> dict[str, float]:
    pen = _frequencies([x[:, 2] for x in train], 3)
    pens = [np.log(pen[x[:, 2].astype(int)]).sum() for x in validation]
    offsets, scored_offsets = [x[:, :2] for x in train], [x[:, :2] for x in validation]
    jumps, scored_jumps = [_is_jump(x) for x in train], [_is_jump(x) for x in validation]
    iid = _autoregression(offsets, scored_offsets, 0)
    ar2 = _autoregression(offsets, scored_offsets, 2, jumps, scored_jumps)
    return {"iid": float(np.mean(pens)) + iid, "ar2": float(np.mean(pens)) + ar2}


def _is_jump(x: np.ndarray) -> np.ndarray:
    """`[T]`, 1 where the row before lifted the pen."""
    return np.concatenate([[0], x[:-1, 2] > 0.0]).astype(int)


def _audio(train: Sequences, validation: Sequences) -> dict[str, float]:
    waves = [x.reshape(-1, 1) for x in train]
    scored_waves = [x.reshape(-1, 1) for x in validation]
    return {
        "iid": _autoregression(waves, scored_waves, 0),
        f"ar{_ORDER_OF_SPEECH}": _autoregression(waves, scored_waves, _ORDER_OF_SPEECH),
    }


def _pianoroll(train: Sequences, validation: Sequences) -> dict[str, float]:
    steps = sum(map(len, train))
    held = np.sum([x.sum(axis=0, dtype=np.float64) for x in train], axis=0)
    on = (held + _PSEUDO_COUNT) / (steps + 2 * _PSEUDO_COUNT)
    nats = [(x @ np.log(on) + (1 - x) @ np.log1p(-on)).sum() for x in validation]
    return {"iid": float(np.mean(nats))}


def _text(train: Sequences, validation: Sequences, size: int) -> dict[str, float]:
    unigram = _frequencies([x[:, 0] for x in train], size)
    pairs = np.zeros((size, size))
    for x in train:
        np.add.at(pairs, (x[:-1, 0].astype(int), x[1:, 0].astype(int)), 1.0)
    # After a character that seldom or never stands first, the frequencies of all characters count.
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

    x is 0 before the start. The state s of a step is an integer that chooses A and S. All steps
    have one state if the states are None. A state that training hardly shows shares the A and S of
    all steps.
    """
    train_states = train_states or [np.zeros(len(x), int) for x in train]
    validation_states = validation_states or [np.zeros(len(x), int) for x in validation]
    number = 1 + max(int(s.max()) for s in (*train_states, *validation_states))
    moments = [_Moments(order, train[0].shape[1]) for _ in range(number)]
    for x, state in _enough(train, train_states):
        for past, now, state_now in _blocks(x, order, state):
            for s, of_state in enumerate(moments):
                of_state.add(past[state_now == s], now[state_now == s])
    everything = sum(moments[1:], moments[0])
    fits = [(m if m.steps > 2 * len(m.gram) else everything).fit() for m in moments]
    nats = np.zeros(len(validation))
    for i, (x, state) in enumerate(zip(validation, validation_states, strict=True)):
        for past, now, state_now in _blocks(x, order, state):
            for s, (weights, precision, constant) in enumerate(fits):
                error = (now - past @ weights)[state_now == s]
                nats[i] += len(error) * constant
                nats[i] -= 0.5 * np.einsum("ti,ij,tj->", error, precision, error)
    return float(nats.mean())


class _Moments:
    """The sums over steps that a linear regression needs."""

    def __init__(self, order: int, size: int):
        self.order, self.size, self.steps = order, size, 0
        width = 1 + order * size
        self.gram = np.zeros((width, width))
        self.cross = np.zeros((width, size))
        self.power = np.zeros((size, size))

    def add(self, past: np.ndarray, now: np.ndarray) -> None:
        """Adds steps: `[n, 1 + order * size]` of the past, `[n, size]` of the present."""
        self.gram += past.T @ past
        self.cross += past.T @ now
        self.power += now.T @ now
        self.steps += len(now)

    def __add__(self, other: _Moments) -> _Moments:
        total = _Moments(self.order, self.size)
        for name in ("gram", "cross", "power", "steps"):
            setattr(total, name, getattr(self, name) + getattr(other, name))
        return total

    def fit(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Returns the weights, the inverse covariance, and the log density at the mean."""
        weights = np.linalg.lstsq(self.gram, self.cross, rcond=None)[0]
        covariance = (self.power - weights.T @ self.gram @ weights) / self.steps
        size = self.size
        # Keeps the variance above 0 despite rounding and features that are exactly predictable.
        covariance += 1e-9 * np.trace(self.power) / (size * self.steps) * np.eye(size)
        constant = -0.5 * (size * math.log(2 * math.pi) + np.linalg.slogdet(covariance)[1])
        return weights, np.linalg.inv(covariance), float(constant)


def _enough(train: Sequences, states: Sequences) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Sequences with their states, until there are `_ENOUGH_STEPS`."""
    steps = 0
    for x, state in zip(train, states, strict=True):
        if steps >= _ENOUGH_STEPS:
            return
        yield x, state
        steps += len(x)


def _blocks(
    x: np.ndarray, order: int, state: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Blocks of the past, the present `[n, D]` and the states `[n]` of steps, in float64.

    The past `[n, 1 + order * D]` is a one, then the last `order` steps. That of a whole recording
    could fill the memory.
    """
    for start in range(0, len(x), _BLOCK):
        now = x[start : start + _BLOCK].astype(np.float64)
        before = x[max(start - order, 0) : start]
        missing = np.zeros((order - len(before), x.shape[1]))
        padded = np.concatenate([missing, before, now])
        lags = [padded[order - lag : order - lag + len(now)] for lag in range(1, order + 1)]
        past = np.concatenate([np.ones((len(now), 1)), *lags], axis=1)
        yield past, now, state[start : start + _BLOCK]
