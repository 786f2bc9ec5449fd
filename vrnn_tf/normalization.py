"""Normalisation of features as a named object that travels with a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vrnn_tf.validation import check_choice, check_number

NAMES = ("none", "paper", "scalar", "per_dimension")


@dataclasses.dataclass(frozen=True)
class Normalization:
    """`normalised = (raw - mean) / std`, with one mean and one std for each feature.

    Args:
        name: the convention by which mean and std were measured, one of `NAMES`.
        mean: D numbers, raw units.
        std: D positive numbers, raw units. Features that are not normalised have mean 0, std 1.

    Raises:
        ValueError: if the name is unknown, if a number is not finite, if a std is not positive, or
            if `mean` and `std` differ in length.

    Example:

    >>> import numpy as np
    >>> from vrnn_tf.normalization import Normalization
    >>> x = np.array([[1.0, 0.0], [5.0, 1.0]])
    >>> normalization = Normalization.fit("scalar", [x], features=[0])  # the second is a flag
    >>> normalization
    Normalization(name='scalar', mean=(3.0, 0.0), std=(2.0, 1.0))
    >>> normalization.apply(x).tolist()
    [[-1.0, 0.0], [1.0, 1.0]]
    """

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self):
        check_choice("normalization", self.name, NAMES)
        if len(self.mean) != len(self.std) or not self.mean:
            raise ValueError(f"`mean` and `std` must be of one length >= 1. Received {self}.")
        for mean, std in zip(self.mean, self.std, strict=True):
            check_number("mean", mean)
            check_number("std", std, 0.0, strict=True)

    @classmethod
    def fit(
        cls, name: str, sequences: Sequence[np.ndarray], features: Sequence[int]
    ) -> Normalization:
        """Measures mean and std on training sequences.

        "paper" is the convention of arXiv:1506.02216's code for handwriting: one mean and one std
        for all `features`. Their sums run over steps and features, but are divided by the number T
        of steps only: mean = sum(x) / T, std^2 = sum(x^2) / T - mean^2. "scalar" is one mean and
        one std of all values. "per_dimension" is one mean and one std for each feature.

        Args:
            name: one of `NAMES`.
            sequences: arrays `[T_i, D]`, raw units.
            features: the indices of the features that are normalised.

        Raises:
            ValueError: if the name is unknown, if there is no step, or if a feature never varies.
        """
        check_choice("normalization", name, NAMES)
        if not sum(len(x) for x in sequences):
            raise ValueError("Normalisation needs at least one time step. Received none.")
        size = sequences[0].shape[-1]
        mean, std = np.zeros(size), np.ones(size)
        columns = list(features)
        if name != "none" and columns:
            mean[columns], variance = _mean_and_variance(name, sequences, columns)
            std[columns] = np.sqrt(variance)
        return cls(name, tuple(map(float, mean)), tuple(map(float, std)))

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """Normalises raw `[..., D]` to float32; raises ValueError for another D."""
        self._check(raw)
        return ((raw - np.asarray(self.mean)) / np.asarray(self.std)).astype(np.float32)

    def invert(self, normalised: np.ndarray) -> np.ndarray:
        """Returns normalised `[..., D]` to raw units, float32; raises ValueError for another D."""
        self._check(normalised)
        return (normalised * np.asarray(self.std) + np.asarray(self.mean)).astype(np.float32)

    def _check(self, x: np.ndarray) -> None:
        if x.ndim < 1 or x.shape[-1] != len(self.mean):
            raise ValueError(
                f"Sequences must be [..., {len(self.mean)}], one entry for each normalised "
                f"feature. Received shape {x.shape}."
            )

    def log_jacobian(self) -> float:
        """Returns log p(raw) - log p(normalised) of one step, in nats: -sum(log std)."""
        return -float(np.sum(np.log(self.std)))

    def to_dict(self) -> dict[str, Any]:
        """Returns a JSON-able description, from which `from_dict` makes an equal object."""
        return {"name": self.name, "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> Normalization:
        """Makes a normalisation from what `to_dict` returned; raises ValueError otherwise."""
        if not isinstance(config, dict) or set(config) != {"name", "mean", "std"}:
            raise ValueError(f"A normalisation has name, mean and std. Received {config!r}.")
        if not all(isinstance(config[name], list | tuple) for name in ("mean", "std")):
            raise ValueError(f"`mean` and `std` must be lists of numbers. Received {config!r}.")
        mean, std = (tuple(check_number(n, v) for v in config[n]) for n in ("mean", "std"))
        return cls(config["name"], mean, std)


def _mean_and_variance(name: str, sequences: Sequence[np.ndarray], columns: list[int]):
    """Measures the moments of some columns: scalars, or `[len(columns)]` for "per_dimension"."""

    def total(function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Sums over all steps, one sequence at a time: they may not fit in memory."""
        parts = (function(x[:, columns].astype(np.float64)) for x in sequences)
        return np.sum([part.sum(axis=0) for part in parts], axis=0)

    steps, sums = sum(len(x) for x in sequences), total(lambda x: x)
    if name == "paper":
        mean = sums.sum() / steps
        variance = total(np.square).sum() / steps - mean**2
        if not variance > 0.0:  # the sums are of several features, but one mean is subtracted
            raise ValueError(
                "The convention of the paper has no standard deviation for these data: "
                f"std^2 = {variance:g}. Choose normalization 'scalar'."
            )
        return mean, variance
    mean = sums.mean() / steps if name == "scalar" else sums / steps
    squares = total(lambda x: np.square(x - mean)) / steps
    return mean, squares.mean() if name == "scalar" else squares
