"""A `VRNNCell` as affine maps, for a loop that computes only what has to wait for the step before.

The chain of posterior, z, phi_z and recurrence must wait for the step before (Eqs. 7, 9). What the
posterior and the core make of phi_x(x_t) is one product for all steps before the loop. In training,
the prior (Eq. 5) and the decoder (Eq. 6) are products for all steps after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from vrnn_tf.core.cell import DEFERRED, Latent, VRNNCell, named_latent, observe_step
from vrnn_tf.core.gaussian import DiagonalGaussian, GaussianNetwork
from vrnn_tf.core.networks import FeedForward
from vrnn_tf.loop.gates import GATES, affine, with_prefix

if TYPE_CHECKING:
    from vrnn_tf.loop.scan import Affine


class HoistedCell:
    """A `VRNNCell` as affine maps that are named, and the functions between them.

    Args:
        cell: a cell for which `unhoistable_part` finds nothing.
        decoder: a decoder that is also needed inside of the loop. The prior is then needed there
            as well. With None, both run once, after the loop.
    """

    def __init__(self, cell: VRNNCell, decoder: FeedForward | None = None):
        self.cell = cell
        self.cores = _cores(cell)
        sizes = [len(keras.tree.flatten(core.state_size)) for core in self.cores]
        self.h = sum(sizes[:-1])  # the number of the state that the other networks read
        self.slices = [slice(sum(sizes[:i]), sum(sizes[: i + 1])) for i in range(len(sizes))]
        self.needs_prior = _needs_prior(cell, decoder)
        networks = _networks(cell, decoder)
        self.chains = {name: _body(network).layers for name, network in networks.items()}
        last = f"posterior/{len(self.chains.get('posterior', ())) - 1}"
        self.outputs = [last] if cell.latent_size else []

    def maps(self, phi_x, posterior_features) -> dict[str, Affine]:
        """The maps by name.

        Args:
            phi_x: phi_x(x) of all steps, `[T, B, F]`.
            posterior_features: what the posterior reads of x, `[T, B, F + L]`, or None.
        """
        dtype, maps = self.cell.compute_dtype, {}
        for chain, layers in self.chains.items():
            for i, layer in enumerate(layers):
                inputs = posterior_features if (chain, i) == ("posterior", 0) else None
                maps[f"{chain}/{i}"] = affine(layer.kernel, layer.bias, inputs, dtype)
        for i, core in enumerate(self.cores):
            inputs = phi_x if i == 0 else None
            for name, mapped in GATES[type(core)].maps(core, inputs, dtype).items():
                maps[f"core/{i}/{name}"] = mapped
        return maps

    def observe(self, apply: Callable, inputs: list, states: list) -> list:
        """`observe_step` for `scan`: from the core's states `[B, S]` to the next ones."""
        noise = inputs[0] if inputs else None
        return observe_step(HoistedParts(self, apply), None, None, noise, states)[1]

    def latent_values(self, h_tm1, raw, noise) -> dict[str, Any]:
        """Eqs. (5) and (9) for all steps after the loop, `{name: [T, B, Z]}`.

        Args:
            h_tm1: `[T, B, H]`.
            raw: `[T, B, 2 Z]`, the values of the posterior's last map.
            noise: `[T, B, Z]`.
        """
        rows = ops.reshape(
            h_tm1, (-1, self.cell.hidden_size)
        )  # `[T B, H]`: networks expect the rank that a step has
        prior = DiagonalGaussian(
            *(ops.reshape(part, ops.shape(noise)) for part in self.cell.prior(rows))
        )
        last = self.chains["posterior"][-1]
        network_output = self.cell.posterior_network.constrain(last.activation(raw))
        posterior = self.cell.place_posterior(network_output, prior)
        return named_latent(Latent(prior, posterior, posterior.sample(noise), None))


class HoistedParts:
    """The `StepParts` of a step inside of `scan`, whose maps have read phi_x(x_t) already.

    Args:
        hoisted: the cell, and perhaps the decoder.
        apply: `(name, *operands) -> value of the map`, see `scan`.
    """

    def __init__(self, hoisted: HoistedCell, apply: Callable):
        self.hoisted, self.cell, self.apply = hoisted, hoisted.cell, apply
        self.latent_size = hoisted.cell.latent_size

    def hidden(self, states: Sequence):
        """h_{t-1} `[B, H]`, one of the core's states."""
        return states[self.hoisted.h]

    def prior(self, h_tm1) -> DiagonalGaussian:
        """Eq. (5), or `DEFERRED`."""
        if not self.hoisted.needs_prior:
            return DEFERRED
        if self.cell.prior_network is None:
            return self.cell.prior(h_tm1)
        return self.cell.prior_network.constrain(self._chain("prior", h_tm1))

    def posterior(self, features, h_tm1, prior: DiagonalGaussian) -> DiagonalGaussian:
        """Eq. (9)."""
        raw = self._chain("posterior", h_tm1)
        return self.cell.place_posterior(self.cell.posterior_network.constrain(raw), prior)

    def phi_z(self, z):
        """phi_z(z_t)."""
        return self._chain("phi_z", z)

    def decode(self, phi_z, h_tm1):
        """Eq. (6), float32 `[B, P]`."""
        features = [h_tm1] if phi_z is None else [phi_z, h_tm1]
        return ops.cast(self._chain("decoder", *features), "float32")

    def recur(self, phi_x, phi_z, states: Sequence) -> list:
        """Eq. (7): the core's next states."""
        features, after = [] if phi_z is None else [phi_z], []
        for i, (core, part) in enumerate(zip(self.hoisted.cores, self.hoisted.slices, strict=True)):
            gates = with_prefix(self.apply, f"core/{i}/")
            after += GATES[type(core)].next_states(core, gates, features, states[part])
            features = [after[part.start]]
        return after

    def _chain(self, chain: str, *features):
        """The output of a network of Dense layers, from the features that the loop gives it."""
        for i, layer in enumerate(self.hoisted.chains[chain]):
            features = (layer.activation(self.apply(f"{chain}/{i}", *features)),)
        return features[0]


def unhoistable_part(cell: VRNNCell, decoder: FeedForward | None = None) -> str | None:
    """The part of a cell (and its decoder) that is no row of affine maps; None if there is none."""
    if not _is(cell, VRNNCell):
        return f"{type(cell).__name__} is a subclass of VRNNCell"
    for core in _cores(cell):
        if type(core) not in GATES or not _is_simple(core):
            return f"the core has a {type(core).__name__}"
        if _is(core, keras.layers.GRUCell) and not core.reset_after:
            return "the core has a GRUCell with reset_after=False"
    for name, network in _networks(cell, decoder).items():
        parameterises_z = name in ("posterior", "prior")
        if parameterises_z != _is(network, GaussianNetwork) or not _is_chain(_body(network)):
            return f"{name} is not made of Dense layers"
        if name != "phi_z" and not _body(network).layers:
            return f"{name} has no layer"  # the identity of several features has no map
    return None


def _cores(cell: VRNNCell) -> list[keras.Layer]:
    return list(cell.core.cells) if _is(cell.core, keras.layers.StackedRNNCells) else [cell.core]


def _networks(cell: VRNNCell, decoder: FeedForward | None) -> dict[str, Any]:
    """The networks that run inside of the loop."""
    networks: dict[str, Any] = {}
    if cell.latent_size:
        networks = {"posterior": cell.posterior_network, "phi_z": cell.phi_z}
    if _needs_prior(cell, decoder) and cell.prior_network is not None:
        networks["prior"] = cell.prior_network
    if decoder is not None:
        networks["decoder"] = decoder
    return networks


def _needs_prior(cell: VRNNCell, decoder: FeedForward | None) -> bool:
    """Whether the loop reads the prior: for a residual posterior, or beside a decoder."""
    return cell.residual_posterior or decoder is not None


def _body(network: Any) -> Any:
    return network.body if isinstance(network, GaussianNetwork) else network


def _is(layer: Any, kind: type) -> bool:
    return type(layer) is kind  # a subclass may compute something else


def _is_chain(network: Any) -> bool:
    return _is(network, FeedForward) and all(
        _is(layer, keras.layers.Dense) and not layer.lora_enabled and _is_simple(layer)
        for layer in network.layers
    )


def _is_simple(layer: keras.Layer) -> bool:
    """Whether a layer is its kernel, its bias and functions without weights or side effects."""
    functions = [layer.activation, getattr(layer, "recurrent_activation", None)]
    return (
        layer.activity_regularizer is None
        and getattr(layer, "quantization_mode", None) is None
        and not any(isinstance(function, keras.Layer) for function in functions)
    )
