"""The plan of a run: all that it needs before its first step.

A `Plan` is made from a `TrainConfig` once. The rest of a run reads the plan alone.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from vrnn_tf import likelihoods, presets
from vrnn_tf.media import Medium
from vrnn_tf.model import saving
from vrnn_tf.model.vrnn import VRNN
from vrnn_tf.normalization import Normalization
from vrnn_tf.validation import check_choice

from . import datasets, origin, pipeline, store
from .baselines import baselines
from .checkpoints import Checkpoint
from .config import TrainConfig
from .distribute import Cluster

_NUM_SAMPLES = 4  # drawn after every epoch
_LONGEST_SAMPLE = 1_000  # steps
_GIBIBYTE = 2**30


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that a run needs for its epochs.

    Attributes:
        config: the configuration, as config.json holds it.
        metadata: what metadata.json holds, see `origin.describe`.
        medium: what the data mean.
        normalization: from raw units to the units of `training` and `validation`.
        model: compiled. A run that is resumed has the model of its checkpoint.
        training, validation: batches.
        epochs: how many the run has in all.
        checkpoint_every: training steps from one checkpoint to the next.
        baseline_bytes: baselines are fitted on at most so many bytes of training sequences.
    """

    config: dict[str, Any]
    metadata: dict[str, Any]
    medium: Medium
    normalization: Normalization
    model: VRNN
    training: pipeline.Batches | pipeline.Chunks
    validation: pipeline.Batches | pipeline.Chunks
    epochs: int
    checkpoint_every: int
    baseline_bytes: float

    @classmethod
    def from_config(
        cls,
        config: TrainConfig,
        cluster: Cluster,
        checkpoint: Checkpoint | None = None,
        normalization: Normalization | None = None,
    ) -> Plan:
        """Loads the data and makes the model.

        Args:
            config: the run's description.
            cluster: the replicas that train the model.
            checkpoint: that of a run that is resumed; None makes a new model.
            normalization: that of a run that is resumed; None fits one to the training data.

        Raises:
            ValueError: if the data cannot be read, or the configuration does not fit them.
        """
        check_likelihood(config)
        with cluster.chief_first():  # it prepares the records
            splits = load_splits(config)
        with cluster.scope():
            model = (
                new_model(config, splits.medium)
                if checkpoint is None
                else saving.load_model(checkpoint.model)
            )
        normalization = normalization or fit_normalization(config, splits, model)
        training, validation = make_batches(config, splits, normalization, model)
        if checkpoint is None:
            with cluster.scope():
                compile_model(model, config, len(training))
        padding, num_replicas = training.padding(), cluster.num_replicas
        return cls(
            config=config.to_dict(),
            metadata=origin.describe(config, splits, normalization, padding, num_replicas),
            medium=splits.medium,
            normalization=normalization,
            model=model,
            training=training,
            validation=validation,
            epochs=config.epochs,
            checkpoint_every=config.checkpoint_every,
            baseline_bytes=config.data_memory * _GIBIBYTE,
        )

    @property
    def monitor(self) -> str:
        """The name of the validation bound in the history."""
        return f"val_{self.model.bound.name}"

    def sample(self, model: VRNN) -> list[np.ndarray]:
        """Draws samples `[T, D]` of a model, in raw units."""
        steps = min(self.metadata["longest_sequence"], _LONGEST_SAMPLE)
        samples = model.generate(_NUM_SAMPLES, steps, temperature=self.medium.temperature)
        return [self.normalization.invert(x) for x in samples]

    def score_baselines(self) -> dict[str, float]:
        """The figures of the baselines on the validation split, nats per sequence."""
        return baselines(
            self.medium,
            store.head(self.training.sequences, self.baseline_bytes),
            self.validation.sequences,
            self.model.likelihood.level_width,
        )


def check_likelihood(config: TrainConfig) -> None:
    """Checks, before the data are read, that the likelihood can describe them.

    Raises:
        ValueError: if it cannot; names the presets and likelihoods that can.
    """
    kind = datasets.get(config.dataset).KIND
    name, names = _likelihood(config).get("name"), likelihoods.describing(kind)
    if name not in names:
        fitting = [
            preset
            for preset, arguments in presets.PRESETS.items()
            if arguments["likelihood"]["name"] in names
        ]
        raise ValueError(
            f"{config.dataset} holds {kind}, which the likelihood {name!r} does not describe. "
            f"Presets for {kind}: {fitting}; likelihoods: {names}."
        )


def _likelihood(config: TrainConfig) -> dict[str, Any]:
    """The likelihood of the preset with the run's changes, `{"name": ..., **arguments}`."""
    arguments = {**presets.get(config.preset), **config.model}
    likelihood = arguments["likelihood"]
    return dict(likelihood) if isinstance(likelihood, Mapping) else {"name": likelihood}


def load_splits(config: TrainConfig, test: bool = False) -> datasets.Splits:
    """Loads the data of a run.

    Args:
        config: the run's description.
        test: whether the test split is wanted too.

    Raises:
        ValueError: if the data cannot be read, or no sequence is for training or for validation.
        OSError: if the disk is full.
    """
    splits = datasets.get(config.dataset).load(
        config.num_train,
        config.num_validation,
        config.seed,
        test,
        data_dir=config.data_dir,
        prepared_dir=config.prepared_dir,
        strict=config.strict,
        memory=config.data_memory * _GIBIBYTE,
        **config.dataset_options,
    )
    for name in ("train", "validation"):
        if not getattr(splits, name):
            raise ValueError(
                f"The {name} split of {config.dataset} holds no sequence with the options "
                f"{config.dataset_options}."
            )
    return splits


def new_model(config: TrainConfig, medium: Medium) -> VRNN:
    """Makes the model of a preset, with the run's changes and with what the data fix.

    Raises:
        ValueError: if an argument is unknown, out of range, or contradicts the data.
    """
    fixed = medium.likelihood_arguments()
    changes = config.model.get("likelihood")
    for name, value in fixed.items():
        if isinstance(changes, Mapping) and changes.get(name, value) != value:
            raise ValueError(
                f"The data have {name}={value}. Received {changes[name]} in the likelihood. Leave "
                "it out."
            )
    parameters = [name for name in inspect.signature(VRNN).parameters if name != "kwargs"]
    for name in config.model:
        check_choice("model", name, [*parameters, "dtype"])
    arguments = {**presets.get(config.preset), "seed": config.seed, **config.model}
    arguments["likelihood"] = {**_likelihood(config), **fixed}
    if config.chunk_steps is not None:
        arguments["stateful_batch_size"] = config.batch_size
    return VRNN(**arguments)


def fit_normalization(config: TrainConfig, splits: datasets.Splits, model: VRNN) -> Normalization:
    """Fits the normalisation that the likelihood demands, the user chose or the medium suggests.

    Raises:
        ValueError: if the user chose another than the likelihood demands, or it cannot be fitted.
    """
    likelihood = model.likelihood
    if likelihood.normalization and config.normalization not in (None, likelihood.normalization):
        raise ValueError(
            f"The likelihood {likelihood.name!r} needs normalization "
            f"{likelihood.normalization!r}. Received {config.normalization!r}. Leave it out."
        )
    name = likelihood.normalization or config.normalization or splits.medium.normalization
    return Normalization.fit(name, splits.train, splits.medium.normalized_features)


def make_batches(
    config: TrainConfig, splits: datasets.Splits, normalization: Normalization, model: VRNN
) -> tuple[pipeline.Batches, pipeline.Batches] | tuple[pipeline.Chunks, pipeline.Chunks]:
    """The batches of the training and of the validation split."""
    training, validation = (
        pipeline.prepare(sequences, normalization, model.likelihood)
        for sequences in (splits.train, splits.validation)
    )
    size, seed = config.batch_size, config.seed
    if config.chunk_steps is not None:
        options = {"chunk_steps": config.chunk_steps}
        return (
            pipeline.Chunks(training, size, seed, **options),
            pipeline.Chunks(validation, size, **options),
        )
    options = {"num_buckets": config.num_buckets}
    return (
        pipeline.Batches(training, size, seed, **options),
        pipeline.Batches(validation, size, **options),
    )


def compile_model(model: VRNN, config: TrainConfig, steps_per_epoch: int) -> None:
    """Gives the model its optimizer, whose learning rate follows a cosine over all epochs."""
    schedule = keras.optimizers.schedules.CosineDecay(
        config.learning_rate, config.epochs * steps_per_epoch, alpha=0.1
    )
    model.compile(
        keras.optimizers.Adam(
            schedule,
            weight_decay=config.weight_decay or None,
            global_clipnorm=config.clip_norm,
        ),
        jit_compile=config.jit_compile,
    )
