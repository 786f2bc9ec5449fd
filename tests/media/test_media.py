"""Media know their units, travel as JSON, and write files that other programs read."""

import itertools
import json
import re
import wave

import matplotlib.image
import mido
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from vrnn_tf import likelihoods, media

RNG = np.random.default_rng(0)
ROLL = np.zeros((4, 88), np.float32)
ROLL[0:2, 39] = 1  # middle C for two steps
ROLL[1:4, 43] = 1  # E for the last three
# {kind: (a medium that differs from the default, a sequence of it)}
EXAMPLES = {
    "strokes": (media.Strokes("dots"), np.array([[3, 4, 0], [5, -2, 1], [2, 2, 1]], np.float32)),
    "audio": (
        media.Audio(8000, 40),
        (0.5 * np.sin(np.arange(4000) / 7)).reshape(100, 40).astype(np.float32),
    ),
    "pianoroll": (media.PianoRoll(21, 88, 2.0), ROLL),
    "text": (media.Text("abc\n "), np.array([[1], [0], [2], [4]], np.float32)),
}


def test_every_medium_has_an_example():
    assert sorted(media.kinds()) == sorted(EXAMPLES)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_medium_survives_json(kind):
    medium, _ = EXAMPLES[kind]
    config = medium.to_dict()
    assert config["kind"] == kind
    assert media.from_dict(json.loads(json.dumps(config))) == medium
    assert media.from_dict(config).to_dict() == config


@pytest.mark.parametrize("kind", ["strokes", "audio", "pianoroll"])
def test_what_is_not_said_has_a_default(kind):
    assert media.from_dict({"kind": kind}).kind == kind


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("audio", "must be a dictionary with 'kind'"),
        ({}, r"`kind` must be one of \['audio', .*Received None"),
        ({"kind": "piano"}, "`kind` must be one of .*Received 'piano'"),
        ({"kind": "audio", "rate": 8000}, r"`entry of audio` must be one of \['sampling_rate'"),
        ({"kind": "text", "charsets": "ab"}, "`entry of text` .*Did you mean 'charset'"),
        ({"kind": "audio", "sampling_rate": 0}, "`sampling_rate` must be an integer >= 1"),
        ({"kind": "audio", "frame_size": 1.5}, "`frame_size` must be an integer >= 1"),
        ({"kind": "pianoroll", "lowest_pitch": -1}, "`lowest_pitch` must be an integer >= 0"),
        ({"kind": "pianoroll", "num_keys": 0}, "`num_keys` must be an integer >= 1"),
        ({"kind": "pianoroll", "lowest_pitch": 41}, "MIDI has the pitches 0 to 127"),
        (
            {"kind": "pianoroll", "steps_per_second": 0},
            "`steps_per_second` must be a number >= 0.1",
        ),
        ({"kind": "text"}, "at least two characters"),
        ({"kind": "text", "charset": "a"}, "at least two characters"),
        ({"kind": "text", "charset": "abca"}, "every character once"),
        ({"kind": "text", "charset": ["a", "b"]}, "every character once"),
    ],
)
def test_a_wrong_configuration_is_named(config, message):
    with pytest.raises(ValueError, match=message):
        media.from_dict(config)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_medium_fits_its_likelihoods(kind):
    medium, x = EXAMPLES[kind]
    assert likelihoods.describing(kind)
    for name in likelihoods.describing(kind):
        likelihood = likelihoods.get({"name": name, **medium.likelihood_arguments()})
        assert likelihood.event_size == medium.event_size == x.shape[1]
    assert set(medium.normalized_features) <= set(range(medium.event_size))
    assert medium.units


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("strokes", 3, "pen, must be 0 or 1, or 2 at the end of a line. Received 3."),
        ("pianoroll", 0.5, "Keys must be 0 or 1. Received 0.5."),
        ("text", 5, "must be whole numbers from 0 to 4"),
    ],
)
def test_values_that_mean_nothing_are_named(kind, value, message):
    medium, x = EXAMPLES[kind]
    medium.check(x)
    wrong = x.copy()
    wrong[1, -1] = value
    with pytest.raises(ValueError, match=message):
        medium.check(wrong)


# --- files ----------------------------------------------------------------------------------------

SAVED = [(kind, suffix) for kind, (m, _) in EXAMPLES.items() for suffix in (*m.suffixes, ".npz")]


@pytest.mark.parametrize(("kind", "suffix"), SAVED)
def test_one_sequence_or_several_are_saved_whole(tmp_path, kind, suffix):
    medium, x = EXAMPLES[kind]
    path = tmp_path / "new" / f"sample{suffix}"
    for sequences in ([x], [x, x[:2], x]):
        assert medium.save(path, sequences) == path
        assert path.stat().st_size > 0
        assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert medium.save(str(path), [x.astype(np.float64)]) == path


@pytest.mark.parametrize("kind", EXAMPLES)
def test_arrays_come_back_from_npz(tmp_path, kind):
    medium, x = EXAMPLES[kind]
    with np.load(medium.save(tmp_path / "a.npz", [x, x[1:]]), allow_pickle=False) as arrays:
        assert arrays["length"].tolist() == [len(x), len(x) - 1]
        np.testing.assert_array_equal(arrays["x"], np.concatenate([x, x[1:]]))


@pytest.mark.parametrize("kind", ["strokes", "audio", "pianoroll"])
def test_pictures_hold_ink(tmp_path, kind):
    medium, x = EXAMPLES[kind]
    heights = []
    for sequences in ([x], [x, x]):
        path = medium.save(tmp_path / "a.png", sequences)
        assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        pixels = matplotlib.image.imread(path)[..., :3].min(axis=-1)
        assert 0.0005 < np.mean(pixels < 0.5) < 0.5
        heights.append(len(pixels))
    assert heights[1] > 1.5 * heights[0]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_another_suffix_is_refused(tmp_path, kind):
    medium, x = EXAMPLES[kind]
    for name in ("a", "a.mp3", "a.npy"):
        with pytest.raises(ValueError, match=rf"must end in one of .*'\.npz'\]. Received .*{name}"):
            medium.save(tmp_path / name, [x])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("kind", "suffix"), SAVED)
def test_another_shape_is_refused(tmp_path, kind, suffix):
    medium, x = EXAMPLES[kind]
    for bad in (x[0], x[None], np.zeros((3, medium.event_size + 1))):
        with pytest.raises(ValueError, match=rf"must be \[T, {medium.event_size}\] .*shape"):
            medium.save(tmp_path / f"a{suffix}", [x, bad])
    assert not list(tmp_path.iterdir())


# --- sound ----------------------------------------------------------------------------------------


def test_a_wav_holds_the_samples_in_order(tmp_path):
    medium, x = EXAMPLES["audio"]
    path = medium.save(tmp_path / "a.wav", [x])
    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (1, 2, 8000, x.size)  # mono, 16 bits
        integers = np.frombuffer(file.readframes(x.size), "<i2")
    np.testing.assert_allclose(integers / 32768, x.reshape(-1), atol=1 / 32768)
    samples, rate = soundfile.read(path)
    assert rate == 8000
    np.testing.assert_allclose(samples, x.reshape(-1), atol=1 / 32768)


def test_sounds_are_half_a_second_apart_and_do_not_wrap_around(tmp_path):
    medium = media.Audio(1000, 2)
    loud = np.array([[1.0, -1.0], [3.0, -3.0]])
    samples, _ = soundfile.read(medium.save(tmp_path / "a.wav", [loud, 0.5 * loud]))
    first, silence, second = np.split(samples, [4, 504])
    np.testing.assert_allclose(first, [1, -1, 1, -1], atol=1e-4)
    assert not silence.any()
    np.testing.assert_allclose(second, [0.5, -0.5, 1, -1], atol=1e-4)


# --- music ----------------------------------------------------------------------------------------


def notes_of(path):
    """`[(pitch, start, end)]` in seconds, of all tracks together."""
    now, struck, found = 0.0, {}, []
    for message in mido.MidiFile(path):  # merges the tracks, and turns ticks into seconds
        now += message.time
        if message.type == "note_on" and message.velocity:
            assert message.note not in struck
            struck[message.note] = now
        elif message.type in ("note_on", "note_off"):
            found.append((message.note, struck.pop(message.note), now))
    assert not struck
    return sorted(found)


def expected_notes(roll, steps_per_second, lowest_pitch, start=0.0):
    """The same straight from the roll: its runs of ones."""
    found = []
    for key, column in enumerate(roll.T):
        step = 0
        for value, run in itertools.groupby(column):
            length = len(list(run))
            times = [start + s / steps_per_second for s in (step, step + length)]
            found += [(lowest_pitch + key, *times)] * bool(value)
            step += length
    return sorted(found)


def test_the_notes_of_a_midi_file(tmp_path):
    medium, roll = EXAMPLES["pianoroll"]
    found = notes_of(medium.save(tmp_path / "a.mid", [roll]))
    np.testing.assert_allclose(found, [(60, 0.0, 1.0), (64, 0.5, 2.0)])


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
    medium, roll = EXAMPLES["pianoroll"]
    assert notes_of(medium.save(tmp_path / "a.mid", [0 * roll])) == []


# --- text -----------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.data())
def test_text_is_decoded_to_what_was_encoded(data):
    charset = data.draw(st.lists(st.characters(), min_size=2, unique=True))
    medium = media.Text("".join(charset))
    text = data.draw(st.text(st.sampled_from(charset)))
    x = medium.encode(text)
    assert x.shape == (len(text), 1) and x.dtype == np.float32
    assert all(charset[int(place)] == c for place, c in zip(x[:, 0], text, strict=True))
    assert medium.decode(x) == text


@pytest.mark.parametrize("character", ["d", "é", "\t", "'"])
def test_a_character_that_is_not_known_is_named(character):
    medium, _ = EXAMPLES["text"]
    named = re.escape(f"The character {character!r} is not one of the 5 that")
    with pytest.raises(ValueError, match=named):
        medium.encode("ab" + character)


def test_texts_stand_in_a_file_with_a_line_between_them(tmp_path):
    medium = media.Text("abé\n")
    path = medium.save(tmp_path / "a.txt", [medium.encode("é\na"), medium.encode("b")])
    first, second = path.read_bytes().decode("utf-8").split("\n\n" + "-" * 40 + "\n\n")
    assert (first, second) == ("é\na", "b\n")
