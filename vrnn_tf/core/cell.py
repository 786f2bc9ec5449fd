"""One time step of a VRNN: Eqs. (5), (6), (7) and (9) of arXiv:1506.02216.

`observe_step` reads x_t: a model is trained, scored and primed with it. `generate_step` writes x_t.
Both are written once, over the interface `StepParts`. `VRNNCell` is the cell that
`keras.layers.RNN` runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import keras
from keras import ops, tree

from vrnn_tf.core.gaussian import DiagonalGaussian
from vrnn_tf.core.networks import build_once
from vrnn_tf.core.recurrent_core import check_core, core_output_size
from vrnn_tf.packing import Packing

# Stands for a Gaussian that a step does not have: a prior that is computed for all steps after the
# loop, or prior and posterior of a model without a latent variable.
DEFERRED = DiagonalGaussian(None, None)


class Latent(NamedTuple):
    """What a step that observes x_t says about z_t. All is empty without a latent variable.

    Attributes:
        prior: Eq. (5), or `DEFERRED`.
        posterior: Eq. (9).
        z: a draw from the posterior, `[B, Z]`; None without a latent variable.
        phi_z: phi_z(z); None likewise.
    """

    prior: DiagonalGaussian = DEFERRED
    posterior: DiagonalGaussian = DEFERRED
    z: Any = None
    phi_z: Any = None


class StepParts(Protocol):
    """The parts of a time step. The parts together are p and q of Eqs. (5), (6), (7) and (9).

    `CellParts` computes them with Keras layers. `vrnn_tf.loop.hoisted.HoistedParts` computes the
    same numbers inside of the fast loop, from products that were taken out of it.

    Attributes:
        latent_size: Z; 0 for a model without a latent variable.
    """

    latent_size: int

    def hidden(self, states: Sequence) -> Any:
        """h_{t-1} `[B, H]`, from the states before the step."""

    def prior(self, h_tm1) -> DiagonalGaussian:
        """Eq. (5): p(z_t | x_<t, z_<t). `DEFERRED` if nothing inside of this loop reads it."""

    def posterior(self, features, h_tm1, prior: DiagonalGaussian) -> DiagonalGaussian:
        """Eq. (9): q(z_t | x_<=t, z_<t). `features` `[B, F + L]` is what it reads of x."""

    def phi_z(self, z) -> Any:
        """phi_z(z_t)."""

    def decode(self, phi_z, h_tm1) -> Any:
        """Eq. (6): the raw parameters of p(x_t | z_<=t, x_<t), float32 `[B, P]`."""

    def recur(self, phi_x, phi_z, states: Sequence) -> list:
        """Eq. (7): the states after x_t and z_t."""


def observe_step(
    parts: StepParts, phi_x, posterior_features, noise, states: Sequence
) -> tuple[Latent, list]:
    """Reads x_t: draws z_t from the posterior and goes on to the next states.

    Args:
        parts: the parts of the step.
        phi_x: phi_x(x_t), `[B, F]`. None if the parts have read it before the loop.
        posterior_features: what the posterior reads of x, `[B, F + L]`. None likewise.
        noise: standard normal noise of z, `[B, Z]`. None without a latent variable.
        states: the states before the step, each `[B, size]`.

    Returns:
        What the step says about z_t, and the states after it.
    """
    if not parts.latent_size:
        return Latent(), parts.recur(phi_x, None, states)
    h_tm1 = parts.hidden(states)
    prior = parts.prior(h_tm1)
    posterior = parts.posterior(posterior_features, h_tm1, prior)
    z = posterior.sample(noise)
    phi_z = parts.phi_z(z)
    return Latent(prior, posterior, z, phi_z), parts.recur(phi_x, phi_z, states)


def generate_step(
    parts: StepParts, phi_x: Callable, draw: Callable, noise, states: Sequence
) -> tuple[Any, list]:
    """Writes x_t: draws z_t from the prior and x_t from the decoder, and goes on.

    Args:
        parts: the parts of the step.
        phi_x: x `[B, D]` to phi_x(x).
        draw: raw parameters `[B, P]` to a draw x `[B, D]`.
        noise: standard normal noise of z, `[B, Z]`. None without a latent variable.
        states: the states before the step, each `[B, size]`.

    Returns:
        x_t `[B, D]` and the states after the step.
    """
    h_tm1, phi_z = parts.hidden(states), None
    if parts.latent_size:
        phi_z = parts.phi_z(parts.prior(h_tm1).sample(noise))
    x = draw(parts.decode(phi_z, h_tm1))
    return x, parts.recur(phi_x(x), phi_z, states)


@keras.saving.register_keras_serializable(package="vrnn_tf")
class VRNNCell(keras.layers.Layer):
    """One step of a variational recurrent neural network, for `keras.layers.RNN`.

    Prior, posterior and decoder all read h_{t-1}, never h_t:

        prior       z_t       ~ N(loc, scale^2),  loc, scale = phi_prior(h_{t-1})              (5)
        generation  x_t | z_t ~ p(x; phi_dec(phi_z(z_t), h_{t-1})), see `CellParts`            (6)
        recurrence  h_t       = f(phi_x(x_t), phi_z(z_t), h_{t-1})                             (7)
        posterior   z_t | x_t ~ N(loc, scale^2),  loc, scale = phi_enc(phi_x(x_t), h_{t-1})    (9)

    A posterior that looks ahead also reads features of x_t .. x_T. The recurrence and the prior
    never do.

    The cell draws nothing. The noise of z comes in beside phi_x(x_t), so the cell is a
    deterministic function that runs, differentiates and converts like any other.

    A `VRNN` owns a cell and runs it through `vrnn_tf.Recurrence`. In training that layer does not
    call this cell step by step: `vrnn_tf.loop.hoisted` takes out of the loop what need not wait,
    and runs the rest through the same `observe_step` as `call` does. Where it cannot,
    `Recurrence.plain_reason` says why, and `call` runs at every step.

    Args:
        core: f, any Keras recurrent cell; `keras.layers.StackedRNNCells` for a stack. h is its
            output.
        posterior_network: `[features, h_{t-1}] -> DiagonalGaussian`, where the features are
            phi_x(x_t) and what lies ahead. None for a model without a latent variable (RNN-Gauss,
            RNN-GMM).
        prior_network: `h_{t-1} -> DiagonalGaussian`; None for z ~ N(0, I) (VRNN-I).
        phi_z: any layer. A cell with a posterior needs it.
        latent_size: Z; 0 without a posterior.
        residual_posterior: whether the posterior's mean is relative to the prior's.
        lookahead_size: L, the size of what the posterior reads beside phi_x(x_t); 0 for Eq. (9).

    Call arguments:
        inputs: `[B, F + L + Z]`: phi_x(x_t), what lies ahead, standard normal noise, side by side.
        states: `[h_{t-1} [B, H], *core states]`.

    Output shape:
        `[B, output_size]`, packed: unpack it with `output_packing` into prior_loc, prior_scale,
        posterior_loc, posterior_scale, z (each Z) and h_tm1 (H). Without a latent variable only
        h_tm1.

    Masking:
        `keras.layers.RNN` holds the states over masked steps and repeats the last output there.

    Raises:
        ValueError: if the parts do not fit together, if the core computes in another dtype, or if
            it has dropout (its masks would be drawn inside the loop; noise has to come in as data).

    Example:

    >>> import numpy as np
    >>> from vrnn_tf.core.gaussian import GaussianNetwork
    >>> cell = VRNNCell(
    ...     keras.layers.LSTMCell(8),
    ...     posterior_network=GaussianNetwork(keras.layers.Dense(4), latent_size=2, min_scale=1e-4),
    ...     phi_z=keras.layers.Dense(3, activation="relu"),
    ...     latent_size=2,
    ... )
    >>> phi_x, noise = np.zeros((1, 5, 6), "float32"), np.zeros((1, 5, 2), "float32")
    >>> layer = keras.layers.RNN(cell, return_sequences=True)
    >>> packed = layer(np.concatenate([phi_x, noise], axis=-1))
    >>> cell.output_packing.unpack(packed)["z"].shape
    TensorShape([1, 5, 2])
    """

    def __init__(
        self,
        core: keras.Layer,
        posterior_network: keras.Layer | None = None,
        prior_network: keras.Layer | None = None,
        phi_z: keras.Layer | None = None,
        latent_size: int = 0,
        residual_posterior: bool = False,
        lookahead_size: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_core(core, self.compute_dtype)
        if (latent_size > 0) != (posterior_network is not None) or (latent_size > 0) != (
            phi_z is not None
        ):
            raise ValueError(
                "A cell with latent_size > 0 needs posterior_network and phi_z, one with "
                f"latent_size = 0 takes neither. Received latent_size={latent_size}, "
                f"posterior_network={posterior_network}, phi_z={phi_z}."
            )
        self.core = core
        self.posterior_network: Any = posterior_network
        self.prior_network: Any = prior_network
        self.phi_z: Any = phi_z
        self.latent_size = latent_size
        self.residual_posterior = residual_posterior
        self.lookahead_size = lookahead_size
        self.hidden_size = core_output_size(core)
        self.state_size = [self.hidden_size, *tree.flatten(core.state_size)]
        latent = ("prior_loc", "prior_scale", "posterior_loc", "posterior_scale", "z")
        sizes = dict.fromkeys(latent, latent_size) if latent_size else {}
        self.output_packing = Packing({**sizes, "h_tm1": self.hidden_size})
        self.output_size = self.output_packing.size

    def build(self, input_shape):
        features = input_shape[-1] - self.lookahead_size - self.latent_size
        phi_z_size = 0
        if self.latent_size:
            build_once(self.phi_z, (None, self.latent_size))
            phi_z_size = self.phi_z.compute_output_shape((None, self.latent_size))[-1]
            read = features + self.lookahead_size + self.hidden_size
            build_once(self.posterior_network, (None, read))
        if self.prior_network is not None:
            build_once(self.prior_network, (None, self.hidden_size))
        build_once(self.core, (None, features + phi_z_size))

    def call(self, inputs, states):
        phi_x, features, noise = self.split_inputs(inputs)
        latent, after = observe_step(CellParts(self), phi_x, features, noise, states)
        values = {"h_tm1": states[0]} | named_latent(latent)
        return self.output_packing.pack(values), after

    def split_inputs(self, inputs) -> tuple[Any, Any, Any]:
        """The call's inputs `[..., F + L + Z]` as phi_x(x), posterior features and noise."""
        if not self.latent_size:
            return inputs, None, None
        sizes = {"features": inputs.shape[-1] - self.latent_size, "noise": self.latent_size}
        named = Packing(sizes).unpack(inputs)
        phi_x = features = named["features"]
        if self.lookahead_size:
            sizes = {"phi_x": sizes["features"] - self.lookahead_size, "ahead": self.lookahead_size}
            phi_x = Packing(sizes).unpack(features)["phi_x"]
        return phi_x, features, named["noise"]

    def prior(self, h_tm1: keras.KerasTensor) -> DiagonalGaussian:
        """Eq. (5): p(z_t | x_<t, z_<t), from h_{t-1} `[B, H]`."""
        if self.prior_network is not None:
            return self.prior_network(h_tm1)
        # A product, because the number of rows may not be known before the step runs.
        zeros = ops.zeros_like(h_tm1[..., :1]) * ops.zeros((self.latent_size,), h_tm1.dtype)
        return DiagonalGaussian(zeros, zeros + 1.0)

    def posterior(self, features, h_tm1, prior: DiagonalGaussian) -> DiagonalGaussian:
        """Eq. (9): q(z_t | x_<=t, z_<t), from h_{t-1} `[B, H]` and `features` `[B, F + L]`.

        `features` is phi_x(x_t) and, for q(z_t | x_<=T, z_<t), what lies ahead.
        """
        network_output = self.posterior_network(ops.concatenate([features, h_tm1], axis=-1))
        return self.place_posterior(network_output, prior)

    def place_posterior(
        self, network_output: DiagonalGaussian, prior: DiagonalGaussian
    ) -> DiagonalGaussian:
        """The posterior, from what its network says: relative to the prior if it is residual."""
        return network_output.relative_to(prior) if self.residual_posterior else network_output

    def recur(self, phi_x, phi_z, states) -> list:
        """Eq. (7): the states after x_t and z_t. `phi_z` is None without a latent variable."""
        features = phi_x if phi_z is None else ops.concatenate([phi_x, phi_z], axis=-1)
        core_states = tree.pack_sequence_as(self.core.state_size, list(states[1:]))
        if not tree.is_nested(core_states):
            core_states = [core_states]
        h, core_states = self.core(features, core_states)
        return [h, *tree.flatten(core_states)]

    def get_initial_state(self, batch_size=None) -> list:
        """Zeros: `[h, *core states]`, each `[B, size]`."""
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in self.state_size]

    def get_config(self) -> dict[str, Any]:
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in _PARTS}
        return {
            **super().get_config(),
            **parts,
            "latent_size": self.latent_size,
            "residual_posterior": self.residual_posterior,
            "lookahead_size": self.lookahead_size,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> VRNNCell:
        parts = {name: keras.saving.deserialize_keras_object(config[name]) for name in _PARTS}
        return cls(**{**config, **parts})


_PARTS = ("core", "posterior_network", "prior_network", "phi_z")


class CellParts:
    """The `StepParts` of a `VRNNCell` and of the decoder that reads its z and h.

    The decoder stands beside the cell, because in training it runs once for all steps, after the
    loop over the cell.

    Args:
        cell: the cell.
        decoder: `[phi_z(z_t), h_{t-1}] -> raw parameters`; None if `decode` is never called.
    """

    def __init__(self, cell: VRNNCell, decoder: keras.Layer | None = None):
        self.latent_size = cell.latent_size
        self.prior, self.posterior, self.recur = cell.prior, cell.posterior, cell.recur
        self.phi_z: Callable = cell.phi_z
        self.decoder: Any = decoder

    def hidden(self, states):
        """h_{t-1} `[B, H]`, the first of the states."""
        return states[0]

    def decode(self, phi_z, h_tm1):
        """Eq. (6): raw parameters of the likelihood, float32 `[..., P]`.

        `phi_z` `[..., F]` is None without a latent variable, h_{t-1} is `[..., H]`.
        """
        features = h_tm1 if phi_z is None else ops.concatenate([phi_z, h_tm1], axis=-1)
        return ops.cast(self.decoder(features), "float32")


def named_latent(latent: Latent) -> dict[str, Any]:
    """What a step, or all steps, say about z, under the names of `VRNNCell.output_packing`."""
    if latent.z is None:
        return {}
    return {
        "prior_loc": latent.prior.loc,
        "prior_scale": latent.prior.scale,
        "posterior_loc": latent.posterior.loc,
        "posterior_scale": latent.posterior.scale,
        "z": latent.z,
    }
