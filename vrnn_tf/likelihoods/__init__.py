"""p(x_t | z_<=t, x_<t), Eq. (6): the families of densities that a decoder can parameterise."""

from vrnn_tf.likelihoods.likelihood import (
    LARGEST,
    MAX_CORRELATION,
    MIN_SCALE,
    AutoregressiveBernoulli,
    Bernoulli,
    BivariateGaussianMixture,
    Categorical,
    DiscretizedLogisticMixture,
    Gaussian,
    GaussianMixture,
    Likelihood,
    get,
    names,
    register,
)

__all__ = [
    "LARGEST",
    "MAX_CORRELATION",
    "MIN_SCALE",
    "AutoregressiveBernoulli",
    "Bernoulli",
    "BivariateGaussianMixture",
    "Categorical",
    "DiscretizedLogisticMixture",
    "Gaussian",
    "GaussianMixture",
    "Likelihood",
    "get",
    "names",
    "register",
]
