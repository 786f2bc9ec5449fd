"""The variational recurrent neural network: arXiv:1506.02216, its five models in one class."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from vrnn_tf import bounds, likelihoods, presets, replicas, rng
from vrnn_tf.core.initialization import Initialization
from vrnn_tf.core.recurrent_core import deserialize_cells, make_core, serialize_cells
from vrnn_tf.loop.recurrence import Recurrence
from vrnn_tf.model import generation
from vrnn_tf.model import inputs as model_inputs
from vrnn_tf.model.carried import COUNTER, add_carried, read_carried, write_carried
from vrnn_tf.model.construction import (
    DEFAULT_WIDTH,
    POSTERIORS,
    Construction,
    check_embedding_size,
    widths_by_network,
)
from vrnn_tf.model.metrics import NatsPerSequence, count_sequences, update_metrics
from vrnn_tf.model.non_finite import skip_non_finite
from vrnn_tf.model.objective import make_objective
from vrnn_tf.model.observation import ObservingModel
from vrnn_tf.validation import check_choice, check_integer, check_number

# The arguments that `get_config` returns as they are.
_PLAIN_ARGUMENTS = (
    *("latent_size", "recurrent_units", "hidden_units", "activation", "embedding_size"),
    *("prior", "posterior", "max_norm", "min_scale", "kl_weight", "kl_warmup_steps", "free_nats"),
    *("dropout", "skip_non_finite", "stateful_batch_size", "seed"),
)


def _argument_of_objective(name: str, description: str) -> property:
    return property(
        lambda model: getattr(model.objective, name),
        lambda model, value: setattr(model.objective, name, value),
        doc=description,
    )


@keras.saving.register_keras_serializable(package="vrnn_tf")
class VRNN(ObservingModel):
    """A recurrent model of sequences with a latent variable at every time step.

    Each step draws z_t from a prior that reads h_{t-1}, draws x_t from a decoder that reads z_t
    and h_{t-1}, and updates h (Eqs. 5-7). Training maximises the lower bound of Eq. (11),

        sum_t log p(x_t | z_<=t, x_<t) - KL(q(z_t | x_<=t, z_<t) || p(z_t | x_<t, z_<t)).

    Its two terms enter through `add_loss`, so `fit` needs no targets and no loss function.
    Eqs. (5), (6), (7) and (9) stand in `vrnn_tf/core/cell.py`, Eq. (11) in
    `vrnn_tf/bounds/evidence_lower_bound.py`. The models of the paper are configurations:

        RNN-Gauss     likelihood "gaussian", latent_size 0
        RNN-GMM       likelihood "gmm" (pen strokes: "bivariate_gmm"), latent_size 0
        VRNN-I-Gauss  likelihood "gaussian", prior "standard_normal"
        VRNN-Gauss    likelihood "gaussian"
        VRNN-GMM      likelihood "gmm" (pen strokes: "bivariate_gmm")

    Args:
        likelihood: a name, `{"name": name, **arguments}` or a `likelihoods.Likelihood`, which
            keeps the weights that it has.
        latent_size: Z; 0 for a model without a latent variable.
        recurrent_units: the units of the core. Several integers make a stack. Leave it None when
            `recurrent_cell` is a cell.
        recurrent_cell: "lstm", "gru", "simple_rnn", any Keras recurrent cell or a list of them.
        hidden_units: the widths of the hidden layers of phi_x, phi_z, prior, posterior and decoder:
            an integer (one layer), a sequence, or `{network: either}`. A network that is not named
            has one layer of 150.
        activation: the activation of the hidden layers.
        embedding_size: the length of the symbol vectors that phi_x starts with. A likelihood of
            symbols needs it, the others refuse it.
        prior: "conditional" (Eq. 5) or "standard_normal" (VRNN-I).
        posterior: "filtering" (Eq. 9), "smoothing" (it also reads x_t .. x_T, through a recurrence
            that runs backwards), "residual" (its mean is relative to the prior's) or
            "residual_smoothing".
        initialization: "glorot" (Keras's defaults) or "paper".
        max_norm: the largest norm of the columns of non-recurrent kernels, or None.
        min_scale: the floor of the scales of prior and posterior.
        bound: what training maximises and the metrics show: "elbo" (Eq. 11), or an IWAE or FIVO
            bound, `{"name": "fivo", "num_samples": 4}`; see `bounds.Bound`.
        kl_weight: the weight of the KL term in the loss, or of log q(z) - log p(z) with IWAE and
            FIVO. The metrics of evaluation always show the true bound.
        kl_warmup_steps: training steps over which the weight grows linearly to `kl_weight`.
        free_nats: nats a step of KL that cost nothing ("free bits"). It goes with the ELBO only.
        dropout: the share of phi_x(x) that training sets to zero, anew at each step. Posterior and
            recurrence read the rest, scaled up by 1 / (1 - dropout).
        skip_non_finite: whether training leaves out a batch whose gradient is not finite and counts
            it in the metric "skipped", instead of spreading NaN. Several replicas refuse it.
        stateful_batch_size: B of `fit` and `evaluate` on chunks of long sequences, or None. The
            states then go on from one batch to the next wherever `reset` is not 1.
        seed: fixes the initial weights and the noise.

    Call arguments:
        inputs: x `[B, T, D]`, or a dictionary of "x", "mask" `[B, T]` (1 or True where there is an
            observation) and, for a stateful model, "reset" `[B]` (1 where a row starts a new
            sequence).
        mask: `[B, T]`, if it is not in `inputs`.

    Output shape:
        A dictionary: log_likelihood and kl `[B, T]` (nats a step, 0 where masked), raw_parameters
        `[B, T, P]` (see `likelihood.parameters`), h_tm1 `[B, T, H]` and, with a latent variable,
        prior_loc, prior_scale, posterior_loc, posterior_scale and z `[B, T, Z]`. With an IWAE or
        FIVO bound it also holds the bound `[B]` under its name; in training and on chunks it then
        holds nothing else.

    Masking:
        What stands at masked steps changes neither loss, nor gradients, nor states.

    Raises:
        ValueError: for arguments or inputs that are not as above.

    Differences:
        The paper's code has no `end_of_sequence`, no KL weight, no free bits and no dropout. They
        are off here unless a preset turns them on. `initialization="paper"` with
        `max_norm=1.9365` gives the initial weights and the constraint of that code.

    Example:

    >>> model = VRNN("gaussian_1d", latent_size=2)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: `likelihood` must be one of [...]. Received 'gaussian_1d'. Did you mean 'gaussian'?
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
        hidden_units: int | Sequence[int] | Mapping[str, int | Sequence[int]] = DEFAULT_WIDTH,
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
        self.hidden_units = widths_by_network(hidden_units)
        self.activation = activation
        self.embedding_size = check_embedding_size(embedding_size, self.likelihood)
        self.prior = check_choice("prior", prior, ("conditional", "standard_normal"))
        self.posterior = check_choice("posterior", posterior, POSTERIORS)
        self.max_norm = None if max_norm is None else check_number("max_norm", max_norm, 0.0, True)
        self.min_scale = check_number("min_scale", min_scale, 0.0, strict=True)
        self.objective = make_objective(
            bound, self.latent_size, kl_weight, kl_warmup_steps, free_nats
        )
        self.dropout = check_number("dropout", dropout, 0.0)
        if self.dropout >= 1.0:
            raise ValueError(f"`dropout` must be below 1. Received {dropout!r}.")
        self.skip_non_finite = bool(skip_non_finite)
        if stateful_batch_size is not None:
            check_integer("stateful_batch_size", stateful_batch_size, 1)
        self.stateful_batch_size = stateful_batch_size
        self.seed = check_integer("seed", seed, -(2**31))
        if self.likelihood is not likelihood:
            self.likelihood.initialize(self.seed)
        self.initialization = Initialization(
            initialization, self.seed, self.max_norm, self.dtype_policy
        )
        self.recurrent_units, self.recurrent_cell = recurrent_units, recurrent_cell
        self._make_layers()
        self.build()

    def _make_layers(self) -> None:
        core = make_core(self.recurrent_cell, self.recurrent_units, self.initialization)
        self.likelihood_weights = self.likelihood.layer  # for Keras to find them
        make = Construction(
            self.likelihood,
            self.latent_size,
            self.hidden_units,
            self.activation,
            self.min_scale,
            self.initialization,
        )
        posterior = POSTERIORS[self.posterior]
        self.phi_x = make.phi_x(self.embedding_size, self.seed)
        self.lookahead = make.lookahead(posterior, core)
        self.cell = make.cell(core, posterior, self.prior == "conditional", self.lookahead)
        self.recurrence = Recurrence(
            self.cell, return_sequences=True, return_state=True, dtype=self.dtype_policy
        )
        self.decoder = make.decoder()

    def build(self, input_shape=None):
        """Creates every weight. The constructor calls it, because all sizes are known there."""
        if self.built:
            return
        self.phi_x.build((None, None, self.likelihood.event_size))
        features = self.phi_x.output_size
        if self.lookahead is not None:
            self.lookahead.build((None, None, features))
        features += self.cell.lookahead_size
        self.recurrence.build((None, None, features + self.latent_size))
        phi_z_size = self.cell.phi_z.output_size if self.latent_size else 0
        self.decoder.build((None, None, phi_z_size + self.cell.hidden_size))
        # Counts training batches: the noise of each and the warm-up of the KL weight.
        self.training_calls = self.add_weight(
            name="training_calls", shape=(), dtype="int32", **COUNTER
        )
        shapes: list = []
        if self.stateful_batch_size is not None:
            shapes = self.objective.state_shapes(self.stateful_batch_size, self.cell.state_size)
        self.carried = {
            mode: add_carried(self, mode, shapes) for mode in ("training", "evaluation")
        }
        self.metric_of = {name: NatsPerSequence(name) for name in self.objective.metric_names}
        self.skipped: Any = keras.metrics.Sum(name="skipped") if self.skip_non_finite else None

    bound = _argument_of_objective("bound", "What training maximises, a `bounds.Bound`.")
    kl_weight = _argument_of_objective("kl_weight", "The weight of the KL after the warm-up.")
    kl_warmup_steps = _argument_of_objective("kl_warmup_steps", "Steps in which it grows.")
    free_nats = _argument_of_objective("free_nats", "Nats a step of KL that cost nothing.")

    def compile(self, *args, jit_compile: bool = False, **kwargs):
        """Compiles as `keras.Model` does, but without XLA, which compiles anew for each length."""
        replicas.refuse_several(jit_compile=jit_compile, skip_non_finite=self.skip_non_finite)
        super().compile(*args, jit_compile=jit_compile, **kwargs)
        self._sum_before_clipping()
        if self.skip_non_finite and self.optimizer is not None:
            skip_non_finite(self, self.skipped)

    def compile_from_config(self, config: dict[str, Any]):
        """Compiles a loaded model. Keras leaves that to a class that overrides `compile`."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def call(self, inputs, mask=None, training=False):
        x, mask = self.standardize_inputs(inputs, mask)
        reset = model_inputs.check_reset(inputs, x, self.stateful_batch_size)
        call = self.training_calls if training else ops.zeros((), "int32")
        seeds = rng.sequence_seeds(self.seed, call, replicas.rows(ops.shape(x)[0]))
        carried = self.carried["training" if training else "evaluation"]
        start, states = read_carried(carried, reset)
        outputs, losses, after = self.objective.run(
            self, x, mask, seeds, states, start, self.training_calls, training
        )
        for loss in losses:
            self.add_loss(loss)
        if reset is not None:
            write_carried(carried, start, ops.shape(x)[1], after, self.skip_non_finite)
        if training:
            self.training_calls.assign_add(1)
        return outputs

    def fit(self, *args, **kwargs):
        """Trains as `keras.Model.fit` does, on x alone."""
        model_inputs.refuse_targets(kwargs)
        return super().fit(*args, **kwargs)

    def evaluate(self, *args, **kwargs):
        """Evaluates as `keras.Model` does, on x alone. Every call has the same noise of z."""
        model_inputs.refuse_targets(kwargs)
        return super().evaluate(*args, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        model_inputs.refuse_targets({"y": y, "sample_weight": sample_weight})
        checked, mask = self.standardize_inputs(x)
        reset = model_inputs.check_reset(x, checked, self.stateful_batch_size)
        values = self.objective.values(y_pred)
        finite_only = training and self.skip_non_finite
        update_metrics(self.metric_of, values, count_sequences(mask, reset), finite_only)
        return super().compute_loss(x=x, y_pred=y_pred, training=training)

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
            num_steps: the largest number of steps. Sequences that end themselves are shorter.
            temperature: multiplies the noise of x. 0 gives the most probable component's mode.
            seed: an integer. The same seed gives the same sequences here, in the SavedModel and in
                the TFLite file. Sequence i has the seed `seed + i`.
            prime: `[T, D]`, a beginning to go on from, in normalised units. The result does not
                repeat it.
            **options: `latent_temperature` multiplies the noise of z. A likelihood may have more,
                see its `sampling_options`: for pen strokes `pen_bias` (nats) raises the odds of a
                lift.

        Returns:
            `num_sequences` float32 arrays `[T_i, D]`, in the units that the model was trained on.

        Raises:
            ValueError: if an argument is out of range or an option is unknown. The message lists
                the valid options.
        """
        options = {"temperature": temperature, **options}
        loop = self._generation_loop
        return generation.generate_arrays(
            self, loop, num_sequences, num_steps, seed, prime, options
        )

    @functools.cached_property
    def _generation_loop(self) -> Callable:
        return generation.compiled_loop(self)

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> VRNN:
        """A model of a named configuration, see `presets.PRESETS`.

        Raises:
            ValueError: if the name is unknown; lists the valid ones.
        """
        return cls(**{**presets.get(name), **overrides})

    def get_config(self) -> dict[str, Any]:
        arguments = {name: getattr(self, name) for name in _PLAIN_ARGUMENTS}
        return {
            **super().get_config(),
            **arguments,
            "likelihood": {"name": self.likelihood.name, **self.likelihood.get_config()},
            "recurrent_cell": serialize_cells(self.recurrent_cell),
            "initialization": self.initialization.scheme,
            "bound": dataclasses.asdict(self.bound),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects=None) -> VRNN:
        config = dict(config)
        if "recurrent_cell" in config:
            config["recurrent_cell"] = deserialize_cells(config["recurrent_cell"])
        if isinstance(config.get("dtype"), Mapping):
            config["dtype"] = keras.dtype_policies.deserialize(config["dtype"])
        return cls(**config)
