"""Piano rolls as MIDI files."""

import itertools

import mido
import numpy as np
import pytest

from vrnn_tf import media

RNG = np.random.default_rng(0)
MEDIUM = media.PianoRoll(21, 88, 2.0)
ROLL = np.zeros((4, 88), np.float32)
ROLL[0:2, 39] = 1  # middle C for two steps
ROLL[1:4, 43] = 1  # E for the last three


def notes_of(path):
    """`[(pitch, start, end)]` in seconds, of all tracks together."""
    now, struck, notes = 0.0, {}, []
    for message in mido.MidiFile(path):  # merges the tracks, and turns ticks into seconds
        now += message.time
        if message.type == "note_on" and message.velocity:
            assert message.note not in struck
            struck[message.note] = now
        elif message.type in ("note_on", "note_off"):
            notes.append((message.note, struck.pop(message.note), now))
    assert not struck
    return sorted(notes)


def expected_notes(roll, steps_per_second, lowest_pitch, start=0.0):
    """The same straight from the roll: its runs of ones."""
    notes = []
    for key, column in enumerate(roll.T):
        step = 0
        for value, run in itertools.groupby(column):
            length = len(list(run))
            times = [start + s / steps_per_second for s in (step, step + length)]
            notes += [(lowest_pitch + key, *times)] * bool(value)
            step += length
    return sorted(notes)


def test_the_notes_of_a_midi_file(tmp_path):
    notes = notes_of(MEDIUM.save(tmp_path / "a.mid", [ROLL]))
    np.testing.assert_allclose(notes, [(60, 0.0, 1.0), (64, 0.5, 2.0)])


@pytest.mark.parametrize("steps_per_second", [0.7, 4.0, 12.5])
def test_sequences_are_two_seconds_apart(tmp_path, steps_per_second):
    medium = media.PianoRoll(30, 50, steps_per_second)
    rolls = [RNG.integers(0, 2, (length, 50)) for length in (7, 1, 12)]
    gap = round(2 * steps_per_second) / steps_per_second  # whole steps
    expected, start = [], 0.0
    for roll in rolls:
        expected += expected_notes(roll, steps_per_second, 30, start)
        start += len(roll) / steps_per_second + gap
    np.testing.assert_allclose(
        notes_of(medium.save(tmp_path / "a.mid", rolls)), sorted(expected), atol=1e-4
    )
    assert gap == pytest.approx(2.0, abs=0.5 / steps_per_second)


def test_silence_is_a_file_without_notes(tmp_path):
    assert notes_of(MEDIUM.save(tmp_path / "a.mid", [0 * ROLL])) == []
