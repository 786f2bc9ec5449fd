"""Piano rolls."""

from __future__ import annotations

import dataclasses

import numpy as np

from vrnn_tf import files
from vrnn_tf.media.figures import save_plots
from vrnn_tf.media.medium import Medium, register
from vrnn_tf.validation import check_integer, check_number

_TICKS = 480  # MIDI's units of time in a step


@register
@dataclasses.dataclass(frozen=True)
class PianoRoll(Medium):
    """Keys held down, x `[T, num_keys]` of 0 and 1.

    Args:
        lowest_pitch: the MIDI number of the first key; 21 is the A at a piano's left end.
        num_keys: 88 for a piano.
        steps_per_second: the tempo at which `save` writes a roll, because the data have none.

    Example:

    >>> import numpy as np
    >>> from vrnn_tf import media
    >>> octave = media.PianoRoll(lowest_pitch=60, num_keys=12)
    >>> octave.units
    'keys held (0 or 1), from MIDI pitch 60'
    >>> octave.check(np.full((2, 12), 0.5))
    Traceback (most recent call last):
    ...
    ValueError: Keys must be 0 or 1. Received 0.5.
    """

    lowest_pitch: int = 21
    num_keys: int = 88
    steps_per_second: float = 4.0

    kind = "pianoroll"
    suffixes = (".png", ".mid")

    def __post_init__(self):
        check_integer("lowest_pitch", self.lowest_pitch, 0)
        check_integer("num_keys", self.num_keys, 1)
        if self.lowest_pitch + self.num_keys > 128:
            raise ValueError(f"MIDI has the pitches 0 to 127. Received {self}.")
        if check_number("steps_per_second", self.steps_per_second, 0.1) > 1_000.0:
            # MIDI counts microseconds.
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
        wrong = x[~np.isin(x, (0, 1))]
        if wrong.size:
            raise ValueError(f"Keys must be 0 or 1. Received {wrong[0]:g}.")

    def _save(self, path, sequences):
        """Writes a .mid with a track for each sequence and two seconds between them, or plots."""
        if path.suffix == ".mid":
            with files.atomic(path) as temporary:
                self._midi(sequences).save(temporary)
        else:
            save_plots(path, sequences, self.plot)

    def plot(self, axes, roll) -> None:
        if not len(roll):
            return
        axes.imshow(roll.T, origin="lower", aspect="auto", cmap="Greys", interpolation="nearest")
        axes.set_xlabel("step")
        axes.set_ylabel("key")

    def _midi(self, rolls):
        import mido

        file = mido.MidiFile(ticks_per_beat=_TICKS)  # a beat is a step
        start = 0
        for roll in rolls:
            file.tracks.append(self._track(roll, start))
            start += len(roll) + round(2 * self.steps_per_second)
        return file

    def _track(self, roll: np.ndarray, start: int):
        """Turns a roll that begins at step `start` into a MIDI track."""
        import mido

        track = mido.MidiTrack()
        tempo = round(1e6 / self.steps_per_second)  # microseconds a beat
        track.append(mido.MetaMessage("set_tempo", tempo=tempo))
        held = np.pad(roll > 0.5, ((1, 1), (0, 0))).astype(np.int8)
        now = 0
        for step, key in np.argwhere(np.diff(held, axis=0) != 0):
            time = (start + step) * _TICKS
            event = "note_on" if held[step + 1, key] else "note_off"
            pitch = int(self.lowest_pitch + key)
            track.append(mido.Message(event, note=pitch, velocity=80, time=int(time - now)))
            now = time
        return track
