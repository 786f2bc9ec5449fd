"""The music of a user: a folder of MIDI files."""

from __future__ import annotations

import dataclasses
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import mido
import numpy as np

from vrnn_tf.validation import check_integer

from .builders.carving import carve, check_fraction
from .builders.pianoroll import LOWEST_PITCH, NUM_KEYS, PianoRollBuilder
from .builders.reading import Item
from .sources.folders import files_with

MAX_STEPS = 100_000  # seven hours of eighth notes; a few bytes of a file can declare millennia
MAX_BYTES = 2**24  # of a file; each of its messages takes hundreds of bytes of memory
_PERCUSSION = 9  # the channel that musicians call 10, where pitches are instruments


@dataclasses.dataclass(frozen=True)
class Options:
    """Choices of a folder of MIDI files.

    Args:
        steps_per_beat: time steps of a quarter note. With 2 a step is an eighth note.
        validation_fraction: which part of the files is set aside for validation.

    Raises:
        ValueError: if a value is out of range.
    """

    steps_per_beat: int = 2
    validation_fraction: float = 0.1

    def __post_init__(self):
        check_integer("steps_per_beat", self.steps_per_beat, 1)
        check_fraction("validation_fraction", self.validation_fraction)


class Note(NamedTuple):
    """A key that is held down.

    Attributes:
        pitch: its MIDI number, 0 to 127.
        start: when it is struck, in ticks.
        end: when it is let go, in ticks.
    """

    pitch: int
    start: int
    end: int


class MidiFolder(PianoRollBuilder):
    """The .mid and .midi files below a folder, each a piano roll of all its tracks together.

    Time is counted in beats (quarter notes), not in seconds: a change of tempo changes nothing. A
    note starts and ends at the nearest step and is held for at least one. Silence before the first
    note and after the last is cut. Two notes of one pitch without a pause between them are one note
    in the roll. Percussion (channel 10), the pedals and notes that a piano does not have are left
    out. The facts count these notes as `notes_off_the_piano`.

    A hash of their names chooses whole files for validation. There is no test split.
    """

    SUMMARY = "Your own music: a folder of .mid or .midi files"
    LAYOUT = """Put at least two MIDI files into a folder, at any depth, or an archive of them:

    DIR/first.mid
    DIR/more/second.midi

"""
    SUFFIXES = (".mid", ".midi")
    Options = Options

    def steps_per_beat(self) -> int:
        return self.options.steps_per_beat

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        folder = self.unpack(folder, suffixes=self.SUFFIXES)
        paths = files_with(folder, self.SUFFIXES)
        items = [Item(path, path.relative_to(folder).as_posix()) for path in paths]
        chosen = carve({item.name: 1 for item in items}, self.options.validation_fraction)
        return {
            "train": [item for item in items if item.name not in chosen],
            "validation": [item for item in items if item.name in chosen],
        }

    def read(self, item: Item) -> Iterator[tuple[str, dict[str, Any] | Counter[str]]]:
        notes, ticks_per_beat = read_notes(item.path)
        on_piano = [n for n in notes if 0 <= n.pitch - LOWEST_PITCH < NUM_KEYS]
        roll = to_roll(on_piano, ticks_per_beat, self.steps_per_beat())
        yield "", Counter(notes_off_the_piano=len(notes) - len(on_piano))
        yield "", {"x": roll, "title": item.path.stem}


def read_notes(path: Path) -> tuple[list[Note], int]:
    """Reads the notes of a MIDI file without percussion, and how many ticks a beat has.

    Raises:
        ValueError: if the file is too large, ends early, is of type 2, or counts time in seconds.
        Exception: of any kind that mido raises, if it is malformed in another way.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"the file has {path.stat().st_size} bytes, more than {MAX_BYTES}")
    try:
        # From memory: reading a file makes room for whatever length a message declares.
        file = mido.MidiFile(file=io.BytesIO(path.read_bytes()))
    except EOFError:
        raise ValueError("the file is empty or ends early") from None
    if file.type not in (0, 1):
        raise ValueError(f"the file is of type {file.type}, whose tracks do not play together")
    if file.ticks_per_beat <= 0:
        raise ValueError("time is counted in film frames (SMPTE), not in beats")
    return [note for track in file.tracks for note in _notes_of(track)], file.ticks_per_beat


def _notes_of(track: mido.MidiTrack) -> Iterator[Note]:
    """Yields the notes of one track. A note that is never let go ends with the track."""
    now = 0
    struck: dict[tuple[int, int], int] = {}  # {(channel, pitch): when}
    for message in track:
        now += message.time
        if message.type not in ("note_on", "note_off") or message.channel == _PERCUSSION:
            continue
        key = (message.channel, message.note)
        if message.type == "note_on" and message.velocity:
            struck.setdefault(key, now)
        elif key in struck:
            yield Note(message.note, struck.pop(key), now)
    for (_, pitch), start in struck.items():
        yield Note(pitch, start, now)


def to_roll(notes: list[Note], ticks_per_beat: int, steps_per_beat: int) -> np.ndarray:
    """Makes a piano roll `[T, 88]`, uint8, from the first step with a note to the last.

    Args:
        notes: notes of a piano, in any order.
        ticks_per_beat: how many ticks a beat has, positive.
        steps_per_beat: how many steps a beat has, positive.

    Raises:
        ValueError: if there is no note, or T would be beyond `MAX_STEPS`.
    """
    if not notes:
        raise ValueError("the file holds no note that a piano has")

    def nearest(tick: int) -> int:  # in integers, for floats cannot tell large ticks apart
        return (2 * tick * steps_per_beat + ticks_per_beat) // (2 * ticks_per_beat)

    starts = [nearest(note.start) for note in notes]
    ends = [max(nearest(note.end), start + 1) for note, start in zip(notes, starts, strict=True)]
    first, length = min(starts), max(ends) - min(starts)
    if length > MAX_STEPS:
        raise ValueError(f"the roll would have {length} steps, more than {MAX_STEPS}")
    roll = np.zeros((length, NUM_KEYS), np.uint8)
    for note, start, end in zip(notes, starts, ends, strict=True):
        roll[start - first : end - first, note.pitch - LOWEST_PITCH] = 1
    return roll
