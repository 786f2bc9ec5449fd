"""Media know their units, travel as JSON, and write files that other programs read."""

import json

import matplotlib.image
import numpy as np
import pytest

from vrnn_tf import likelihoods, media

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
