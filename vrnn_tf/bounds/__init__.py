"""Lower bounds on log p(x): the ELBO of Eq. (11), IWAE and FIVO."""

from vrnn_tf.bounds.bound import NAMES, RESAMPLING, Bound, get
from vrnn_tf.bounds.evidence_lower_bound import (
    Elbo,
    count_rows,
    elbo,
    kl_divergence,
    with_free_bits,
    zero_masked,
)
from vrnn_tf.bounds.particles import particle_bound, particle_filter

__all__ = [
    "NAMES",
    "RESAMPLING",
    "Bound",
    "Elbo",
    "count_rows",
    "elbo",
    "get",
    "kl_divergence",
    "particle_bound",
    "particle_filter",
    "with_free_bits",
    "zero_masked",
]
