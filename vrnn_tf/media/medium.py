"""What the numbers of a sequence mean to people: strokes, sound, piano rolls or text.

A `Medium` travels in a run's metadata.json and in that of an export. It knows the units, which
likelihoods describe it, and the files that a sequence can be saved as. Needs NumPy; pictures need
matplotlib, .wav soundfile and .mid mido. TensorFlow is not needed.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vrnn_tf import files
from vrnn_tf.media import drawing
from vrnn_tf.validation import check_choice, check_integer, check_number

MAX_RATE = 768_000  # samples a second: what converters of sound reach
_REGISTRY: dict[str, type[Medium]] = {}


def _register(cls: type[Medium]) -> type[Medium]:
    _REGISTRY[cls.kind] = cls
    return cls


def kinds() -> list[str]:
    """The kinds of media there are."""
    return list(_REGISTRY)


def likelihoods(kind: str) -> tuple[str, ...]:
    """The names of the likelihoods that describe a kind; raises ValueError if it is unknown."""
    return _REGISTRY[check_choice("kind", kind, _REGISTRY)].likelihoods


def from_dict(config: Mapping[str, Any]) -> Medium:
    """The inverse of `Medium.to_dict`.

    Raises:
        ValueError: if the kind or an entry is unknown, or a value is out of range.
    """
    if not isinstance(config, Mapping):
        raise ValueError(f"A medium must be a dictionary with 'kind'. Received {config!r}.")
    arguments = dict(config)
    cls = _REGISTRY[check_choice("kind", arguments.pop("kind", None), _REGISTRY)]
    known = [field.name for field in dataclasses.fields(cls)]
    for name in arguments:
        check_choice(f"entry of {cls.kind}", name, known)
    try:
        return cls(**arguments)
    except TypeError as error:
        raise ValueError(f"The medium {config!r} is not complete: {error}.") from None


@dataclasses.dataclass(frozen=True)
class Medium:
    """The common part; see the subclasses.

    Attributes:
        kind: "strokes", "audio", "pianoroll" or "text".
        likelihoods: names of the likelihoods that describe it.
        suffixes: of the files that `save` writes; pictures and text first.
        normalization: the convention that is used when nothing else is asked for.
        temperature: of samples that are made to be looked at or listened to.
    """

    kind: ClassVar[str]
    likelihoods: ClassVar[tuple[str, ...]]
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


@_register
@dataclasses.dataclass(frozen=True)
class Strokes(Medium):
    """Pen strokes, x `[T, 3]`: (dx, dy, pen), y up; pen is 1 on the last point of a stroke.

    Args:
        unit: of the offsets, for people.
    """

    unit: str = "units of the pen's recorder, y up"

    kind = "strokes"
    likelihoods = ("bivariate_gmm",)
    suffixes = (".png", ".svg")
    normalization = "paper"
    temperature = 0.5

    def __post_init__(self):
        if not isinstance(self.unit, str):
            raise ValueError(f"`unit` must be a text. Received {self.unit!r}.")

    @property
    def event_size(self) -> int:
        return 3

    @property
    def units(self) -> str:
        return self.unit

    @property
    def normalized_features(self) -> tuple[int, ...]:
        return (0, 1)

    def check(self, x):
        if not np.isin(x[:, 2], (0, 1, 2)).all():
            raise ValueError("The third column, pen, must be 0 or 1 (2: the end of the line).")

    def plot(self, axes, x):
        for stroke in drawing.to_polylines(x):
            axes.plot(*stroke.T, linewidth=0.8, color="black", solid_capstyle="round")
        axes.set_aspect("equal")
        axes.set_axis_off()

    def marks(self, x):
        return np.flatnonzero(x[:, 2] > 0.5)

    def _save(self, path, sequences):
        drawing.save(path, sequences)


@_register
@dataclasses.dataclass(frozen=True)
class Audio(Medium):
    """Raw samples, x `[T, frame_size]`: consecutive samples, full scale at -1 and 1.

    Args:
        sampling_rate: samples a second.
        frame_size: samples a step.
    """

    sampling_rate: int = 16_000
    frame_size: int = 200

    kind = "audio"
    likelihoods = ("gmm", "gaussian", "discretized_logistic_mixture")
    suffixes = (".png", ".wav")
    normalization = "scalar"

    def __post_init__(self):
        if check_integer("sampling_rate", self.sampling_rate, 1) > MAX_RATE:
            raise ValueError(
                f"`sampling_rate` must be at most {MAX_RATE}. Received {self.sampling_rate}."
            )
        check_integer("frame_size", self.frame_size, 1)

    @property
    def event_size(self) -> int:
        return self.frame_size

    @property
    def units(self) -> str:
        return f"samples at {self.sampling_rate} Hz, full scale at -1 and 1"

    @property
    def normalized_features(self) -> tuple[int, ...]:
        return tuple(range(self.frame_size))

    def likelihood_arguments(self):
        return {"event_size": self.frame_size}

    def _save(self, path, sequences):
        """A .wav holds the sequences one after the other, half a second apart."""
        waves = [np.clip(x.reshape(-1), -1.0, 1.0) for x in sequences]
        if path.suffix == ".wav":
            import soundfile

            silence = np.zeros(self.sampling_rate // 2)
            joined = np.concatenate([part for wave in waves for part in (wave, silence)][:-1])
            with files.atomic(path) as temporary:
                soundfile.write(temporary, joined, self.sampling_rate, subtype="PCM_16")
        else:
            _save_plots(path, waves, self.plot)

    def plot(self, axes, wave) -> None:
        wave = np.reshape(wave, -1)
        axes.plot(np.arange(len(wave)) / self.sampling_rate, wave, linewidth=0.4, color="black")
        axes.set_xlabel("seconds")
        axes.set_ylabel("full scale")


@_register
@dataclasses.dataclass(frozen=True)
class PianoRoll(Medium):
    """Keys held down, x `[T, num_keys]` of 0 and 1.

    Args:
        lowest_pitch: MIDI number of the first key; 21 is the A of a piano's left end.
        num_keys: 88 for a piano.
        steps_per_second: for listening; the data have no tempo of their own.
    """

    lowest_pitch: int = 21
    num_keys: int = 88
    steps_per_second: float = 4.0

    kind = "pianoroll"
    likelihoods = ("bernoulli", "nade")
    suffixes = (".png", ".mid")

    def __post_init__(self):
        check_integer("lowest_pitch", self.lowest_pitch, 0)
        check_integer("num_keys", self.num_keys, 1)
        if self.lowest_pitch + self.num_keys > 128:
            raise ValueError(f"MIDI has the pitches 0 to 127. Received {self}.")
        steps = check_number("steps_per_second", self.steps_per_second, 0.1)
        if isinstance(self.steps_per_second, str) or steps > 1_000.0:  # MIDI counts microseconds
            raise ValueError(
                "`steps_per_second` must be a number from 0.1 to 1000. Received "
                f"{self.steps_per_second!r}."
            )

    @property
    def event_size(self) -> int:
        return self.num_keys

    @property
    def units(self) -> str:
        return f"keys held (0 or 1), from MIDI pitch {self.lowest_pitch}"

    def likelihood_arguments(self):
        return {"event_size": self.num_keys}

    def check(self, x):
        if not np.isin(x, (0, 1)).all():
            raise ValueError("Keys must be 0 or 1.")

    def _save(self, path, sequences):
        """A .mid holds one track a sequence, one after the other, two seconds apart."""
        if path.suffix == ".mid":
            with files.atomic(path) as temporary:
                self._midi(sequences).save(temporary)
        else:
            _save_plots(path, sequences, self.plot)

    def plot(self, axes, roll) -> None:
        if not len(roll):
            return
        axes.imshow(roll.T, origin="lower", aspect="auto", cmap="Greys", interpolation="nearest")
        axes.set_xlabel("step")
        axes.set_ylabel("key")

    def _midi(self, sequences):
        import mido

        ticks = 480  # a step
        file = mido.MidiFile(ticks_per_beat=ticks)
        start = 0
        for roll in sequences:
            track = mido.MidiTrack()
            tempo = round(1e6 / self.steps_per_second)  # a beat is a step
            track.append(mido.MetaMessage("set_tempo", tempo=tempo))
            held = np.pad(roll > 0.5, ((1, 1), (0, 0))).astype(np.int8)
            now = 0
            for step, key in np.argwhere(np.diff(held, axis=0) != 0):
                time = (start + step) * ticks
                on = "note_on" if held[step + 1, key] else "note_off"
                pitch = int(self.lowest_pitch + key)
                track.append(mido.Message(on, note=pitch, velocity=80, time=int(time - now)))
                now = time
            file.tracks.append(track)
            start += len(roll) + round(2 * self.steps_per_second)
        return file


@_register
@dataclasses.dataclass(frozen=True)
class Text(Medium):
    """Characters, x `[T, 1]`: their places in `charset`.

    Args:
        charset: every character once.
    """

    charset: str = ""

    kind = "text"
    likelihoods = ("categorical",)
    suffixes = (".txt",)

    def __post_init__(self):
        if not isinstance(self.charset, str) or len(set(self.charset)) != len(self.charset):
            raise ValueError(f"`charset` must hold every character once. Received {self}.")
        if len(self.charset) < 2:
            raise ValueError(f"`charset` must hold at least two characters. Received {self}.")

    @property
    def event_size(self) -> int:
        return 1

    @property
    def units(self) -> str:
        return f"place in a set of {len(self.charset)} characters"

    def likelihood_arguments(self):
        return {"num_classes": len(self.charset)}

    def check(self, x):
        self.decode(x)

    def encode(self, text: str) -> np.ndarray:
        """Characters to float32 `[T, 1]`; raises ValueError naming one that is not in the set."""
        place = {character: i for i, character in enumerate(self.charset)}
        try:
            return np.array([place[c] for c in text], np.float32).reshape(-1, 1)
        except KeyError as error:
            raise ValueError(
                f"The character {error} is not one of the {len(self.charset)} that the model "
                f"knows: {self.charset!r}. Leave it out."
            ) from None

    def decode(self, x: np.ndarray) -> str:
        """The inverse of `encode`; raises ValueError for what is no place in the set."""
        places = np.asarray(x).reshape(-1)
        if not np.isin(places, np.arange(len(self.charset))).all():
            raise ValueError(f"Characters must be whole numbers from 0 to {len(self.charset) - 1}.")
        return "".join(self.charset[int(i)] for i in places)

    def _save(self, path, sequences):
        with files.atomic(path) as temporary:
            divider = "\n\n" + "-" * 40 + "\n\n"
            text = divider.join(self.decode(x) for x in sequences) + "\n"
            temporary.write_text(text, encoding="utf-8")

    def plot(self, axes, x):
        for step, character in enumerate(self.decode(x)):
            axes.text(step, 0.5, repr(character)[1:-1], ha="center", fontsize=6)
        axes.set_xlim(0, max(len(x) - 1, 1))
        axes.set_axis_off()


def check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    """Raises ValueError unless `path` ends in one of `suffixes`."""
    if path.suffix not in suffixes:
        raise ValueError(f"The file must end in one of {list(suffixes)}. Received {path}.")


def _save_plots(path: Path, sequences: list, plot: Callable[[Any, np.ndarray], None]) -> None:
    """One plot below the other, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.2 * len(sequences)), dpi=100, layout="constrained")
    rows = figure.subplots(len(sequences), squeeze=False)[:, 0]
    for axes, x in zip(rows, sequences, strict=True):
        plot(axes, x)
    save_figure(path, figure)


def save_figure(path: Path, figure) -> None:
    """Writes a matplotlib figure as PNG, atomically."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    with files.atomic(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
