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
    """Decorates a class so that `from_dict` knows it by its `kind`."""
    _REGISTRY[cls.kind] = cls
    return cls


def kinds() -> list[str]:
    """Returns the kinds of media, in alphabetical order."""
    return sorted(_REGISTRY)


def classes() -> list[type[Medium]]:
    """Returns the registered classes, in the order of their registration."""
    return list(_REGISTRY.values())


def from_dict(config: Mapping[str, Any]) -> Medium:
    """Makes a medium from what `Medium.to_dict` returned.

    Raises:
        ValueError: if the kind or an entry is unknown, if an entry is missing, or if a value is out
            of range.
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
    """What the numbers of a sequence x `[T, D]` mean. Each subclass is one kind of medium.

    Attributes:
        kind: the name of the kind, for example "strokes".
        suffixes: the endings of the files that `save` writes. The first is that of a picture or a
            text.
        normalization: the convention of normalisation that training uses by default.
        temperature: the temperature of samples that people look at or listen to.

    Example:

    >>> from vrnn_tf import media
    >>> medium = media.from_dict({"kind": "audio", "sampling_rate": 8000, "frame_size": 100})
    >>> medium
    Audio(sampling_rate=8000, frame_size=100)
    >>> medium.to_dict()
    {'kind': 'audio', 'sampling_rate': 8000, 'frame_size': 100}
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
        """The indices of the features that are normalised."""
        return ()

    def likelihood_arguments(self) -> dict[str, Any]:
        """Returns the arguments of a likelihood that the data fix, such as `event_size`."""
        return {}

    def save(self, path: str | Path, sequences: Sequence[np.ndarray]) -> Path:
        """Writes sequences `[T_i, D]` in raw units into one file, atomically.

        Args:
            path: a file that ends in one of `suffixes`, or in .npz. An .npz file holds x
                `[sum T_i, D]` and length `[N]`.
            sequences: one or more.

        Returns:
            `path`.

        Raises:
            ValueError: if the suffix is another one, if there is no sequence, or if a sequence is
                not `[T, D]` or not finite.
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
        """Returns the steps of raw x at which something ends, for figures over time."""
        return np.zeros(0, int)

    def check(self, x: np.ndarray) -> None:
        """Raises ValueError if raw x `[T, D]` holds a value that means nothing in this medium."""

    def to_dict(self) -> dict[str, Any]:
        """Returns a JSON-able description, from which `from_dict` makes an equal medium."""
        return {"kind": self.kind, **dataclasses.asdict(self)}


def check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    """Raises ValueError unless `path` ends in one of `suffixes`."""
    if path.suffix not in suffixes:
        raise ValueError(f"The file must end in one of {list(suffixes)}. Received {path}.")
