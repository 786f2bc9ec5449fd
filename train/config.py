"""The configuration of a run, frozen and JSON-able, and the defaults of each preset."""

from __future__ import annotations

import dataclasses
from typing import Any

from vrnn_tf import presets
from vrnn_tf.normalization import NAMES
from vrnn_tf.validation import check_choice, check_integer, check_number

# Types that are checked by name. Numbers are checked with their ranges.
_TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "str | None": (str, type(None)),
    "bool": bool,
    "dict[str, Any]": dict,
}
MATMUL_PRECISIONS = ("float32", "bfloat16")


def _option(default: Any, text: str, **metadata: Any) -> Any:
    """A field that is also an option of `vrnn train`.

    Args:
        default: the field's default.
        text: the help text of the option, which also documents the field.
        **metadata: `option` is the name of the option if it differs from the field's. `folder`
            tells that the value is the path of a folder.
    """
    return dataclasses.field(default=default, metadata={"help": text, **metadata})


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """A training run.

    Every field with a help text is also an option of `vrnn train`. The help texts document these
    fields.

    Args:
        preset: name of the model's configuration, see `vrnn_tf.presets`.
        clip_norm: largest global norm of the gradient.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> config = TrainConfig("demo", epochs=2, model={"latent_size": 4})
    >>> config.learning_rate
    0.001
    >>> TrainConfig.from_dict(config.to_dict()) == config
    True
    """

    preset: str
    model: dict[str, Any] = dataclasses.field(
        default_factory=dict,
        metadata={"help": "An argument of `VRNN` that differs from the preset. Can be repeated."},
    )
    dataset: str = _option(
        "synthetic_handwriting", "Name of the data set. `vrnn data list` shows all names."
    )
    dataset_options: dict[str, Any] = dataclasses.field(
        default_factory=dict,
        metadata={
            "help": "An option of the data set. `vrnn data info NAME` shows all. Can be repeated.",
            "option": "--data",
        },
    )
    data_dir: str | None = _option(
        None,
        "Folder with the files of the data set, see `vrnn data info NAME`. Data sets that are "
        "built in or downloaded do not need it.",
        folder=True,
    )
    prepared_dir: str | None = _option(
        None,
        "Folder of the prepared records. The default is $TFDS_DATA_DIR, or else "
        "~/tensorflow_datasets.",
        folder=True,
    )
    strict: bool = _option(
        False, "Stop at a malformed file. Without this option it is skipped and counted."
    )
    data_memory: float = _option(
        4.0,
        "GiB that a split may take in memory. The sequences of a larger split stay in files in the "
        "folder of the prepared records, and each is read when it is needed. The default is 4.",
    )
    num_train: int | None = _option(None, "Train on at most this many sequences.")
    num_validation: int | None = _option(None, "Validate on at most this many sequences.")
    normalization: str | None = _option(
        None,
        "none, paper, scalar or per_dimension. The default suits the kind of data; it is none for "
        "a likelihood of discrete levels.",
    )
    batch_size: int = _option(32, "Sequences in a training step.")
    num_buckets: int = _option(
        10, "Number of different lengths to which batches of whole sequences are padded."
    )
    chunk_steps: int | None = _option(
        None,
        "Time steps in a chunk of truncated back-propagation. The states are carried on to the "
        "next chunk. Without this option, training uses whole sequences.",
    )
    epochs: int = _option(20, "Passes over the training sequences.")
    learning_rate: float = _option(
        1e-3, "Learning rate of Adam at the start. It decays to a tenth along a cosine."
    )
    clip_norm: float = 5.0
    weight_decay: float = _option(
        0.0,
        "Share of each weight that an update takes away, as a multiple of the learning rate "
        "(decoupled, arXiv:1711.05101).",
    )
    jit_compile: bool = _option(
        False,
        "Compile the training step with XLA, once for each shape of a batch. This pays for small "
        "models and for IWAE and FIVO bounds. Choose few buckets.",
    )
    checkpoint_every: int = _option(
        1_000,
        "Training steps from one checkpoint to the next. A killed run loses no more work than "
        "these. The end of every epoch also writes a checkpoint.",
    )
    seed: int = _option(
        0, "Fixes the data, the initial weights, the noise and the order of the batches."
    )
    deterministic: bool = _option(
        False,
        "Let TensorFlow use only operations that add up in a fixed order, for the rest of the "
        "process. On a CPU, runs have been the same without this option. On a GPU, they differ.",
    )
    matmul_precision: str = _option(
        "float32",
        "float32 or bfloat16. With bfloat16, a processor that has instructions for it rounds "
        "operands and results of matrix products to 8 bits of mantissa, in training and in its "
        "validation, and is faster. Weights, states and densities stay float32.",
    )

    def __post_init__(self):
        for field in dataclasses.fields(self):
            kind, value = _TYPES.get(str(field.type)), getattr(self, field.name)
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
        """The fields by their names, JSON-able."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> TrainConfig:
        """The inverse of `to_dict`.

        Raises:
            ValueError: if a name is unknown or a value is out of range.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        for name in config:
            check_choice("configuration entry", name, names)
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
    # Each half second, 40 frames, is a sequence, as in the published figures.
    "speech_paper": {
        "dataset": "blizzard2013",
        "epochs": 5,
        "batch_size": 128,
        "learning_rate": 3e-4,
    },
    "pianoroll": {"dataset": "jsb_chorales", "epochs": 100, "batch_size": 16},
    "char": {"dataset": "tiny_shakespeare", "epochs": 10, "learning_rate": 2e-3},
}
# A preset chooses these entries for its usual data set. Another data set does not take them over.
_FOR_THE_USUAL_DATASET = ("dataset_options", "num_train", "num_validation")


def defaults(preset: str, dataset: str | None = None) -> TrainConfig:
    """The training configuration of a preset, on its usual data set or on another one.

    Raises:
        ValueError: if the preset is unknown.
    """
    entries = dict(TRAINING[check_choice("preset", preset, TRAINING)])
    usual = entries.get("dataset", TrainConfig.dataset)
    if dataset not in (None, usual):
        for name in _FOR_THE_USUAL_DATASET:
            entries.pop(name, None)
        entries["dataset"] = dataset
    return TrainConfig(preset=preset, **entries)
