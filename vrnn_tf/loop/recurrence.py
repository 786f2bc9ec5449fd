"""Runs a VRNN cell over time, with everything that need not wait for it taken out of the loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from vrnn_tf.core.cell import VRNNCell
from vrnn_tf.core.networks import DiagonalGaussian, FeedForward, GaussianNetwork

if TYPE_CHECKING:
    from vrnn_tf.loop.scan import Affine


@keras.saving.register_keras_serializable(package="vrnn_tf")
class Recurrence(keras.layers.RNN):
    """`keras.layers.RNN` for a `VRNNCell`: the same function, computed faster.

    Only posterior -> z -> phi_z -> recurrence waits for the step before (Eqs. 7, 9). What the
    posterior and the core make of phi_x(x_t) is one matrix product over all steps before the loop;
    the prior (Eq. 5) is one after it; in training, the gradient of a weight is one product for all
    steps and can be taken once. See `scan`.

    Some cells run step by step, as `keras.layers.RNN` runs them; `plain_reason` then says why:

    - `plain` is set, or the backend is not TensorFlow;
    - `unroll`, `go_backwards` or `zero_output_for_mask` is;
    - the core is not made of Keras's LSTMCell, GRUCell (with `reset_after`) and SimpleRNNCell;
    - phi_z, the posterior or, where the posterior is residual, the prior is not made of Dense
      layers.

    Args:
        cell: a `VRNNCell`.
        plain: whether to run the cell step by step in any case.
        **kwargs: as for `keras.layers.RNN`.

    Call arguments:
        sequences: `[B, T, F + L + Z]`, see `VRNNCell`.
        initial_state: `[h, *core states]`, each `[B, size]`; h is taken from the core's states.
        mask: bool `[B, T]`.
        training: whether to keep what the gradients need.

    Output shape:
        As for `keras.layers.RNN`: `[B, T, output_size]` with `return_sequences`, packed.

    Masking:
        States are held over masked steps. What stands in the output there is not specified.

    Raises:
        ValueError: if `cell` is no VRNNCell.

    Example:

    >>> import numpy as np
    >>> cell = VRNNCell(keras.layers.GRUCell(4))
    >>> Recurrence(cell, return_sequences=True)(np.zeros((2, 5, 3), "float32")).shape
    TensorShape([2, 5, 4])
    """

    def __init__(self, cell: VRNNCell, plain: bool = False, **kwargs):
        if not isinstance(cell, VRNNCell):
            raise ValueError(
                f"`cell` must be a VRNNCell. Received {cell!r}. Run other cells with "
                "keras.layers.RNN."
            )
        super().__init__(cell, **kwargs)
        self.plain = plain

    @property
    def plain_reason(self) -> str | None:
        """Why the cell runs step by step; None if it does not."""
        if self.plain:
            return "plain=True"
        if keras.backend.backend() != "tensorflow":
            return f"the backend is {keras.backend.backend()}"
        for name in ("unroll", "go_backwards", "zero_output_for_mask"):
            if getattr(self, name):
                return f"{name}=True"
        return _unknown_part(self.cell)

    def hoisted(self, decoder: FeedForward) -> HoistedCell | None:
        """The cell and a decoder of z and h as affine maps; None if one runs step by step."""
        if self.plain_reason or _unknown_part(self.cell, decoder):
            return None
        return HoistedCell(self.cell, decoder)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        if self.plain_reason is not None:
            return super().inner_loop(sequences, initial_state, mask, training)
        packed, states = _run(self.cell, sequences, initial_state, mask, training)
        return packed[:, -1], packed, states

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "plain": self.plain}


def _run(cell: VRNNCell, sequences, states: Sequence, mask, training) -> tuple[Any, list]:
    """The packed outputs `[B, T, output_size]` and the last states of a cell of known parts."""
    import tensorflow as tf

    from vrnn_tf.loop.scan import scan

    inputs = _swap(sequences)  # time first: a step's rows lie side by side
    phi_x, evidence, noise = inputs, None, []
    if cell.latent_size:
        sizes = [inputs.shape[-1] - cell.latent_size, cell.latent_size]
        evidence, eps = tf.split(inputs, sizes, axis=-1)
        sizes = [sizes[0] - cell.lookahead_size, cell.lookahead_size]
        phi_x = tf.split(evidence, sizes, axis=-1)[0] if cell.lookahead_size else evidence
        noise = [eps]
    hoisted = HoistedCell(cell)
    raw, (h_tm1,), states = scan(
        hoisted.step,
        hoisted.maps(phi_x, evidence),
        noise,
        states[1:],
        None if mask is None else tf.transpose(mask),
        outputs=hoisted.outputs,
        states_before=[hoisted.h],
        defer=bool(training),
    )
    values = {"h_tm1": h_tm1}
    if cell.latent_size:
        values |= hoisted.latent_values(h_tm1, raw[0], eps)
    packed = cell.output_packing.pack({name: _swap(value) for name, value in values.items()})
    return packed, [states[hoisted.h], *states]


class HoistedCell:
    """A `VRNNCell` as affine maps, with phi_x taken out of the loop, and what lies between them.

    Args:
        cell: a cell of known parts.
        decoder: what runs at every step too, and with it the prior; None: both wait.
    """

    def __init__(self, cell: VRNNCell, decoder: FeedForward | None = None):
        self.cell = cell
        self.cores = _cores(cell)
        sizes = [len(keras.tree.flatten(core.state_size)) for core in self.cores]
        self.h = sum(sizes[:-1])  # the number of the state that the other networks read
        self.slices = [slice(sum(sizes[:i]), sum(sizes[: i + 1])) for i in range(len(sizes))]
        self.chains: dict[str, list] = {}
        if cell.latent_size:
            self.chains = {
                "posterior": cell.posterior_network.body.layers,
                "phi_z": cell.phi_z.layers,
            }
        if _has_prior_inside(cell, decoder):
            self.chains["prior"] = cell.prior_network.body.layers
        if decoder is not None:
            self.chains["decoder"] = decoder.layers
        last = f"posterior/{len(self.chains.get('posterior', ())) - 1}"
        self.outputs = [last] if cell.latent_size else []

    def maps(self, phi_x, evidence) -> dict[str, Affine]:
        """The maps of `step`, of phi_x `[T, B, F]` and the posterior's evidence `[T, B, F + L]`."""
        dtype, maps = self.cell.compute_dtype, {}
        for chain, layers in self.chains.items():
            for i, layer in enumerate(layers):
                known = evidence if (chain, i) == ("posterior", 0) else None
                maps[f"{chain}/{i}"] = _affine(layer.kernel, layer.bias, known, dtype)
        for i, core in enumerate(self.cores):
            gates, known = GATES[type(core)], phi_x if i == 0 else None
            for name, affine in gates.maps(core, known, dtype).items():
                maps[f"core/{i}/{name}"] = affine
        return maps

    def step(self, apply: Callable, noise: list, states: list) -> list:
        """Eqs. (9) and (7), from the core's states `[B, S]` to the next ones."""
        features = []
        if self.cell.latent_size:
            posterior, _ = self.posterior_and_prior(apply, states[self.h])
            z = posterior.loc + posterior.scale * noise[0]
            features = [self.chain(apply, "phi_z", z)]
        return self.recur(apply, features, states)

    def posterior_and_prior(
        self, apply: Callable, h_tm1
    ) -> tuple[DiagonalGaussian, DiagonalGaussian | None]:
        """Eqs. (9) and (5); no prior if it is not needed inside of the loop."""
        posterior = self._gaussian(apply, "posterior", h_tm1)
        if "prior" not in self.chains:
            return posterior, None
        prior = self._gaussian(apply, "prior", h_tm1)
        if self.cell.residual_posterior:
            posterior = posterior._replace(loc=prior.loc + posterior.loc)
        return posterior, prior

    def recur(self, apply: Callable, features: list, states: list) -> list:
        """Eq. (7), from what is known of z_t beside phi_x(x_t): `[phi_z]`, or nothing."""
        after = []
        for i, (core, own) in enumerate(zip(self.cores, self.slices, strict=True)):
            named = _prefixed(apply, f"core/{i}/")
            after += GATES[type(core)].advance(core, named, features, states[own])
            features = [after[own.start]]
        return after

    def chain(self, apply: Callable, chain: str, *features):
        """What a network makes of its features that are not known before the loop."""
        for i, layer in enumerate(self.chains[chain]):
            features = (layer.activation(apply(f"{chain}/{i}", *features)),)
        return features[0]

    def _gaussian(self, apply: Callable, chain: str, h_tm1) -> DiagonalGaussian:
        network = self.cell.posterior_network if chain == "posterior" else self.cell.prior_network
        return network.constrain(self.chain(apply, chain, h_tm1))

    def latent_values(self, h_tm1, raw, eps) -> dict:
        """Eqs. (5) and (9) for all steps, `{name: [T, B, Z]}`.

        Args:
            h_tm1: `[T, B, H]`.
            raw: `[T, B, 2 Z]`, the value of the posterior's last map.
            eps: `[T, B, Z]`.
        """
        rows = ops.reshape(h_tm1, (-1, self.cell.hidden_size))  # what a network is given in a step
        prior = DiagonalGaussian(
            *(ops.reshape(part, ops.shape(eps)) for part in self.cell.prior(rows))
        )
        last = self.chains["posterior"][-1]
        posterior = self.cell.posterior_network.constrain(last.activation(raw))
        if self.cell.residual_posterior:
            posterior = posterior._replace(loc=prior.loc + posterior.loc)
        return {
            "prior_loc": prior.loc,
            "prior_scale": prior.scale,
            "posterior_loc": posterior.loc,
            "posterior_scale": posterior.scale,
            "z": posterior.loc + posterior.scale * eps,
        }


class _LSTMGates:
    """`keras.layers.LSTMCell`: gates i, f, g, o from one map of its input and h."""

    @staticmethod
    def maps(core, known, dtype) -> dict[str, Affine]:
        return {"gates": _affine(core.kernel, core.bias, known, dtype, core.recurrent_kernel)}

    @staticmethod
    def advance(core, apply, features, states) -> list:
        h, c = states
        i, f, g, o = ops.split(apply("gates", *features, h), 4, axis=-1)
        kept = core.recurrent_activation(f) * c
        c = kept + core.recurrent_activation(i) * core.activation(g)
        return [core.recurrent_activation(o) * core.activation(c), c]


class _GRUGates:
    """`keras.layers.GRUCell`: the reset gate acts on h's own map, which thus stays by itself."""

    @staticmethod
    def maps(core, known, dtype) -> dict[str, Affine]:
        bias, own_bias = (None, None) if core.bias is None else (core.bias[0], core.bias[1])
        return {
            "inward": _affine(core.kernel, bias, known, dtype),
            "across": _affine(core.recurrent_kernel, own_bias, None, dtype),
        }

    @staticmethod
    def advance(core, apply, features, states) -> list:
        (h,) = states
        inward = ops.split(apply("inward", *features), 3, axis=-1)
        across = ops.split(apply("across", h), 3, axis=-1)
        update = core.recurrent_activation(inward[0] + across[0])
        reset = core.recurrent_activation(inward[1] + across[1])
        candidate = core.activation(inward[2] + reset * across[2])
        return [update * h + (1.0 - update) * candidate]


class _SimpleGates:
    """`keras.layers.SimpleRNNCell`."""

    @staticmethod
    def maps(core, known, dtype) -> dict[str, Affine]:
        return {"h": _affine(core.kernel, core.bias, known, dtype, core.recurrent_kernel)}

    @staticmethod
    def advance(core, apply, features, states) -> list:
        return [core.activation(apply("h", *features, *states))]


GATES: dict[type, Any] = {
    keras.layers.LSTMCell: _LSTMGates,
    keras.layers.GRUCell: _GRUGates,
    keras.layers.SimpleRNNCell: _SimpleGates,
}


def _affine(kernel, bias, known, dtype, recurrent_kernel=None) -> Affine:
    """The map of a kernel `[K, N]` (and, below it, a recurrent one) whose first inputs are known.

    Args:
        known: `[T, B, F]`: the first F inputs at every step; None if none is known.
    """
    import tensorflow as tf

    from vrnn_tf.loop.scan import Affine

    weight = ops.cast(kernel, dtype)
    offset = ops.zeros(weight.shape[-1:], dtype) if bias is None else ops.cast(bias, dtype)
    weights = [weight]
    if known is not None:
        features = known.shape[-1]
        above, below = tf.split(weight, [features, weight.shape[0] - features])
        rows = tf.nn.bias_add(tf.matmul(tf.reshape(known, (-1, features)), above), offset)
        offset = tf.reshape(rows, (-1, tf.shape(known)[1], weight.shape[-1]))
        weights = [below] if below.shape[0] else []
    if recurrent_kernel is not None:
        weights.append(ops.cast(recurrent_kernel, dtype))
    return Affine(tf.concat(weights, axis=0) if weights else None, offset)


def _prefixed(apply: Callable, prefix: str) -> Callable:
    return lambda name, *operands: apply(prefix + name, *operands)


def _swap(x):
    """`[B, T, F]` as `[T, B, F]`, and back."""
    return ops.transpose(x, (1, 0, 2))


def _cores(cell: VRNNCell) -> list[keras.Layer]:
    return list(cell.core.cells) if _is(cell.core, keras.layers.StackedRNNCells) else [cell.core]


def _has_prior_inside(cell: VRNNCell, decoder: FeedForward | None = None) -> bool:
    """Whether the prior is needed at every step: by a residual posterior, or beside a decoder."""
    is_needed = cell.residual_posterior or decoder is not None
    return is_needed and cell.prior_network is not None


# --- what can be taken apart ---------------------------------------------------------------------


def _unknown_part(cell: VRNNCell, decoder: FeedForward | None = None) -> str | None:
    """What in a cell (and its decoder) cannot be taken apart; None if everything can."""
    if not _is(cell, VRNNCell):
        return f"{type(cell).__name__} is a subclass of VRNNCell"
    for core in _cores(cell):
        if type(core) not in GATES or not _is_simple(core):
            return f"the core has a {type(core).__name__}"
        if _is(core, keras.layers.GRUCell) and not core.reset_after:
            return "the core has a GRUCell with reset_after=False"
    networks: dict[str, Any] = {}
    if cell.latent_size:
        networks = {"phi_z": cell.phi_z, "posterior": cell.posterior_network}
    if _has_prior_inside(cell, decoder):
        networks["prior"] = cell.prior_network
    if decoder is not None:
        networks["decoder"] = decoder
    for name, network in networks.items():
        body = network.body if _is(network, GaussianNetwork) else network
        if (name in ("phi_z", "decoder")) != (body is network) or not _is_chain(body):
            return f"{name} is not made of Dense layers"
    return None


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
