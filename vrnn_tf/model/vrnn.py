"""The variational recurrent neural network: arXiv:1506.02216, its five models in one class."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from vrnn_tf import bounds, likelihoods, presets, replicas, rng
from vrnn_tf.core.cell import VRNNCell, core_output_size
from vrnn_tf.core.networks import (
    DiagonalGaussian,
    FeedForward,
    GaussianNetwork,
    Initialization,
    SymbolEmbedding,
    gaussian_packing,
    hidden_layers,
    packed_output,
)
from vrnn_tf.loop.recurrence import Recurrence
from vrnn_tf.model import generation
from vrnn_tf.validation import (
    check_choice,
    check_integer,
    check_number,
    check_seeds,
    check_sequences,
    check_widths,
)

NETWORKS = ("phi_x", "phi_z", "prior", "posterior", "decoder")
# Of what changes with every batch, and is the same on every replica.
_CARRIED: dict[str, Any] = {
    "initializer": "zeros",
    "trainable": False,
    "aggregation": "only_first_replica",
}
POSTERIORS = ("filtering", "smoothing", "residual", "residual_smoothing")


@keras.saving.register_keras_serializable(package="vrnn_tf")
class VRNN(replicas.ReplicatedModel):
    """A recurrent model of sequences with a latent variable at every time step.

    Each step draws z_t from a prior that reads h_{t-1}, x_t from a decoder that reads z_t and
    h_{t-1}, and updates h (Eqs. 5-7). Training maximises the lower bound of Eq. (11),

        sum_t log p(x_t | z_<=t, x_<t) - KL(q(z_t | x_<=t, z_<t) || p(z_t | x_<t, z_<t)),

    whose two terms enter through `add_loss`: `fit` needs no targets and no loss function. The
    models of the paper are configurations:

        RNN-Gauss     likelihood "gaussian", latent_size 0
        RNN-GMM       likelihood "gmm" (pen strokes: "bivariate_gmm"), latent_size 0
        VRNN-I-Gauss  likelihood "gaussian", prior "standard_normal"
        VRNN-Gauss    likelihood "gaussian"
        VRNN-GMM      likelihood "gmm" (pen strokes: "bivariate_gmm")

    Args:
        likelihood: name, `{"name": name, **arguments}` or a `likelihoods.Likelihood`.
        latent_size: Z; 0 for a model without a latent variable.
        recurrent_units: units of the core; several integers make a stack. Leave it None when
            `recurrent_cell` is a cell.
        recurrent_cell: "lstm", "gru", "simple_rnn", any Keras recurrent cell or a list of them.
        hidden_units: widths of the hidden layers of phi_x, phi_z, prior, posterior and decoder: an
            integer (one layer), a sequence, or `{network: either}` (150 where a name is missing).
        activation: of the hidden layers.
        embedding_size: length of the symbol vectors that phi_x starts with; categorical only.
        prior: "conditional" (Eq. 5) or "standard_normal" (VRNN-I).
        posterior: "filtering" (Eq. 9), "smoothing" (also reads x_>t, through a recurrence that runs
            backwards), "residual" (its mean is relative to the prior's) or "residual_smoothing".
        initialization: "glorot" (Keras's defaults) or "paper".
        max_norm: the largest norm of the columns of non-recurrent kernels, or None.
        min_scale: floor of the scales of prior and posterior.
        bound: what training maximises and the metrics show: "elbo" (Eq. 11), or an IWAE or FIVO
            bound, `{"name": "fivo", "num_samples": 4}`; see `bounds.Bound`.
        kl_weight: weight of the KL term in the loss, with IWAE and FIVO of log q(z) - log p(z). The
            metrics of evaluation always show the true bound.
        kl_warmup_steps: training steps over which the weight grows linearly to `kl_weight`.
        free_nats: nats a step of KL that cost nothing ("free bits"); with the ELBO only.
        dropout: the share of phi_x(x) that training sets to zero, anew at each step; posterior and
            recurrence read what is left, scaled up by 1 / (1 - dropout).
        skip_non_finite: whether training leaves out a batch whose gradient is not finite and counts
            it in the metric "skipped", instead of spreading NaN. Not with several replicas.
        stateful_batch_size: B of `fit` and `evaluate` on chunks of long sequences, or None. The
            states then go on from one batch to the next wherever `reset` is not 1.
        seed: fixes initial weights and noise.

    Call arguments:
        inputs: x `[B, T, D]`, or a dictionary of "x", "mask" `[B, T]` (1 or True where there is an
            observation) and, for a stateful model, "reset" `[B]` (1 where a row starts a new
            sequence).
        mask: `[B, T]`, if it is not in `inputs`.

    Output shape:
        A dictionary: log_likelihood and kl `[B, T]` (nats a step, 0 where masked), raw_parameters
        `[B, T, P]` (see `likelihood.parameters`), h_tm1 `[B, T, H]` and, with a latent variable,
        prior_loc, prior_scale, posterior_loc, posterior_scale and z `[B, T, Z]`. With an IWAE or
        FIVO bound also the bound `[B]` under its name, in training and on chunks nothing else.

    Masking:
        What stands at masked steps changes nothing: neither loss, gradients nor states.

    Raises:
        ValueError: for arguments or inputs that are not as above.

    Differences:
        The paper's code has no `end_of_sequence`, no KL weight, no free bits and no dropout; they
        are off here unless a preset turns them on. `initialization="paper"` with
        `max_norm=1.9365` has its initial weights and constraint.

    Example:

    >>> model = VRNN("gaussian_1d", latent_size=2)
    Traceback (most recent call last):
    ...
    ValueError: `likelihood` must be one of ['gaussian', 'gmm', 'bivariate_gmm', 'bernoulli', \
'nade', \
'categorical', 'discretized_logistic_mixture']. Received 'gaussian_1d'. Did you mean 'gaussian'?
    >>> model = VRNN("bivariate_gmm", latent_size=2, recurrent_units=8, hidden_units=4)
    >>> model(np.zeros((1, 5, 3), "float32"))["kl"].shape
    TensorShape([1, 5])
    """

    def __init__(
        self,
        likelihood: str | Mapping[str, Any] | likelihoods.Likelihood = "bivariate_gmm",
        latent_size: int = 50,
        recurrent_units: int | Sequence[int] | None = None,
        recurrent_cell: str | keras.Layer | Sequence[keras.Layer] = "lstm",
        hidden_units: int | Sequence[int] | Mapping[str, int | Sequence[int]] = 150,
        activation: str = "relu",
        embedding_size: int | None = None,
        prior: str = "conditional",
        posterior: str = "filtering",
        initialization: str = "glorot",
        max_norm: float | None = None,
        min_scale: float = likelihoods.MIN_SCALE,
        bound: str | Mapping[str, Any] | bounds.Bound = "elbo",
        kl_weight: float = 1.0,
        kl_warmup_steps: int = 0,
        free_nats: float = 0.0,
        dropout: float = 0.0,
        skip_non_finite: bool = False,
        stateful_batch_size: int | None = None,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.likelihood = likelihoods.get(likelihood)
        self.latent_size = check_integer("latent_size", latent_size, 0)
        self.hidden_units = _widths_by_network(hidden_units)
        self.activation = activation
        self.embedding_size = self._check_embedding(embedding_size)
        self.prior = check_choice("prior", prior, ("conditional", "standard_normal"))
        self.posterior = check_choice("posterior", posterior, POSTERIORS)
        self.max_norm = None if max_norm is None else check_number("max_norm", max_norm, 0.0, True)
        self.min_scale = check_number("min_scale", min_scale, 0.0, strict=True)
        self.kl_weight = check_number("kl_weight", kl_weight, 0.0)
        self.kl_warmup_steps = check_integer("kl_warmup_steps", kl_warmup_steps, 0)
        self.free_nats = check_number("free_nats", free_nats, 0.0)
        self.dropout = check_number("dropout", dropout, 0.0)
        if self.dropout >= 1.0:
            raise ValueError(f"`dropout` must be below 1. Received {dropout!r}.")
        if stateful_batch_size is not None:
            check_integer("stateful_batch_size", stateful_batch_size, 1)
        self.bound = self._check_bound(bounds.get(bound))
        self.skip_non_finite = bool(skip_non_finite)
        self.stateful_batch_size = stateful_batch_size
        self.seed = check_integer("seed", seed, -(2**31))
        self.initialization = Initialization(
            initialization, self.seed, self.max_norm, self.dtype_policy
        )
        self.recurrent_units, self.recurrent_cell = recurrent_units, recurrent_cell
        self._make_networks(self._make_core())
        self.build()

    def _check_bound(self, bound: bounds.Bound) -> bounds.Bound:
        if bound.name != "elbo":
            for name, value in (
                ("latent_size=0", not self.latent_size),
                ("free_nats", self.free_nats),
            ):
                if value:
                    raise ValueError(
                        f"The bound {bound} goes with a latent variable and no free nats. "
                        f"Received {name}. Choose the bound 'elbo', or leave it out."
                    )
        return bound

    def _check_embedding(self, embedding_size: int | None) -> int | None:
        if (embedding_size is None) != (self.likelihood.num_symbols is None):
            raise ValueError(
                "`embedding_size` goes with a likelihood of symbols (categorical), and only with "
                f"one. Received embedding_size={embedding_size} for {self.likelihood}."
            )
        return None if embedding_size is None else check_integer("embedding", embedding_size, 1)

    def _make_core(self) -> keras.Layer:
        cells = self.recurrent_cell
        if isinstance(cells, str):
            units = 400 if self.recurrent_units is None else self.recurrent_units
            units = check_widths("recurrent_units", units)
            cells = [self.initialization.recurrent_cell(cells, width) for width in units]
        elif self.recurrent_units is not None:
            raise ValueError(
                "`recurrent_units` goes with a `recurrent_cell` given by name. Received "
                f"recurrent_units={self.recurrent_units} and {cells!r}. Leave it out."
            )
        if not isinstance(cells, Sequence):
            return cells
        if not cells:
            raise ValueError(
                "The core must have at least one cell. Received "
                f"recurrent_cell={self.recurrent_cell!r}, recurrent_units={self.recurrent_units!r}."
            )
        if len(cells) == 1:
            return cells[0]
        return keras.layers.StackedRNNCells(cells, dtype=self.dtype_policy)

    def _make_networks(self, core: keras.Layer) -> None:
        policy = self.dtype_policy
        self.likelihood_weights = self.likelihood.layer  # for Keras to find them

        def body(network: str, first: Sequence = (), last: Sequence = ()) -> FeedForward:
            widths = self.hidden_units[network]
            hidden = hidden_layers(widths, self.activation, self.initialization)
            return FeedForward([*first, *hidden, *last], name=network, dtype=policy)

        def gaussian(network: str) -> GaussianNetwork:
            packing = gaussian_packing(self.latent_size)
            output = packed_output(packing, ("raw_scale",), self.initialization)
            network_body = body(network, last=[output])
            return GaussianNetwork(
                network_body, self.latent_size, self.min_scale, name=network, dtype=policy
            )

        embedding = []
        symbols, size = self.likelihood.num_symbols, self.embedding_size
        if symbols is not None and size is not None:
            embedding = [SymbolEmbedding(symbols, size, seed=self.seed, dtype=policy)]
        self.phi_x = body("phi_x", first=embedding)
        latent: dict[str, Any] = {}
        self.lookahead, lookahead_size = None, 0
        if self.latent_size and self.posterior.endswith("smoothing"):
            lookahead_size = [*self.hidden_units["posterior"], core_output_size(core)][0]
            self.lookahead = keras.layers.RNN(
                self.initialization.recurrent_cell("gru", lookahead_size),
                return_sequences=True,
                go_backwards=True,
                name="lookahead",
                dtype=policy,
            )
        if self.latent_size:
            latent = {
                "posterior_network": gaussian("posterior"),
                "prior_network": gaussian("prior") if self.prior == "conditional" else None,
                "phi_z": body("phi_z"),
                "latent_size": self.latent_size,
                "residual_posterior": self.posterior.startswith("residual"),
                "lookahead_size": lookahead_size,
            }
        self.cell = VRNNCell(core, **latent, dtype=policy)
        self.recurrence = Recurrence(
            self.cell, return_sequences=True, return_state=True, dtype=policy
        )
        output = packed_output(
            self.likelihood.packing, self.likelihood.scale_names, self.initialization
        )
        self.decoder = body("decoder", last=[output])

    def build(self, input_shape=None):
        """Creates every weight; the constructor calls it, since all sizes are known there."""
        if self.built:
            return
        self.phi_x.build((None, None, self.likelihood.event_size))
        features = self.phi_x.output_size
        if self.lookahead is not None:
            self.lookahead.build((None, None, features))
        known = features + self.cell.lookahead_size
        self.recurrence.build((None, None, known + self.latent_size))
        phi_z_size = self.cell.phi_z.output_size if self.latent_size else 0
        self.decoder.build((None, None, phi_z_size + self.cell.hidden_size))
        # Counts training batches: the noise of each and the warm-up of the KL weight.
        self.training_calls = self.add_weight(
            name="training_calls", shape=(), dtype="int32", **_CARRIED
        )
        self.carried = {mode: self._add_carried(mode) for mode in ("training", "evaluation")}
        names = ("elbo", "nll", "kl") if self.bound.name == "elbo" else (self.bound.name,)
        self.metric_of = {name: NatsPerSequence(name=name) for name in names}
        self.skipped: Any = keras.metrics.Sum(name="skipped") if self.skip_non_finite else None

    def _add_carried(self, mode: str) -> list:
        """What goes on from batch to batch: the number of steps so far `[B]` and the states.

        With an IWAE or FIVO bound the particles, see `bounds.particle_filter`.
        """
        batch = self.stateful_batch_size
        if batch is None:
            return []
        steps = self.add_weight(name=f"{mode}_steps", shape=(batch,), dtype="int32", **_CARRIED)
        sizes, number = self.cell.state_size, self.bound.num_samples
        shapes: list[tuple[int, ...]] = [(batch, size) for size in sizes]
        if self.bound.name != "elbo":
            shapes = [(batch, number), *((batch, number, size) for size in sizes)]
        states = [
            self.add_weight(name=f"{mode}_state_{i}", shape=shape, **_CARRIED)
            for i, shape in enumerate(shapes)
        ]
        return [steps, *states]

    def compile(self, *args, jit_compile: bool = False, **kwargs):
        """As `keras.Model.compile`, without XLA unless asked: it compiles anew for each length."""
        for name, value in (
            ("jit_compile", jit_compile),
            ("skip_non_finite", self.skip_non_finite),
        ):
            if value and replicas.count() > 1:
                raise ValueError(
                    f"{name}=True goes with one replica. Received it under a strategy of "
                    f"{replicas.count()}. Leave it out."
                )
        super().compile(*args, jit_compile=jit_compile, **kwargs)
        self._sum_before_clipping()
        if self.skip_non_finite and self.optimizer is not None:
            self._skip_non_finite()

    def _skip_non_finite(self) -> None:
        """Makes the optimizer apply, and the mean of the loss count, only what is finite."""
        optimizer, tracker, skipped = self.optimizer, self._loss_tracker, self.skipped
        optimizer.build(self.trainable_variables)
        apply, update = optimizer.apply, tracker.update_state

        def apply_finite(gradients, trainable_variables=None):
            finite = ops.all(ops.stack([ops.all(ops.isfinite(g)) for g in gradients]))
            ops.cond(finite, lambda: apply(gradients, trainable_variables), lambda: None)
            skipped.update_state(ops.where(finite, 0.0, 1.0))

        def update_finite(loss, sample_weight):
            weight = ops.where(ops.isfinite(loss), ops.cast(sample_weight, "float32"), 0.0)
            update(_finite_or_zero(loss), weight)

        optimizer.apply, tracker.update_state = apply_finite, update_finite

    def compile_from_config(self, config: dict[str, Any]):
        """Compiles a loaded model, which Keras leaves to a class with a `compile` of its own."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    # --- training --------------------------------------------------------------------------------

    def call(self, inputs, mask=None, training=False):
        x, mask = self.standardize_inputs(inputs, mask)
        reset = self._check_reset(inputs, x)
        call = self.training_calls if training else ops.zeros((), "int32")
        seeds = rng.sequence_seeds(self.seed, call, replicas.rows(ops.shape(x)[0]))
        carried = self.carried["training" if training else "evaluation"]
        start, *before = _zero_rows(map(replicas.own_rows, carried), reset)
        if self.bound.name == "elbo":
            outputs, after = self.observe(x, mask, seeds, before or None, start, training)
            self._add_bound(outputs, mask, training)
        else:
            outputs, after = self._filter(x, mask, seeds, before or None, start, training)
        if reset is not None:
            now = [start + ops.shape(x)[1], *after]
            for variable, value in zip(carried, now, strict=True):
                value = replicas.all_rows(ops.cast(value, variable.dtype))
                if self.skip_non_finite:
                    value = _finite_or_zero(value)
                variable.assign(ops.stop_gradient(value))
        if training:
            self.training_calls.assign_add(1)
        return outputs

    def _filter(self, x, mask, seeds, particles, start, training):
        nats, after = bounds.particle_filter(
            self,
            x,
            mask,
            seeds,
            self.bound,
            particles,
            start,
            kl_weight=self._kl_weight(training) if training else 1.0,
            training=training,
        )
        self.add_loss(-ops.sum(nats) / _count_rows(mask))
        outputs = {self.bound.name: nats}
        if not training and particles is None:
            outputs.update(self.observe(x, mask, seeds)[0])
        return outputs, after

    def observe(self, x, mask, seeds, initial_states=None, start=None, training=False):
        """Runs the posterior over observations: the path of training, priming and scoring.

        Args:
            x: float32 `[B, T, D]`.
            mask: bool `[B, T]`.
            seeds: int32 `[B]`, fix the noise of z.
            initial_states: `[h, *core states]`, each `[B, size]`; zeros if None.
            start: int32 `[B]`, how many steps the sequences have already; 0 if None.
            training: whether gradients will be taken (see `Recurrence`), with dropout.

        Returns:
            The dictionary described in the class and the states after the last observation.
        """
        x = ops.where(ops.expand_dims(mask, -1), x, ops.zeros_like(x))
        _, inputs = self.encode(x, mask, seeds if training else None)
        if self.latent_size:
            eps = ops.cast(self.posterior_noise(ops.shape(x)[1], seeds, start), inputs.dtype)
            inputs = ops.concatenate([inputs, eps], axis=-1)
        if initial_states is None:
            initial_states = self.cell.get_initial_state(ops.shape(x)[0])
        packed, *states = self.recurrence(
            inputs, initial_state=initial_states, mask=mask, training=training
        )
        outputs = self.cell.output_packing.unpack(packed)
        phi_z = self.cell.phi_z(outputs["z"]) if self.latent_size else None
        raw = ops.cast(self.decode(phi_z, outputs["h_tm1"]), "float32")
        log_likelihood = self.likelihood.log_prob(raw, x)
        outputs = {name: ops.cast(value, "float32") for name, value in outputs.items()}
        outputs["raw_parameters"] = raw
        outputs["log_likelihood"] = bounds.zero_masked(log_likelihood, mask)
        outputs["kl"] = bounds.zero_masked(self._kl(outputs, log_likelihood), mask)
        return outputs, states

    def encode(self, x, mask, dropout_seeds=None):
        """phi_x(x) `[B, T, F]`, and what the posterior reads of x at each step, `[B, T, F + L]`.

        Args:
            x: float32 `[B, T, D]`, finite everywhere.
            mask: bool `[B, T]`.
            dropout_seeds: int32 `[B]`, fix what dropout takes away; None: nothing.
        """
        phi_x = self.phi_x(x)
        if self.dropout and dropout_seeds is not None:
            steps = ops.arange(ops.shape(x)[1], dtype="int32")
            uniforms = rng.uniform(dropout_seeds, steps, phi_x.shape[-1], rng.DROPOUT)
            kept = ops.cast(uniforms >= self.dropout, phi_x.dtype)
            phi_x = phi_x * kept / (1.0 - self.dropout)
        if self.lookahead is None:
            return phi_x, phi_x
        ahead = ops.flip(self.lookahead(phi_x, mask=mask), axis=1)  # [x_t .. x_T] at step t
        return phi_x, ops.concatenate([phi_x, ahead], axis=-1)

    def decode(self, phi_z, h_tm1):
        """Eq. (6): raw parameters of the likelihood, `[..., P]`. `phi_z` is None without z."""
        features = h_tm1 if phi_z is None else ops.concatenate([phi_z, h_tm1], axis=-1)
        return ops.cast(self.decoder(features), "float32")

    def posterior_noise(self, num_steps, seeds, start=None):
        """The standard normal noise of z, float32 `[B, T, Z]`; seeds and start are `[B]`."""
        steps = ops.expand_dims(ops.arange(num_steps, dtype="int32"), 0)
        if start is not None:
            steps = steps + ops.expand_dims(start, -1)
        size = rng.normal_noise_size(self.latent_size)
        return rng.normal(rng.uniform(seeds, steps, size, rng.POSTERIOR), self.latent_size)

    def _kl(self, outputs, log_likelihood):
        if not self.latent_size:
            return ops.zeros_like(log_likelihood)
        posterior = DiagonalGaussian(outputs["posterior_loc"], outputs["posterior_scale"])
        prior = DiagonalGaussian(outputs["prior_loc"], outputs["prior_scale"])
        return bounds.kl_divergence(posterior, prior)

    def _add_bound(self, outputs, mask, training) -> None:
        """Adds the negative bound, nats a sequence, averaged over the rows that hold anything."""
        rows = _count_rows(mask)
        self.add_loss(-ops.sum(outputs["log_likelihood"]) / rows)
        if self.latent_size:
            kl = bounds.zero_masked(bounds.with_free_bits(outputs["kl"], self.free_nats), mask)
            self.add_loss(self._kl_weight(training) * ops.sum(kl) / rows)

    def _kl_weight(self, training):
        if not (training and self.kl_warmup_steps):
            return self.kl_weight
        progress = ops.cast(self.training_calls + 1, "float32") / self.kl_warmup_steps
        return self.kl_weight * ops.minimum(progress, 1.0)

    def fit(self, *args, **kwargs):
        """As `keras.Model.fit`, on x alone."""
        _refuse_targets(kwargs)
        return super().fit(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        """As `keras.Model.evaluate`, on x alone. The noise of z is the same in every call."""
        _refuse_targets(kwargs)
        return super().evaluate(*args, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        _refuse_targets({"y": y, "sample_weight": sample_weight})
        checked, mask = self.standardize_inputs(x)
        reset = self._check_reset(x, checked)
        begins = ops.any(mask, axis=-1)
        if reset is not None:
            begins = ops.logical_and(begins, reset)
        sequences = ops.sum(ops.cast(begins, "float32"))
        if self.bound.name == "elbo":
            log_likelihood, kl = ops.sum(y_pred["log_likelihood"]), ops.sum(y_pred["kl"])
            values = {"elbo": log_likelihood - kl, "nll": -log_likelihood, "kl": kl}
        else:
            values = {self.bound.name: ops.sum(y_pred[self.bound.name])}
        nats = ops.stack([values[name] for name in self.metric_of])
        numbers = ops.ones_like(nats) * sequences
        if training and self.skip_non_finite:
            numbers = ops.where(ops.isfinite(nats), numbers, 0.0)
            nats = _finite_or_zero(nats)
        totals = replicas.total(ops.stack([nats, numbers]))
        for i, metric in enumerate(self.metric_of.values()):
            metric.update_state(totals[0, i], totals[1, i])
        return super().compute_loss(x=x, y_pred=y_pred, training=training)

    def standardize_inputs(self, inputs, mask=None):
        """x float32 `[B, T, D]`, zero where masked, and mask bool `[B, T]`, from any inputs."""
        named = dict(inputs) if isinstance(inputs, Mapping) else {"x": inputs}
        expected = {"x", "mask", "reset"} if self.stateful_batch_size else {"x", "mask"}
        if "x" not in named or not set(named) <= expected:
            raise ValueError(
                f"Inputs must be x or a dictionary of {sorted(expected)}. Received {list(named)}."
                + (" `reset` needs stateful_batch_size." if "reset" in named else "")
            )
        x = ops.convert_to_tensor(named["x"])
        if not _is_real(x.dtype):
            raise ValueError(
                f"`x` must hold real numbers. Received dtype {x.dtype}. Turn text into symbol "
                "numbers, and complex values into two features."
            )
        check_sequences(x, self.likelihood.event_size, self.likelihood.description)
        x = ops.cast(x, "float32")
        mask = named.get("mask", None if isinstance(mask, Mapping) else mask)
        if mask is None:
            mask = ops.ones_like(x[..., 0], dtype="bool")
        mask = ops.cast(mask, "bool")
        _check_mask(mask, x)
        x = _check_finite(ops.where(ops.expand_dims(mask, -1), x, ops.zeros_like(x)))
        return x, mask

    def _check_reset(self, inputs, x):
        """reset bool `[B]`; None for a stateless model."""
        batch = self.stateful_batch_size
        if batch is None:
            return None
        own = batch // replicas.count()
        named = inputs if isinstance(inputs, Mapping) else {}
        reset = ops.cast(named.get("reset", ()), "bool")
        if "reset" not in named or not _sizes_agree((*reset.shape, x.shape[0]), (own, own)):
            raise ValueError(
                f"A model with stateful_batch_size={batch} needs 'reset' [{own}] and x "
                f"[{own}, T, D]. Received {list(named) or 'x alone'} with x of shape "
                f"{tuple(x.shape)}, reset of shape {tuple(reset.shape)}. Batch to that size; drop "
                "or pad the last batch."
            )
        return reset

    # --- generation ------------------------------------------------------------------------------

    def generate(
        self,
        num_sequences: int = 1,
        num_steps: int = 600,
        temperature: float = 1.0,
        seed: int = 0,
        prime=None,
        **options: float,
    ) -> list[np.ndarray]:
        """Draws new sequences.

        Args:
            num_sequences: how many.
            num_steps: the largest number of steps; sequences that end themselves are shorter.
            temperature: multiplies the noise of x. 0: the most probable component's mode.
            seed: an integer; the same seed gives the same sequences here, in the SavedModel and in
                the TFLite file. Sequence i has the seed `seed + i`.
            prime: `[T, D]`, a beginning to go on from, in normalised units; it is not repeated in
                the result.
            **options: `latent_temperature` (multiplies the noise of z) and, for pen strokes,
                `pen_bias` (nats, raises the odds of a lift).

        Returns:
            `num_sequences` float32 arrays `[T_i, D]`, in the units that the model was trained on.

        Raises:
            ValueError: if an argument is out of range or an option is unknown (lists the known).
        """
        check_integer("num_sequences", num_sequences, 1)
        check_integer("num_steps", num_steps, 0)
        seeds = ops.convert_to_tensor(check_seeds(seed, num_sequences), dtype="int32")
        defaults = generation.option_defaults(self.likelihood, self.latent_size)
        values = {**defaults, "temperature": temperature, **options}
        for name, value in values.items():
            check_choice("option", name, defaults)
            check_number(name, value, 0.0 if "temperature" in name else -np.inf)
        states, start = self._prime(prime, num_sequences, seeds)
        full = [num_sequences]
        x, length = self._generation_loop(
            states,
            seeds,
            start,
            ops.full(full, num_steps, dtype="int32"),
            {name: ops.full(full, float(value)) for name, value in values.items()},
            max_steps=2 ** max(num_steps - 1, 1).bit_length(),  # few lengths, few compilations
        )
        x, length = ops.convert_to_numpy(x), ops.convert_to_numpy(length)
        return [row[:end] for row, end in zip(x, length, strict=True)]

    @functools.cached_property
    def _generation_loop(self) -> Callable:
        """The loop of `generation`; on TensorFlow compiled by XLA, for each shape and max_steps."""
        loop = functools.partial(generation.generate, self)
        if keras.backend.backend() != "tensorflow":
            return loop
        import tensorflow as tf

        return tf.function(loop, autograph=False, jit_compile=True)

    def _prime(self, prime, num_sequences: int, seeds):
        if prime is None:
            zeros = ops.zeros((num_sequences,), dtype="int32")
            return self.cell.get_initial_state(num_sequences), zeros
        prefix = np.asarray(prime, dtype=np.float32)
        size = self.likelihood.event_size
        if prefix.ndim != 2 or len(prefix) < 1 or prefix.shape[1] != size:
            raise ValueError(
                f"`prime` must be one sequence [T, {size}] ({self.likelihood.description}) of at "
                f"least one step. Received shape {prefix.shape}. Pass None to start from nothing."
            )
        if not np.isfinite(prefix).all():
            raise ValueError("`prime` must be finite. Received NaN or infinity. Cut these steps.")
        x = np.repeat(prefix[None], num_sequences, axis=0)
        mask = ops.ones(x.shape[:2], dtype="bool")
        _, states = self.observe(ops.convert_to_tensor(x), mask, seeds)
        return states, ops.full([num_sequences], len(prefix), dtype="int32")

    # --- configuration ---------------------------------------------------------------------------

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> VRNN:
        """A model of a named configuration, see `presets.PRESETS`.

        Raises:
            ValueError: if the name is unknown; lists the valid ones.
        """
        return cls(**{**presets.get(name), **overrides})

    def get_config(self) -> dict[str, Any]:
        cell = self.recurrent_cell
        own = {
            "likelihood": {"name": self.likelihood.name, **self.likelihood.get_config()},
            "latent_size": self.latent_size,
            "recurrent_units": self.recurrent_units,
            "recurrent_cell": cell if isinstance(cell, str) else _serialize_cells(cell),
            "hidden_units": self.hidden_units,
            "activation": self.activation,
            "embedding_size": self.embedding_size,
            "prior": self.prior,
            "posterior": self.posterior,
            "initialization": self.initialization.scheme,
            "max_norm": self.max_norm,
            "min_scale": self.min_scale,
            "bound": dataclasses.asdict(self.bound),
            "kl_weight": self.kl_weight,
            "kl_warmup_steps": self.kl_warmup_steps,
            "free_nats": self.free_nats,
            "dropout": self.dropout,
            "skip_non_finite": self.skip_non_finite,
            "stateful_batch_size": self.stateful_batch_size,
            "seed": self.seed,
        }
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects=None) -> VRNN:
        cell = config.get("recurrent_cell")
        if isinstance(cell, Mapping | list | tuple):
            config = {**config, "recurrent_cell": _deserialize_cells(cell)}
        if isinstance(config.get("dtype"), Mapping):
            config["dtype"] = keras.dtype_policies.deserialize(config["dtype"])
        return cls(**config)


class NatsPerSequence(keras.metrics.Metric):
    """Nats summed over every step of every sequence, divided by the number of sequences."""

    def __init__(self, name: str):
        super().__init__(name=name)
        zeros = {"initializer": "zeros", "aggregation": "only_first_replica"}  # it gets totals
        self.total = self.add_variable((), name="total", **zeros)
        self.sequences = self.add_variable((), name="sequences", **zeros)

    def update_state(self, nats, sequences):
        """Adds the `nats` of a batch in which `sequences` sequences begin."""
        self.total.assign_add(nats)
        self.sequences.assign_add(sequences)

    def result(self):
        return ops.divide_no_nan(self.total, self.sequences)


def _refuse_targets(arguments: Mapping[str, Any]) -> None:
    """Keras would drop weights that come without targets silently."""
    for name in ("y", "sample_weight", "class_weight"):
        if arguments.get(name) is not None:
            raise ValueError(
                "VRNN is trained on x alone: its loss is the bound on log p(x). Received targets "
                f"or sample weights (`{name}`). Pass x, or a data set of "
                "{'x': x, 'mask': mask}."
            )


def _widths_by_network(hidden_units) -> dict[str, tuple[int, ...]]:
    if not isinstance(hidden_units, Mapping):
        hidden_units = dict.fromkeys(NETWORKS, hidden_units)
    for name in hidden_units:
        check_choice("hidden_units", name, NETWORKS)
    return {
        name: check_widths(f"hidden_units[{name!r}]", hidden_units.get(name, 150))
        for name in NETWORKS
    }


def _serialize_cells(cells):
    if isinstance(cells, Sequence):
        return [keras.saving.serialize_keras_object(cell) for cell in cells]
    return keras.saving.serialize_keras_object(cells)


def _deserialize_cells(config):
    if isinstance(config, Mapping):
        return keras.saving.deserialize_keras_object(config)
    return [keras.saving.deserialize_keras_object(cell) for cell in config]


def _sizes_agree(shape: Sequence[int | None], expected: Sequence[int | None]) -> bool:
    """Whether two static shapes can be the same; None stands for any size."""
    return len(shape) == len(expected) and all(
        None in (a, b) or a == b for a, b in zip(shape, expected, strict=True)
    )


def _is_real(dtype) -> bool:
    name = keras.backend.standardize_dtype(dtype)
    return name.startswith(("float", "bfloat", "int", "uint", "bool"))


def _check_mask(mask, x) -> None:
    if not _sizes_agree(mask.shape, x.shape[:2]):
        raise ValueError(
            f"`mask` must be [B, T], one entry for each step of x. Received shape "
            f"{tuple(mask.shape)} for x of shape {tuple(x.shape)}."
        )


def _count_rows(mask):
    """How many rows `[B, T]` hold anything, at least 1: on each of several replicas the mean."""
    rows = replicas.total(ops.sum(ops.cast(ops.any(mask, axis=-1), "float32")))
    return ops.maximum(rows, 1.0) / replicas.count()


def _zero_rows(carried: Iterable, reset) -> list:
    """What was carried over, zero in the rows where a new sequence starts. None, if stateless."""
    if reset is None:
        return [None]
    return [
        ops.where(ops.reshape(reset, (-1, *[1] * (len(v.shape) - 1))), ops.zeros_like(v), v)
        for v in carried
    ]


def _finite_or_zero(x):
    return ops.where(ops.isfinite(x), x, ops.zeros_like(x))


def _check_finite(x):
    """x, after a check (outside XLA, which drops it) that it holds neither NaN nor infinity."""
    if keras.backend.backend() != "tensorflow" or isinstance(x, keras.KerasTensor):
        return x
    import tensorflow as tf

    message = "`x` must be finite wherever `mask` is True. Clean or mask these steps. Received x"
    return tf.debugging.check_numerics(x, message)
