"""Which lower bound on log p(x) is meant: its name and its arguments."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from vrnn_tf.validation import check_choice, check_integer, check_number

NAMES = ("elbo", "iwae", "fivo")
"""The names of the bounds."""
RESAMPLING = ("systematic", "multinomial")
"""How FIVO can draw the particles that survive."""


@dataclasses.dataclass(frozen=True)
class Bound:
    """A lower bound on log p(x).

    Args:
        name: "elbo", "iwae" or "fivo".
        num_samples: K of IWAE, N of FIVO; 1 for the ELBO.
        resampling: how FIVO draws the particles that survive, one of `RESAMPLING`.
        ess_threshold: FIVO resamples a sequence's particles once their effective sample size
            1 / sum_n w_n^2 is at most this share of N. 0: never, which is IWAE; 1: at every step.

    Raises:
        ValueError: if an argument is unknown or out of range.

    Example:

    >>> str(Bound("fivo", num_samples=4))
    'fivo-4'
    >>> Bound("fivo", num_samples=4, ess_threshold=0.0).resamples
    False
    """

    name: str = "elbo"
    num_samples: int = 1
    resampling: str = "systematic"
    ess_threshold: float = 0.5

    def __post_init__(self):
        check_choice("bound", self.name, NAMES)
        check_integer("num_samples", self.num_samples, 1)
        check_choice("resampling", self.resampling, RESAMPLING)
        if not 0.0 <= check_number("ess_threshold", self.ess_threshold, 0.0) <= 1.0:
            raise ValueError(f"`ess_threshold` must be at most 1. Received {self.ess_threshold}.")
        if not self.has_particles and self.num_samples != 1:
            raise ValueError(
                f"The ELBO has one sample. Received num_samples={self.num_samples}. Choose "
                "'iwae' or 'fivo'."
            )

    @property
    def has_particles(self) -> bool:
        """Whether a particle filter computes it. The ELBO needs none: its KL has a closed form."""
        return self.name != "elbo"

    @property
    def resamples(self) -> bool:
        """Whether particles are ever drawn anew."""
        return self.name == "fivo" and self.num_samples > 1 and self.ess_threshold > 0.0

    def __str__(self) -> str:
        return f"{self.name}-{self.num_samples}" if self.has_particles else self.name


def get(identifier: str | Mapping[str, Any] | Bound) -> Bound:
    """A bound from its name, from `{"name": name, **arguments}` or from a `Bound`.

    Raises:
        ValueError: if the name or an argument is unknown or out of range.
    """
    if isinstance(identifier, Bound):
        return identifier
    arguments = dict(identifier) if isinstance(identifier, Mapping) else {"name": identifier}
    for name in arguments:
        check_choice("argument of a bound", name, [f.name for f in dataclasses.fields(Bound)])
    return Bound(**arguments)
