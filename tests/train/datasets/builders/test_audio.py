"""Recordings become records and frames; those that are malformed are skipped and counted."""

import pathlib
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sound_files import REFUSED, noise, tone, write_sounds, write_wav
from vrnn_tf import media
from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders import audio
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning

AudioFolder = datasets.get("audio_folder")


@pytest.fixture
def folder(tmp_path):
    return write_sounds(tmp_path / "sounds")


@pytest.fixture
def prepare(tmp_path, folder):
    def run(cls=AudioFolder, source=folder, **arguments):
        return cls.prepare(source, prepared_dir=tmp_path / "prepared", **arguments)

    return run


def test_samples_are_read_back_exactly(prepare, folder):
    extremes = np.array([-32_768, 32_767, 0, 1, -1] * 100, np.int16)
    write_wav(folder / "extremes.wav", extremes)
    builder = prepare()
    records = [*builder.records("train"), *builder.records("validation")]
    expected = [
        extremes,
        *(noise(len(name), 1_000) for name in ("a.wav", "b.WAV", "deep/er/c.wav")),
    ]
    assert all(record["x"].dtype == np.int16 for record in records)
    assert sorted(r["x"].tolist() for r in records) == sorted(x.tolist() for x in expected)
    assert {(r["text"], r["speaker"]) for r in records} == {(b"", b"")}
    assert builder.facts()["records"] == {"train": 3, "validation": 1}
    assert builder.facts()["skipped"]["count"] == 0
    assert builder.medium() == media.Audio(16_000, 200)


def test_sequences_are_frames_of_full_scale_one(prepare):
    splits = AudioFolder.load(
        data_dir=prepare().builder_config.source, prepared_dir=prepare()._data_dir_root
    )
    for x in splits.train:
        assert x.dtype == np.float32 and x.shape == (5, 200)
    waves = {tuple(np.round(x.reshape(-1) * 32_768).astype(int)) for x in splits.train}
    assert waves <= {tuple(noise(n, 1_000).tolist()) for n in (5, 13)}


def test_another_frame_size_does_not_prepare_again(prepare, monkeypatch):
    prepare()
    monkeypatch.setattr(audio, "read_samples", None)
    [x] = prepare(frame_size=300).all_sequences("validation")
    assert x.shape == (3, 300)
    assert list(prepare(frame_size=1_001).all_sequences("train")) == []


@given(length=st.integers(0, 50), size=st.integers(1, 20))
def test_frames_are_the_samples_without_the_rest(length, size):
    samples = np.arange(length, dtype=np.int16)
    stub = types.SimpleNamespace(options=types.SimpleNamespace(frame_size=size))
    sequences = audio.AudioBuilder.sequences(stub, {"x": samples})
    assert len(sequences) == (length >= size)
    for x in sequences:
        assert x.shape == (length // size, size)
        np.testing.assert_array_equal(x.reshape(-1) * 32_768, samples[: length // size * size])


def test_malformed_files_are_skipped_and_counted(prepare, folder):
    for name, (data, _) in REFUSED.items():
        (folder / name).write_bytes(data)
    with pytest.warns(SkippedFileWarning, match="silent throughout"):
        builder = prepare(validation_fraction=0.5)
    facts = builder.facts()
    assert sum(facts["records"].values()) == 3
    assert facts["skipped"]["count"] == len(REFUSED)
    assert {pathlib.Path(path).name for path in facts["skipped"]["files"]} == set(REFUSED)


def test_strict_stops_at_the_first_malformed_file(prepare, folder):
    (folder / "nan.wav").write_bytes(REFUSED["nan.wav"][0])
    with pytest.raises(ValueError, match=r"nan\.wav is malformed: sample 70000 is not finite"):
        prepare(strict=True)


@given(
    length=st.integers(1, 300),
    least=st.integers(0, 40),
    more=st.integers(0, 40),
)
def test_pieces_are_consecutive_and_lose_only_a_short_rest(length, least, more):
    samples = np.arange(length)
    longest = max(1, least + more)
    if length < least:
        with pytest.raises(ValueError, match="shorter than min_seconds"):
            audio.cut(samples, 100, least / 100, longest / 100)
        return
    pieces = audio.cut(samples, 100, least / 100, longest / 100)
    joined = np.concatenate(pieces)
    np.testing.assert_array_equal(joined, samples[: len(joined)])
    assert all(len(piece) == longest for piece in pieces[:-1])
    assert least <= len(pieces[-1]) <= longest
    assert length - len(joined) < max(1, least)


def test_a_recording_is_cut_into_pieces(prepare, folder):
    for name in ("a.wav", "b.WAV"):
        write_wav(folder / name, noise(0, 10_500))
    with pytest.warns(SkippedFileWarning, match=r"0\.0625 s long, shorter than min_seconds = 0\.1"):
        builder = prepare(max_seconds=0.25, min_seconds=0.1, validation_fraction=0.5)
    assert builder.facts()["skipped"]["count"] == 1
    records = [*builder.records("train"), *builder.records("validation")]
    expected = [noise(0, 10_500)[start : start + 4_000] for start in (0, 4_000, 8_000)] * 2
    assert sorted(r["x"].tolist() for r in records) == sorted(x.tolist() for x in expected)


def test_silence_at_both_ends_is_removed_on_request(tmp_path):
    loud = np.round(tone(16_000, 0.5) * 32_768).astype(np.int16)
    hiss = noise(0, 16_000, scale=10)
    samples = np.concatenate([hiss, loud, hiss[:8_000], loud, hiss])
    kept = audio.trim(samples, 16_000, 40.0)
    np.testing.assert_array_equal(kept, samples[16_000:-16_000])
    np.testing.assert_array_equal(audio.trim(samples, 16_000, 90.0), samples)


@given(
    samples=st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=200).filter(any),
    threshold=st.floats(0.1, 200),
)
def test_trimming_keeps_the_loudest_sample(samples, threshold):
    samples = np.array(samples, np.int16)
    kept = audio.trim(samples, 1_000, threshold)
    assert 0 < len(kept) <= len(samples)
    power = np.square(samples.astype(float))
    blocks = [power[i : i + 20].mean() for i in range(0, len(power), 20)]
    first = int(np.argmax(blocks)) * 20
    assert samples[first : first + 20].tobytes() in kept.tobytes()


def test_the_option_trims_before_the_length_is_measured(tmp_path):
    for name, sound in {"quiet": 8_000, "1": 16_000, "2": 16_000, "3": 16_000}.items():
        samples = np.r_[noise(0, sound), np.zeros(16_000 - sound)].astype(np.int16)
        write_wav(tmp_path / "d" / f"{name}.wav", samples)
    options = {"trim_silence": 50, "min_seconds": 0.6, "validation_fraction": 0.5}
    with pytest.warns(SkippedFileWarning, match=r"quiet\.wav: 0\.5 s long"):
        AudioFolder.prepare(tmp_path / "d", prepared_dir=tmp_path / "prepared", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling_rate": 10}, "`sampling_rate` must be an integer >= 1000"),
        ({"sampling_rate": 8000.5}, "`sampling_rate` must be an integer"),
        ({"frame_size": 0}, "`frame_size` must be an integer >= 1"),
        ({"min_seconds": -1}, "`min_seconds` must be a number >= 0"),
        ({"max_seconds": 0}, "`max_seconds` must be a number > 0"),
        ({"max_seconds": 1, "min_seconds": 2}, "`max_seconds` must be at least `min_seconds` = 2"),
        ({"trim_silence": 0}, "`trim_silence` must be a number > 0"),
        ({"trim_silence": float("nan")}, "`trim_silence` must be a number > 0"),
        ({"validation_fraction": 1.0}, "`validation_fraction` must lie between 0 and 1"),
        ({"test_fraction": -0.1}, "`test_fraction` must be a number >= 0"),
        ({"validation_fraction": 0.5, "test_fraction": 0.5}, "must leave something to train on"),
        ({"group": "speaker"}, "`group` must be 'file', 'folder' or a regular expression"),
        ({"group": "(["}, "`group` must be 'file', 'folder' or a regular expression"),
        ({"group": 3}, "`group` must be 'file', 'folder' or a regular expression"),
        ({"frames": 3}, "`option of audio_folder` must be one of"),
    ],
)
def test_options_are_checked(prepare, options, message):
    with pytest.raises(ValueError, match=message):
        prepare(**options)


@pytest.mark.parametrize("name", ["timit", "blizzard2013", "speech_accent_archive", "onomatopoeia"])
def test_each_says_what_it_is_and_where_its_files_belong(name, tmp_path):
    cls = datasets.get(name)
    assert cls.name == name
    assert cls.KIND == "audio" and cls.SUMMARY and cls.LICENSE and cls.CITATION.startswith("@")
    assert "DIR/" in cls.LAYOUT and cls.LAYOUT.endswith("\n\n")
    with pytest.raises(
        ValueError, match=rf"{cls.name} needs --data-dir\. `vrnn data info {cls.name}`"
    ):
        cls.prepare(prepared_dir=tmp_path / "prepared")
    (tmp_path / "d").mkdir()
    with pytest.raises(ValueError, match=f"`vrnn data info {cls.name}`"):
        cls.prepare(tmp_path / "d", prepared_dir=tmp_path / "prepared")
