"""What a run is made from: a frozen, JSON-able description, and the defaults of each preset."""

from __future__ import annotations

import dataclasses
from typing import Any

from vrnn_tf import presets
from vrnn_tf.normalization import NAMES
from vrnn_tf.validation import check_choice, check_integer, check_number

# Numbers are checked with their ranges.
_KINDS: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "str | None": (str, type(None)),
    "bool": bool,
    "dict[str, Any]": dict,
}
MATMUL_PRECISIONS = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Args:
        preset: name of the model's configuration, see `vrnn_tf.presets`.
        model: arguments of `VRNN` that differ from the preset.
        dataset: name of a data set, see `train.datasets`.
        dataset_options: the data set's own arguments.
        data_dir: where its files are; None if it needs none, or downloads them.
        prepared_dir: where its records are kept; None: `$TFDS_DATA_DIR` or ~/tensorflow_datasets.
        strict: whether a malformed file stops the run, rather than being skipped and counted.
        data_memory: GiB that a split may take; of a larger one sequences stay in files, in the
            folder of prepared records, and each is read when it is needed.
        num_train: at most so many training sequences; None for all.
        num_validation: the same for validation.
        normalization: "none", "paper", "scalar" or "per_dimension"; None for the medium's own, or
            "none" if the likelihood is one of discrete levels.
        batch_size: sequences a step.
        num_buckets: into how many lengths batches of whole sequences are padded.
        chunk_steps: steps of a chunk of truncated back-propagation through time, with the states
            carried on; None trains on whole sequences.
        epochs: passes over the training sequences.
        learning_rate: of Adam, decayed to a tenth along a cosine.
        clip_norm: largest global norm of the gradient.
        jit_compile: whether XLA compiles the training step, once for each shape of a batch: pays
            for small models and IWAE and FIVO bounds; choose few buckets.
        weight_decay: how much of a weight an update takes away, as a multiple of the learning rate
            (decoupled, arXiv:1711.05101).
        checkpoint_every: training steps after which a checkpoint is written, beside those at the
            end of every epoch: no more work than these is lost to a kill.
        seed: fixes data, initial weights, noise and the order of the batches.
        deterministic: whether TensorFlow may only use operations that add up in a fixed order; for
            the rest of the process. On a CPU runs have been the same without; on a GPU they differ.
        matmul_precision: "float32", or "bfloat16": where the processor has instructions for it,
            operands and results of matrix products are rounded to 8 bits of mantissa, in training
            and in its validation. Weights, states and densities stay float32.

    Raises:
        ValueError: if an argument is out of range.
    """

    preset: str
    model: dict[str, Any] = dataclasses.field(default_factory=dict)
    dataset: str = "synthetic_handwriting"
    dataset_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    data_dir: str | None = None
    prepared_dir: str | None = None
    strict: bool = False
    data_memory: float = 4.0
    num_train: int | None = None
    num_validation: int | None = None
    normalization: str | None = None
    batch_size: int = 32
    num_buckets: int = 10
    chunk_steps: int | None = None
    epochs: int = 20
    learning_rate: float = 1e-3
    clip_norm: float = 5.0
    weight_decay: float = 0.0
    jit_compile: bool = False
    checkpoint_every: int = 1_000
    seed: int = 0
    deterministic: bool = False
    matmul_precision: str = "float32"

    def __post_init__(self):
        for field in dataclasses.fields(self):
            kind, value = _KINDS.get(str(field.type)), getattr(self, field.name)
            if kind is not None and not isinstance(value, kind):
                raise ValueError(f"`{field.name}` must be {field.type}. Received {value!r}.")
        check_choice("preset", self.preset, presets.PRESETS)
        if self.normalization is not None:
            check_choice("normalization", self.normalization, NAMES)
        check_choice("matmul_precision", self.matmul_precision, MATMUL_PRECISIONS)
        if self.jit_compile and self.matmul_precision != "float32":
            raise ValueError(
                "`jit_compile` needs matmul_precision 'float32': XLA does not round operands. "
                f"Received {self.matmul_precision!r}."
            )
        for name in ("num_train", "num_validation", "chunk_steps"):
            if getattr(self, name) is not None:
                check_integer(name, getattr(self, name), 1)
        for name in ("batch_size", "num_buckets", "epochs", "checkpoint_every"):
            check_integer(name, getattr(self, name), 1)
        check_integer("seed", self.seed, 0)
        for name in ("learning_rate", "clip_norm"):
            check_number(name, getattr(self, name), 0.0, strict=True)
        check_number("weight_decay", self.weight_decay, 0.0)
        check_number("data_memory", self.data_memory, 0.0)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> TrainConfig:
        """The inverse of `to_dict`.

        Raises:
            ValueError: if a name is unknown or a value is out of range.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in config:
            check_choice("configuration entry", name, known)
        if "preset" not in config:
            raise ValueError(f"A configuration needs a preset. Received {sorted(config)}.")
        return cls(**config)


TRAINING: dict[str, dict[str, Any]] = {
    "demo": {
        "dataset_options": {
            "min_words": 1,
            "max_words": 2,
            "points_per_letter": 14.0,
            "num_writers": 8,
            "fonts": ["scripts"],
        },
        # Without a slow start the five components explain the pen alone and z stays unused.
        "model": {"kl_warmup_steps": 600},
        "num_train": 6_000,
        "num_validation": 200,
        "batch_size": 32,
        "epochs": 9,
        "learning_rate": 3e-3,
    },
    "handwriting": {"epochs": 20, "num_train": 20_000, "learning_rate": 1e-3},
    "handwriting_paper": {
        "epochs": 30,
        "num_train": 20_000,
        "batch_size": 20,
        "learning_rate": 3e-4,
    },
    "speech": {"dataset": "spoken_digit", "epochs": 20},
    # Half a second, 40 frames, is a sequence of its own, as in the published figures.
    "speech_paper": {
        "dataset": "blizzard2013",
        "epochs": 5,
        "batch_size": 128,
        "learning_rate": 3e-4,
    },
    "pianoroll": {"dataset": "jsb_chorales", "epochs": 100, "batch_size": 16},
    "char": {"dataset": "tiny_shakespeare", "epochs": 10, "learning_rate": 2e-3},
}
_OF_THE_DATA = ("dataset_options", "num_train", "num_validation")


def defaults(preset: str, dataset: str | None = None) -> TrainConfig:
    """The training configuration of a preset, on its own data set or on another.

    Raises:
        ValueError: if the preset is unknown.
    """
    chosen = dict(TRAINING[check_choice("preset", preset, TRAINING)])
    own = chosen.get("dataset", TrainConfig.dataset)
    if dataset not in (None, own):
        chosen = {name: value for name, value in chosen.items() if name not in _OF_THE_DATA}
        chosen["dataset"] = dataset
    return TrainConfig(preset=preset, **chosen)
