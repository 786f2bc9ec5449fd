"""Builds the layers of a VRNN from its arguments, each with initial weights of its own seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras

from vrnn_tf.core.cell import VRNNCell
from vrnn_tf.core.gaussian import GaussianNetwork, gaussian_packing
from vrnn_tf.core.initialization import Initialization
from vrnn_tf.core.networks import FeedForward, SymbolEmbedding, hidden_layers, packed_output
from vrnn_tf.core.recurrent_core import core_output_size
from vrnn_tf.likelihoods import Likelihood
from vrnn_tf.validation import check_choice, check_integer, check_widths

NETWORKS = ("phi_x", "phi_z", "prior", "posterior", "decoder")
DEFAULT_WIDTH = 150


class Posterior(NamedTuple):
    """What the argument `posterior` of `VRNN` stands for.

    Attributes:
        is_residual: whether its mean is relative to the prior's.
        smooths: whether it also reads x_t .. x_T, through a recurrence that runs backwards.
    """

    is_residual: bool
    smooths: bool


POSTERIORS = {
    "filtering": Posterior(is_residual=False, smooths=False),
    "smoothing": Posterior(is_residual=False, smooths=True),
    "residual": Posterior(is_residual=True, smooths=False),
    "residual_smoothing": Posterior(is_residual=True, smooths=True),
}


class Construction:
    """Makes the layers of one model. The order of the calls decides the seeds of their weights.

    The core, which is made before, has the first seeds.

    Args:
        likelihood: whose parameters the decoder gives.
        latent_size: Z.
        widths: `{network: widths of its hidden layers}`, for every name of `NETWORKS`.
        activation: of the hidden layers.
        min_scale: the floor of the scales of prior and posterior.
        initialization: hands out the initialisers.
    """

    def __init__(
        self,
        likelihood: Likelihood,
        latent_size: int,
        widths: Mapping[str, Sequence[int]],
        activation: str | Callable,
        min_scale: float,
        initialization: Initialization,
    ):
        self.likelihood, self.latent_size, self.widths = likelihood, latent_size, widths
        self.activation, self.min_scale = activation, min_scale
        self.initialization, self.dtype = initialization, initialization.dtype

    def phi_x(self, embedding_size: int | None, seed: int) -> FeedForward:
        """phi_x, which begins with an embedding if x holds symbols."""
        symbols = self.likelihood.num_symbols
        if symbols is None or embedding_size is None:
            return self._network("phi_x")
        embedding = SymbolEmbedding(symbols, embedding_size, seed=seed, dtype=self.dtype)
        return self._network("phi_x", first=[embedding])

    def lookahead(self, posterior: Posterior, core: keras.Layer) -> keras.layers.RNN | None:
        """The backward recurrence over phi_x(x) of a posterior that smooths; None for others."""
        if not (self.latent_size and posterior.smooths):
            return None
        size = [*self.widths["posterior"], core_output_size(core)][0]
        return keras.layers.RNN(
            self.initialization.recurrent_cell("gru", size),
            return_sequences=True,
            go_backwards=True,
            name="lookahead",
            dtype=self.dtype,
        )

    def cell(
        self,
        core: keras.Layer,
        posterior: Posterior,
        has_prior_network: bool,
        lookahead: keras.layers.RNN | None,
    ) -> VRNNCell:
        """The cell of Eqs. (5), (7) and (9)."""
        if not self.latent_size:
            return VRNNCell(core, dtype=self.dtype)
        return VRNNCell(
            core,
            posterior_network=self._gaussian("posterior"),
            prior_network=self._gaussian("prior") if has_prior_network else None,
            phi_z=self._network("phi_z"),
            latent_size=self.latent_size,
            residual_posterior=posterior.is_residual,
            lookahead_size=0 if lookahead is None else lookahead.cell.units,
            dtype=self.dtype,
        )

    def decoder(self) -> FeedForward:
        """The decoder of Eq. (6)."""
        packing, scales = self.likelihood.packing, self.likelihood.scale_names
        return self._network("decoder", last=[packed_output(packing, scales, self.initialization)])

    def _gaussian(self, name: str) -> GaussianNetwork:
        packing = gaussian_packing(self.latent_size)
        output = packed_output(packing, ("raw_scale",), self.initialization)
        body = self._network(name, last=[output])
        return GaussianNetwork(body, self.latent_size, self.min_scale, name=name, dtype=self.dtype)

    def _network(self, name: str, first: Sequence = (), last: Sequence = ()) -> FeedForward:
        hidden = hidden_layers(self.widths[name], self.activation, self.initialization)
        return FeedForward([*first, *hidden, *last], name=name, dtype=self.dtype)


def widths_by_network(hidden_units: Any) -> dict[str, tuple[int, ...]]:
    """The argument `hidden_units` of `VRNN` as `{network: widths}`.

    Raises:
        ValueError: if a name is unknown or a width is no positive integer.
    """
    if not isinstance(hidden_units, Mapping):
        hidden_units = dict.fromkeys(NETWORKS, hidden_units)
    for name in hidden_units:
        check_choice("hidden_units", name, NETWORKS)
    return {
        name: check_widths(f"hidden_units[{name!r}]", hidden_units.get(name, DEFAULT_WIDTH))
        for name in NETWORKS
    }


def check_embedding_size(embedding_size: int | None, likelihood: Likelihood) -> int | None:
    """Returns the size; raises ValueError unless it is there exactly if x holds symbols."""
    if (embedding_size is None) != (likelihood.num_symbols is None):
        raise ValueError(
            "`embedding_size` goes with a likelihood of symbols (categorical), and only with "
            f"one. Received embedding_size={embedding_size} for {likelihood}."
        )
    return None if embedding_size is None else check_integer("embedding", embedding_size, 1)
