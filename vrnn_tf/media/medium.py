"""What the numbers of a sequence mean to people: strokes, sound, piano rolls or text.

A `Medium` travels in a run's metadata.json and in that of an export. It knows the units
and writes sequences into files. It needs NumPy; pictures need matplotlib, .wav files soundfile and
.mid files mido. TensorFlow is not needed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vrnn_tf import files
from vrnn_tf.validation import check_choice

_REGISTRY: dict[str, type[Medium]] = {}


def register(cls: type[Medium]) -> type[Medium]:
    """Makes a medium known by its `kind` to `from_dict`."""
    _REGISTRY[cls.kind] = cls
    return cls


def kinds() -> list[str]:
    """The kinds of media there are, in alphabetical order."""
    return sorted(_REGISTRY)


def classes() -> list[type[Medium]]:
    """The registered classes, in the order of their registration."""
    return list(_REGISTRY.values())


def from_dict(config: Mapping[str, Any]) -> Medium:
    """The inverse of `Medium.to_dict`.

    Raises:
        ValueError: if the kind or an entry is unknown, or a value is out of range.
    """
    if not isinstance(config, Mapping):
        raise ValueError(f"A medium must be a dictionary with 'kind'. Received {config!r}.")
    arguments = dict(config)
    cls = _REGISTRY[check_choice("kind", arguments.pop("kind", None), kinds())]
    entries = [field.name for field in dataclasses.fields(cls)]
    for name in arguments:
        check_choice(f"entry of {cls.kind}", name, entries)
    try:
        return cls(**arguments)
    except TypeError as error:
        raise ValueError(f"The medium {config!r} is not complete: {error}.") from None


@dataclasses.dataclass(frozen=True)
class Medium:
    """The common part; see the subclasses.

    Attributes:
        kind: "strokes", "audio", "pianoroll" or "text".
        suffixes: of the files that `save` writes; pictures and text first.
        normalization: the convention that is used when nothing else is asked for.
        temperature: of samples that are made to be looked at or listened to.
    """

    kind: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    normalization: ClassVar[str] = "none"
    temperature: ClassVar[float] = 1.0

    @property
    def event_size(self) -> int:
        """D, the size of one time step of x `[T, D]`."""
        raise NotImplementedError

    @property
    def units(self) -> str:
        """The unit of raw x, for people."""
        raise NotImplementedError

    @property
    def normalized_features(self) -> tuple[int, ...]:
        """Which of the D features are normalised."""
        return ()

    def likelihood_arguments(self) -> dict[str, Any]:
        """What the data fix of a likelihood: the size of its event or of its alphabet."""
        return {}

    def save(self, path: str | Path, sequences: Sequence[np.ndarray]) -> Path:
        """Writes sequences `[T_i, D]` in raw units into one file, atomically.

        Args:
            path: ends in one of `suffixes`, or in .npz: x `[sum T_i, D]` and length `[N]`.
            sequences: one or more.

        Raises:
            ValueError: if the suffix is another one, or a sequence is not `[T, D]` or not finite.
        """
        path = Path(path)
        check_suffix(path, (*self.suffixes, ".npz"))
        sequences = [np.asarray(x) for x in sequences]
        if not sequences:
            raise ValueError(f"There must be at least one sequence to save in {path}.")
        for x in sequences:
            if x.ndim != 2 or x.shape[1] != self.event_size:
                raise ValueError(
                    f"A sequence must be [T, {self.event_size}] ({self.units}). Received shape "
                    f"{x.shape}."
                )
            if not np.isfinite(x).all():
                raise ValueError("A sequence to save must be finite. Received NaN or infinity.")
        if path.suffix == ".npz":
            with files.atomic(path) as temporary:
                lengths = np.array([len(x) for x in sequences])
                np.savez(temporary, x=np.concatenate(sequences), length=lengths)
        else:
            self._save(path, sequences)
        return path

    def _save(self, path: Path, sequences: list[np.ndarray]) -> None:
        raise NotImplementedError

    def plot(self, axes, x: np.ndarray) -> None:
        """Draws raw x `[T, D]` into matplotlib axes."""
        raise NotImplementedError

    def marks(self, x: np.ndarray) -> np.ndarray:
        """The steps of raw x at which something ends, for figures over time."""
        return np.zeros(0, int)

    def check(self, x: np.ndarray) -> None:
        """Raises ValueError if raw x `[T, D]` holds what the medium cannot mean."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; the inverse of `from_dict`."""
        return {"kind": self.kind, **dataclasses.asdict(self)}


def check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    """Raises ValueError unless `path` ends in one of `suffixes`."""
    if path.suffix not in suffixes:
        raise ValueError(f"The file must end in one of {list(suffixes)}. Received {path}.")
