"""Lower bounds on log p(x): the ELBO of Eq. (11), IWAE and FIVO."""

from vrnn_tf.bounds.particle_filter import (
    NAMES,
    RESAMPLING,
    Bound,
    get,
    kl_divergence,
    particle_bound,
    particle_filter,
    with_free_bits,
    zero_masked,
)

__all__ = [
    "NAMES",
    "RESAMPLING",
    "Bound",
    "get",
    "kl_divergence",
    "particle_bound",
    "particle_filter",
    "with_free_bits",
    "zero_masked",
]
