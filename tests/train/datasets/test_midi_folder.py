"""MIDI files become the rolls that were written into them, on a grid of beats."""

import fractions
import tracemalloc
import zipfile

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vrnn_tf.media import PianoRoll
from vrnn_tf.train.datasets import midi_folder
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning
from vrnn_tf.train.datasets.midi_folder import MidiFolder, Note

# Type 0, one track, 96 ticks a beat. Middle C for a beat, then E and G together for two.
BY_HAND = bytes.fromhex(
    "4d546864 00000006 0000 0001 0060"  # MThd, 6 bytes, type, tracks, ticks
    "4d54726b 00000021"  # MTrk, 33 bytes
    "00 ff5103 07a120"  # tempo: half a second a beat
    "00 90 3c 40"  # on 60
    "60 3c 00"  # running status: velocity 0 is off
    "00 90 40 40"  # on 64
    "00 43 40"  # on 67
    "8140 80 40 00"  # 192 ticks later off 64
    "00 43 00"  # off 67
    "00 ff2f00"
)


def keys(roll):
    """The MIDI pitches held at each step."""
    return [[int(key) + 21 for key in np.flatnonzero(step)] for step in roll]


def roll_of(path, steps_per_beat=1):
    return midi_folder.to_roll(*midi_folder.read_notes(path), steps_per_beat)


def track(*messages):
    """A track of (ticks since the message before, type, pitch, velocity[, channel])."""
    track = mido.MidiTrack()
    for time, kind, note, velocity, *channel in messages:
        channel = channel[0] if channel else 0
        message = mido.Message(kind, note=note, velocity=velocity, channel=channel, time=time)
        track.append(message)
    return track


def write(path, *tracks, **arguments):
    path.parent.mkdir(parents=True, exist_ok=True)
    file = mido.MidiFile(**{"ticks_per_beat": 96, **arguments}, tracks=list(tracks))
    file.save(path)
    return path


def scale(path, start=60, notes=8):
    messages = []
    for i in range(notes):
        messages += [(0, "note_on", start + i, 80), (96, "note_off", start + i, 0)]
    return write(path, track(*messages))


def test_a_file_made_by_hand(tmp_path):
    path = tmp_path / "hand.mid"
    path.write_bytes(BY_HAND)
    assert keys(roll_of(path)) == [[60], [64, 67], [64, 67]]
    assert keys(roll_of(path, 2)) == [[60]] * 2 + [[64, 67]] * 4


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param(
            [(0, "note_on", 60, 1), (96, "note_on", 60, 0), (96, "note_on", 62, 1)],
            [[60], [], [62]],
            id="velocity 0 lets go, and a note that is never let go ends with its track",
        ),
        pytest.param(
            [(0, "note_on", 60, 1), (96, "note_on", 60, 1), (96, "note_off", 60, 1)],
            [[60], [60]],
            id="a key that is struck again while down stays down until it is let go",
        ),
        pytest.param(
            [(0, "note_on", 60, 1), (0, "note_on", 60, 1, 3), (96, "note_off", 60, 0)]
            + [(96, "note_off", 60, 0, 3)],
            [[60], [60]],
            id="channels do not let go of each other's keys",
        ),
        pytest.param(
            [(0, "note_on", 60, 1), (3, "note_off", 60, 0), (93, "note_on", 62, 1)]
            + [(3, "note_off", 62, 0)],
            [[60], [62]],
            id="a short note has a step",
        ),
        pytest.param(
            [(50, "note_on", 60, 1), (90, "note_off", 60, 0), (9, "note_on", 62, 1)]
            + [(91, "note_off", 62, 0)],
            [[60], [62]],
            id="starts and ends go to the nearest step; the silence before them is cut",
        ),
        pytest.param(
            [(0, "note_on", 36, 9, 9), (0, "note_on", 60, 1), (96, "note_off", 36, 9, 9)]
            + [(0, "note_off", 60, 0)],
            [[60]],
            id="percussion is left out",
        ),
        pytest.param(
            [(0, "note_off", 70, 0), (0, "note_on", 60, 1), (96, "note_off", 60, 0)],
            [[60]],
            id="what was not struck cannot be let go",
        ),
    ],
)
def test_notes(tmp_path, messages, expected):
    assert keys(roll_of(write(tmp_path / "a.mid", track(*messages)))) == expected


def test_tracks_play_together_and_tempo_changes_nothing(tmp_path):
    tempo = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=10**6, time=48)])
    low = track((0, "note_on", 40, 80), (192, "note_off", 40, 0))
    high = track((96, "note_on", 90, 80), (96, "note_off", 90, 0))
    high.insert(0, mido.Message("control_change", control=64, value=127))  # the pedal
    path = write(tmp_path / "a.mid", tempo, low, high)
    assert keys(roll_of(path)) == [[40], [40, 90]]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(21, 108), st.integers(0, 999), st.integers(0, 300)), min_size=1),
    st.integers(1, 100),
    st.integers(1, 7),
)
def test_the_grid_against_fractions(notes, ticks, steps):
    expected = set()
    for pitch, start, length in notes:
        exact = [fractions.Fraction(t * steps, ticks) for t in (start, start + length)]
        first, end = (int(step + fractions.Fraction(1, 2)) for step in exact)
        expected |= {(step, pitch - 21) for step in range(first, max(end, first + 1))}
    silent = min(step for step, _ in expected)
    roll = midi_folder.to_roll([Note(p, s, s + n) for p, s, n in notes], ticks, steps)
    assert {(step + silent, key) for step, key in np.argwhere(roll).tolist()} == expected
    assert roll[0].any() and roll[-1].any()


@settings(deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 12), st.just(88)), elements=st.integers(0, 1)))
def test_what_is_saved_is_read_back(tmp_path_factory, roll):
    """Silence at both ends is the exception."""
    path = tmp_path_factory.getbasetemp() / "round.mid"
    PianoRoll(steps_per_second=3.7).save(path, [roll])
    sounding = np.flatnonzero(roll.any(axis=1))
    if len(sounding):
        np.testing.assert_array_equal(roll_of(path), roll[sounding[0] : sounding[-1] + 1])
    else:
        with pytest.raises(ValueError, match="no note"):
            roll_of(path)


@settings(deadline=None)
@given(st.data())
def test_damaged_bytes_give_a_roll_or_an_error(tmp_path_factory, data):
    content = bytearray(BY_HAND)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.mid"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        notes, ticks = midi_folder.read_notes(path)
        roll = midi_folder.to_roll([n for n in notes if 21 <= n.pitch <= 108], ticks, 2)
    except Exception:  # the preparation counts and names the file, whatever the error
        return
    assert 1 <= len(roll) <= midi_folder.MAX_STEPS and roll.any()


def test_a_header_that_declares_a_huge_length_takes_no_memory(tmp_path):
    (tmp_path / "a.mid").write_bytes(b"MThd\x7f\xff\xff\xff" + BY_HAND[8:])
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="ends early"):
            midi_folder.read_notes(tmp_path / "a.mid")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10**6


def bad_file(path, kind):
    content = bytearray(BY_HAND)
    if kind == "smpte":
        content[12:14] = b"\xe7\x28"  # 25 frames a second, 40 ticks a frame
    elif kind == "type 2":
        content[9] = 2
    elif kind == "no ticks":
        content[12:14] = b"\0\0"
    elif kind == "garbage":
        content = b"RIFF" + bytes(100)
    elif kind == "text":
        content = b"This is no music."
    elif kind == "empty":
        content = b""
    elif kind == "truncated":
        content = content[:40]
    elif kind == "data byte":
        content[content.index(b"\x3c\x40") + 1] = 200
    elif kind == "huge":
        content = bytes(midi_folder.MAX_BYTES + 1)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


REASONS = {
    "smpte": r"counted in film frames \(SMPTE\)",
    "type 2": "of type 2",
    "no ticks": "not in beats",
    "garbage": "MThd not found",
    "text": "MThd not found",
    "empty": "empty or ends early",
    "truncated": "empty or ends early",
    "data byte": "data byte must be in range",
    "huge": "the file has 16777217 bytes",
}


@pytest.mark.parametrize("kind", REASONS)
def test_a_file_that_is_malformed_is_skipped_and_named(tmp_path, kind):
    bad = bad_file(tmp_path / "data" / "bad.mid", kind)
    for i in range(3):
        scale(tmp_path / "data" / f"{i}.mid", 60 + i)
    arguments = (tmp_path / "data", tmp_path / "prepared")
    with pytest.warns(SkippedFileWarning, match=REASONS[kind]):
        builder = MidiFolder.prepare(*arguments, validation_fraction=0.5)
    assert builder.facts()["skipped"]["count"] == 1
    assert list(builder.facts()["skipped"]["files"]) == [str(bad)]
    assert sum(builder.facts()["records"].values()) == 3
    with pytest.raises(ValueError, match=r"bad\.mid is malformed: .*" + REASONS[kind]):
        MidiFolder.prepare(*arguments, strict=True, validation_fraction=0.5)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "no note that a piano has"),
        ([(0, "note_on", 38, 80, 9), (96, "note_off", 38, 0, 9)], "no note that a piano has"),
        ([(0, "note_on", 20, 80), (96, "note_off", 20, 0)], "no note that a piano has"),
        (
            [(0, "note_on", 60, 80), (96 * 60_000, "note_off", 60, 0)],
            "would have 120000 steps, more than 100000",
        ),
        ([(0, "note_on", 60, 80), (2**28 - 1, "note_on", 60, 0)], "would have"),
    ],
)
def test_a_roll_that_cannot_be_is_named(tmp_path, messages, reason):
    write(tmp_path / "data" / "bad.mid", track(*messages))
    for i in range(3):
        scale(tmp_path / "data" / f"{i}.mid")
    arguments = (tmp_path / "data", tmp_path / "prepared")
    with pytest.warns(SkippedFileWarning, match=reason):
        builder = MidiFolder.prepare(*arguments, validation_fraction=0.5)
    assert builder.facts()["skipped"]["count"] == 1


def test_a_folder_of_files(tmp_path):
    for i in range(9):
        scale(tmp_path / "data" / "deep" / f"{i}.MID", 50 + i)
    scale(tmp_path / "data" / "last.midi", 59)
    scale(tmp_path / "data" / ".hidden.mid", 60)
    (tmp_path / "data" / "notes.txt").write_text("nothing to see")
    builder = MidiFolder.prepare(tmp_path / "data", tmp_path / "prepared", validation_fraction=0.2)
    facts = builder.facts()
    assert facts["records"] == {"train": 8, "validation": 2}
    assert facts["notes_off_the_piano"] == 0 and facts["skipped"]["count"] == 0
    rolls = [x for split in ("train", "validation") for x in builder.all_sequences(split)]
    assert sorted(keys(x)[0][0] for x in rolls) == list(range(50, 60))
    assert all(len(x) == 16 and x.dtype == np.float32 for x in rolls)  # eighth notes
    titles = {r["title"].decode() for s in ("train", "validation") for r in builder.records(s)}
    assert titles == {*map(str, range(9)), "last"}
    assert builder.medium() == PianoRoll(21, 88, 4.0)


def test_steps_per_beat_is_the_grid_also_of_an_archive(tmp_path):
    (tmp_path / "data").mkdir()
    with zipfile.ZipFile(tmp_path / "data" / "songs.zip", "w") as archive:
        for name in ("a.mid", "deep/b.mid"):
            archive.write(scale(tmp_path / "songs" / name), name)
    splits = MidiFolder.load(
        data_dir=tmp_path / "data", prepared_dir=tmp_path / "prepared", steps_per_beat=3
    )
    assert {len(x) for x in splits.train + splits.validation} == {24}
    assert splits.medium.steps_per_second == 6.0


def test_notes_that_a_piano_does_not_have_are_counted(tmp_path):
    outside = [(0, "note_on", p, 80) for p in (0, 20, 109, 127)]
    for name in ("a.mid", "b.mid"):
        write(
            tmp_path / "data" / name,
            track((0, "note_on", 60, 80), *outside, (96, "note_off", 60, 0)),
        )
    builder = MidiFolder.prepare(tmp_path / "data", tmp_path / "prepared", steps_per_beat=1)
    assert builder.facts()["notes_off_the_piano"] == 8
    assert [keys(x) for x in builder.all_sequences("train")] == [[[60]]]


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match="midi_folder needs --data-dir.*data info midi_folder"):
        MidiFolder.prepare(None, tmp_path / "prepared")
    with pytest.raises(
        ValueError, match="file that ends in .mid, .midi is missing in .*data info midi_folder"
    ):
        MidiFolder.prepare(tmp_path, tmp_path / "prepared")
    scale(tmp_path / "only.mid")
    with pytest.raises(ValueError, match="at least two groups"):
        MidiFolder.prepare(tmp_path, tmp_path / "prepared")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps_per_beat": 0}, "`steps_per_beat` must be an integer >= 1. Received 0"),
        ({"steps_per_beat": 1.5}, "`steps_per_beat` must be an integer"),
        ({"validation_fraction": 1.0}, "`validation_fraction` must lie between 0 and 1"),
        ({"steps": 2}, "`option of midi_folder` must be one of"),
    ],
)
def test_options_are_checked(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        MidiFolder.prepare(tmp_path, tmp_path / "prepared", **options)
