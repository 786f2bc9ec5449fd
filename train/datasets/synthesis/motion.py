"""Moves the pen along a path. Lengths are in x-heights."""

from __future__ import annotations

import numpy as np

from .hands import Hand

_SAMPLE_STEP = 0.04  # spacing of the dense path that stands in for the continuous curve
_TREMOR_STEP = 0.3  # correlation length of the tremor
_RAMP = 0.5  # path length over which the pen gathers its speed
_STRAIGHT = 0.2  # curvature below which the pen runs no faster, 1 / x-height


def write(path: np.ndarray, hand: Hand, time_step: float, rng: np.random.Generator) -> np.ndarray:
    """Moves the pen along a polyline `[n, 2]`. Returns its places `[m, 2]` at equal time steps.

    Args:
        path: the polyline.
        hand: the writer.
        time_step: in the unit of `_dwell`.
        rng: draws the tremor.
    """
    path = _resample(path)
    path = _smooth(path + _tremor(len(path), hand.tremor, rng), hand.roundness / _SAMPLE_STEP)
    time = np.concatenate([[0.0], np.cumsum(_dwell(path))])
    num_steps = max(1, round(time[-1] / time_step))
    ticks = np.linspace(0.0, time[-1], num_steps + 1)
    return np.stack([np.interp(ticks, time, path[:, i]) for i in range(2)], axis=1)


def _resample(path: np.ndarray) -> np.ndarray:
    """Returns points `[m, 2]`, `_SAMPLE_STEP` apart along the polyline `path` `[n, 2]`."""
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    stops = np.linspace(0.0, length[-1], max(2, round(length[-1] / _SAMPLE_STEP)) + 1)
    return np.stack([np.interp(stops, length, path[:, i]) for i in range(2)], axis=1)


def _tremor(num_points: int, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Returns slow noise `[num_points, 2]` of standard deviation about `scale`."""
    stride = _TREMOR_STEP / _SAMPLE_STEP
    knots = scale * rng.standard_normal((2, int(num_points / stride) + 2))
    places = np.arange(num_points) / stride
    return np.stack([np.interp(places, np.arange(k.size), k) for k in knots], axis=1)


def _smooth(path: np.ndarray, scale: float) -> np.ndarray:
    """Rounds corners of `path` `[n, 2]` by a Gaussian of `scale` samples; end points stay."""
    reach = min(int(3 * scale), len(path) - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / scale) ** 2)
    kernel /= kernel.sum()
    # Reflecting through the end points makes the padded path odd about them: they do not move.
    head = 2 * path[0] - path[reach:0:-1]
    tail = 2 * path[-1] - path[-2 : -reach - 2 : -1]
    padded = np.concatenate([head, path, tail])
    return np.stack([np.convolve(padded[:, i], kernel, mode="valid") for i in range(2)], axis=1)


def _dwell(path: np.ndarray) -> np.ndarray:
    """Returns the time `[n - 1]` the pen spends on each segment of the dense `path` `[n, 2]`.

    Speed is curvature ** (-1/3), the two-thirds power law. Near the ends of the stroke it falls
    with distance ** (2/3), which is how a minimum-jerk movement (distance ~ time ** 3) departs from
    rest. The unit of time is that in which a circle of radius 1 is written at speed 1.
    """
    segments = np.diff(path, axis=0)
    length = np.maximum(np.hypot(*segments.T), 1e-9)  # keeps the direction finite in a cusp
    direction = segments / length[:, None]
    turns = np.hypot(*np.diff(direction, axis=0).T)  # right for a pen that turns back, too
    turns = np.concatenate([turns[:1], turns, turns[-1:]])
    curvature = (turns[:-1] + turns[1:]) / (2.0 * _SAMPLE_STEP)
    speed = np.maximum(curvature, _STRAIGHT) ** (-1.0 / 3.0)
    middle = np.cumsum(length) - 0.5 * length
    from_end = np.minimum(middle, length.sum() - middle)
    return length / (speed * np.minimum(1.0, from_end / _RAMP) ** (2.0 / 3.0))
