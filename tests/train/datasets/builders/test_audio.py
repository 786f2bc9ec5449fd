"""Recordings become the samples that were written; what is not sound is refused and counted."""

import io
import pathlib
import struct
import tarfile
import types
import wave

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from vrnn_tf import files, media
from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders import audio
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning

DATA = pathlib.Path(__file__).parents[4].parent / "shared" / "data"
AudioFolder = datasets.get("audio_folder")
SpokenDigit = datasets.get("spoken_digit")


def noise(seed, count, scale=3_000):
    return (np.random.default_rng(seed).normal(size=count) * scale).astype(np.int16)


def tone(rate, seconds=1.0, frequency=440.0):
    time = np.arange(round(rate * seconds)) / rate
    return np.sin(2 * np.pi * frequency * time) / 2


def write_wav(path, samples, rate=16_000):
    """Writes int16 `[n]` or `[n, channels]`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


def sphere(samples, rate=16_000, coding="pcm", count=None):
    """The bytes of a NIST SPHERE file, as on the disc of TIMIT."""
    header = (
        "NIST_1A\n   1024\n"
        f"sample_count -i {len(samples) if count is None else count}\n"
        "sample_n_bytes -i 2\nchannel_count -i 1\nsample_byte_format -s2 01\n"
        f"sample_rate -i {rate}\nsample_coding -s{len(coding)} {coding}\nend_head\n"
    )
    return header.encode().ljust(1024) + samples.astype("<i2").tobytes()


def encoded(samples, rate=16_000, **arguments):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, **arguments)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Three recordings of which nothing is wrong."""
    for name in ("a.wav", "b.WAV", "deep/er/c.wav"):
        write_wav(tmp_path / "sounds" / name, noise(len(name), 1_000))
    return tmp_path / "sounds"


@pytest.fixture
def prepare(tmp_path, folder):
    def run(cls=AudioFolder, source=folder, **arguments):
        return cls.prepare(source, prepared_dir=tmp_path / "prepared", **arguments)

    return run


# --- what is read ---------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("name", "arguments", "tolerance"),
    [
        ("x.wav", {"format": "WAV", "subtype": "PCM_16"}, 0),
        ("x.wav", {"format": "WAV", "subtype": "PCM_24"}, 0),
        ("x.wav", {"format": "WAV", "subtype": "PCM_U8"}, 256),
        ("x.wav", {"format": "WAV", "subtype": "ULAW"}, 1_024),
        ("x.wav", {"format": "WAV", "subtype": "FLOAT"}, 0),
        ("x.wav", {"format": "WAV", "subtype": "DOUBLE"}, 0),
        ("x.wav", {"format": "RF64"}, 0),
        ("x.flac", {"format": "FLAC"}, 0),
        ("x.ogg", {"format": "OGG", "subtype": "VORBIS"}, 1_500),
        ("x.ogg", {"format": "OGG", "subtype": "OPUS"}, 1_500),
        ("x.mp3", {"format": "MP3"}, 1_500),
    ],
)
def test_each_format_holds_the_same_tone(tmp_path, name, arguments, tolerance):
    wanted = np.round(tone(16_000) * 32_768).astype(np.int16)
    (tmp_path / name).write_bytes(encoded(wanted / 32_768, **arguments))
    found = audio.read_samples(tmp_path / name, 16_000)
    assert found.shape == wanted.shape
    inner = slice(2_000, -2_000)  # lossy coders differ at the ends
    assert np.abs(found[inner].astype(int) - wanted[inner]).max() <= tolerance


def test_a_sphere_file_holds_what_was_written(tmp_path):
    (tmp_path / "x.sph").write_bytes(sphere(noise(0, 777)))
    np.testing.assert_array_equal(audio.read_samples(tmp_path / "x.sph", 16_000), noise(0, 777))


def test_channels_are_averaged(tmp_path):
    left, right = noise(1, 500), noise(2, 500)
    write_wav(tmp_path / "x.wav", np.stack([left, right], axis=1))
    found = audio.read_samples(tmp_path / "x.wav", 16_000)
    assert np.abs(found - (left / 2 + right / 2)).max() <= 0.5


@pytest.mark.parametrize(("source", "target"), [(8_000, 16_000), (44_100, 16_000), (16_000, 8_000)])
def test_another_rate_is_converted(tmp_path, source, target):
    write_wav(tmp_path / "x.wav", np.round(tone(source, 3.0) * 32_768).astype(np.int16), source)
    found = audio.read_samples(tmp_path / "x.wav", target) / 32_768
    wanted = tone(target, 3.0)
    assert len(found) == len(wanted)
    inner = slice(target // 10, -target // 10)
    assert np.abs(found - wanted)[inner].max() < 1e-3


def test_overshoot_is_refused_or_clipped(tmp_path):
    (tmp_path / "x.wav").write_bytes(
        encoded(np.array([1.5, -1.5, 0.5]), format="WAV", subtype="FLOAT")
    )
    with pytest.raises(ValueError, match=r"sample 0 is 1\.5 where full scale is 1; scale the file"):
        audio.read_samples(tmp_path / "x.wav", 16_000)
    # The decoders of lossy formats go beyond full scale where the original did not.
    found = audio._to_int16(np.array([1.5, -1.5, 0.5]))
    assert found.tolist() == [32_767, -32_768, 16_384]


def test_a_wav_that_was_written_into_a_pipe_is_whole(tmp_path):
    write_wav(tmp_path / "x.wav", noise(0, 500))
    data = bytearray((tmp_path / "x.wav").read_bytes())
    for size in (0xFFFF_FFFF, 0x7FFF_F000):  # what ffmpeg and sox declare
        data[40:44] = struct.pack("<I", size)
        (tmp_path / "x.wav").write_bytes(data)
        assert len(audio.read_samples(tmp_path / "x.wav", 16_000)) == 500


# --- what is refused ------------------------------------------------------------------------------


def half(data):
    return data[: len(data) // 2]


def without_length(mp3):
    """An MP3 of variable bit rate without its first frame, which says how long it is."""
    return mp3[mp3.index(mp3[:2], 2) :]


def declared(rate):
    """A wav whose header says `rate`."""
    data = bytearray(encoded(noise(0, 900), format="WAV"))
    data[24:28] = struct.pack("<I", rate)
    return bytes(data)


SWELL = (noise(0, 64_000) * np.linspace(0, 1, 64_000)[::-1] ** 4).astype(np.int16)
REFUSED = {
    "empty.wav": (b"", "the file is empty"),
    "text.wav": (b"this is no sound at all, it is text" * 10, "Format not recognised"),
    "text.mp3": ("Приве́т".encode("utf-16") * 500, ""),
    "no_samples.wav": (encoded(np.zeros(0, np.int16), format="WAV"), "holds no samples"),
    "silent.wav": (encoded(np.zeros(900, np.int16), format="WAV"), "silent throughout"),
    "nan.wav": (
        encoded(np.r_[np.ones(70_000) / 2, np.nan], format="WAV", subtype="FLOAT"),
        "sample 70000 is not finite",
    ),
    "inf.wav": (
        encoded(np.array([0.5, -np.inf]), format="WAV", subtype="DOUBLE"),
        "sample 1 is not finite",
    ),
    "huge.wav": (
        encoded(np.array([0.0, 0.5, 1e30]), format="WAV", subtype="FLOAT"),
        "sample 2 is 1e.30 where full scale is 1",
    ),
    "slow.wav": (declared(10), "a sampling rate of 10 Hz is below 1000"),
    "half.wav": (
        half(encoded(noise(0, 900), format="WAV")),
        "truncated: header says 1800 bytes of samples, file has 878",
    ),
    "half.flac": (half(encoded(noise(0, 90_000), format="FLAC")), "lost sync"),
    "half.ogg": (half(encoded(noise(0, 90_000), format="OGG")), "truncated: the Ogg stream"),
    "half.mp3": (
        half(encoded(noise(0, 90_000), format="MP3")),
        "truncated: header says 90000 samples, file has",
    ),
    "half.sph": (half(sphere(noise(0, 9_000))), "truncated: header says 9000 samples, file has"),
    "more.sph": (
        sphere(noise(0, 900), count=2**40),
        "truncated: header says 1099511627776 samples, file has 900",
    ),
    "shorten.sph": (
        sphere(noise(0, 900), coding="pcm,embedded-shorten-v2.00"),
        "compressed with shorten.*sph2pipe",
    ),
    "guess.mp3": (
        without_length(encoded(SWELL, format="MP3", bitrate_mode="VARIABLE")),
        "only the first .* bytes can be read",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_malformed_file_is_refused_with_its_reason(tmp_path, name):
    data, reason = REFUSED[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises((ValueError, soundfile.LibsndfileError), match=reason):
        audio.read_samples(tmp_path / name, 16_000)


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


def test_a_file_that_is_too_long_is_refused_before_it_is_read(tmp_path, monkeypatch):
    write_wav(tmp_path / "x.wav", noise(0, 32_001))
    monkeypatch.setattr(audio, "MAX_SECONDS", 2)
    monkeypatch.setattr(soundfile.SoundFile, "read", None)
    with pytest.raises(ValueError, match=r"hours long, more than 0; cut it"):
        audio.read_samples(tmp_path / "x.wav", 16_000)


@given(data=st.binary(max_size=200))
def test_damaged_bytes_are_read_or_refused(tmp_path_factory, data):
    """Whatever stands in the middle of a file, the samples are sound or there is an error."""
    path = tmp_path_factory.getbasetemp() / "damaged.wav"
    whole = encoded(noise(0, 300), format="WAV")
    path.write_bytes(whole[:20] + data + whole[20 + len(data) :])
    try:
        found = audio.read_samples(path, 16_000)
    except (ValueError, soundfile.LibsndfileError):
        return
    assert found.dtype == np.int16 and found.any()


# --- length and silence ---------------------------------------------------------------------------


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
    found = [*builder.records("train"), *builder.records("validation")]
    expected = [noise(0, 10_500)[start : start + 4_000] for start in (0, 4_000, 8_000)] * 2
    assert sorted(r["x"].tolist() for r in found) == sorted(x.tolist() for x in expected)


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


# --- a folder of your own -------------------------------------------------------------------------


def names_by_split(builder, known):
    """`{split: names}` of the recordings, told by their samples."""
    names = {x.tobytes(): name for name, x in known.items()}
    return {
        split: sorted(names[record["x"].tobytes()] for record in builder.records(split))
        for split in builder.info.splits
    }


@pytest.mark.parametrize(
    ("group", "of"),
    [
        ("folder", lambda name: name.rpartition("/")[0]),
        (r"_([a-z]+)_\d+\.wav$", lambda name: name.split("_")[1]),
        (r"([^/]+)$", lambda name: name),
    ],
)
def test_groups_stay_together(tmp_path, group, of):
    names = [
        f"{part}/{i}_{who}_{i}.wav" for part in "ab" for who in ("ann", "bo") for i in range(4)
    ]
    names += [f"c/{i}_cy_{i}.wav" for i in range(4)]
    known = {name: noise(i, 300) for i, name in enumerate(names)}
    for name, samples in known.items():
        write_wav(tmp_path / "d" / name, samples)
    builder = AudioFolder.prepare(
        tmp_path / "d",
        prepared_dir=tmp_path / "prepared",
        group=group,
        validation_fraction=0.2,
        test_fraction=0.2,
    )
    found = names_by_split(builder, known)
    assert sorted(name for split in found.values() for name in split) == sorted(names)
    groups = {split: {of(name) for name in members} for split, members in found.items()}
    assert all(groups[split] for split in ("train", "validation", "test"))
    assert not groups["train"] & groups["validation"]
    assert not (groups["train"] | groups["validation"]) & groups["test"]


def test_an_archive_is_enough(tmp_path, folder):
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "sounds.tar.xz", "w:xz") as archive:
        archive.add(folder, "anything")
    builder = AudioFolder.prepare(tmp_path / "packed", prepared_dir=tmp_path / "prepared")
    assert sum(builder.facts()["records"].values()) == 3
    assert [p.name for p in (tmp_path / "packed").iterdir()] == ["sounds.tar.xz"]


def test_what_is_missing_is_named(tmp_path, prepare, folder):
    with pytest.raises(ValueError, match="audio_folder needs --data-dir"):
        AudioFolder.prepare()
    with pytest.raises(ValueError, match="absent does not exist"):
        prepare(source=tmp_path / "absent")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "x.txt").write_text("x")
    with pytest.raises(
        ValueError, match=r"a file that ends in \.wav, .* is missing in .*bare\. `vrnn data info"
    ):
        prepare(source=tmp_path / "bare")
    with tarfile.open(tmp_path / "bare" / "x.tar", "w") as archive:
        archive.add(tmp_path / "bare" / "x.txt", "x.txt")
    with pytest.raises(ValueError, match=r"is missing in .*bare and in its archives"):
        prepare(source=tmp_path / "bare")
    with pytest.raises(ValueError, match=r"is not found in 'a\.wav'"):
        prepare(group=r"_([a-z]+)_")
    with pytest.raises(ValueError, match=r"2 splits need as many groups .*\['x'\]"):
        write_wav(tmp_path / "one" / "x" / "only.wav", noise(0, 300))
        prepare(source=tmp_path / "one", group="folder")


# --- spoken digits --------------------------------------------------------------------------------


def write_digits(folder, indices=range(12)):
    """Returns `{file name: samples}` of two digits and two speakers."""
    known = {}
    for digit in (0, 7):
        for speaker in ("ann", "bo"):
            for index in indices:
                name = f"{digit}_{speaker}_{index}.wav"
                known[name] = noise(100 * digit + index + len(speaker), 500)
                write_wav(folder / name, known[name], 8_000)
    return known


def test_digits_have_the_split_of_the_distributor(tmp_path):
    known = write_digits(tmp_path / "d" / "recordings")
    builder = SpokenDigit.prepare(tmp_path / "d", prepared_dir=tmp_path / "prepared")
    assert SpokenDigit.name == builder.name == "spoken_digit"
    assert builder.medium() == media.Audio(8_000, 200)
    for split, indices in {"test": range(5), "validation": range(5, 10), "train": (10, 11)}.items():
        found = list(builder.records(split))
        wanted = [name for name in known if int(name.split("_")[2][:-4]) in indices]
        labels = sorted((r["text"].decode(), r["speaker"].decode()) for r in found)
        assert labels == sorted(tuple(name.split("_")[:2]) for name in wanted)
        samples = sorted(r["x"].tolist() for r in found)
        assert samples == sorted(known[name].tolist() for name in wanted)


def test_digits_without_the_test_recordings_have_no_test_split(tmp_path):
    write_digits(tmp_path / "d" / "recordings", range(5, 12))
    splits = SpokenDigit.load(data_dir=tmp_path / "d", prepared_dir=tmp_path / "p", test=True)
    assert splits.facts["records"] == {"train": 8, "validation": 20}
    assert splits.test == [] and splits.train[0].shape == (2, 200)


def test_a_recording_with_another_name_is_counted(tmp_path):
    write_digits(tmp_path / "d" / "recordings", range(12))
    write_wav(tmp_path / "d" / "recordings" / "noise.wav", noise(0, 500), 8_000)
    with pytest.warns(SkippedFileWarning, match="not named digit_speaker_index.wav"):
        builder = SpokenDigit.prepare(tmp_path / "d", prepared_dir=tmp_path / "p")
    assert builder.facts()["skipped"]["count"] == 1


def test_digits_are_downloaded_as_tensorflow_datasets_says(tmp_path, monkeypatch):
    [(name, (url, digest))] = SpokenDigit.DOWNLOADS.items()
    assert url.endswith("free-spoken-digit-dataset/archive/v1.0.9.tar.gz") and len(digest) == 64
    write_digits(tmp_path / "release" / "recordings")
    with tarfile.open(tmp_path / name, "w:gz") as archive:
        archive.add(tmp_path / "release", "free-spoken-digit-dataset-1.0.9")
    served = ((tmp_path / name).as_uri(), files.sha256(tmp_path / name))
    monkeypatch.setattr(SpokenDigit, "DOWNLOADS", {name: served})
    downloaded = SpokenDigit.prepare(prepared_dir=tmp_path / "p")
    local = SpokenDigit.prepare(tmp_path / "release", prepared_dir=tmp_path / "q")
    for split in ("train", "validation", "test"):
        pairs = zip(downloaded.records(split), local.records(split), strict=True)
        assert all(a["x"].tolist() == b["x"].tolist() for a, b in pairs)
    (tmp_path / name).unlink()
    SpokenDigit.prepare(prepared_dir=tmp_path / "p", sampling_rate=16_000)  # fetched only once


def test_digits_without_a_network_say_what_to_do(tmp_path, monkeypatch):
    url = "http://127.0.0.1:9/v1.0.9.tar.gz"  # nobody listens there
    monkeypatch.setattr(SpokenDigit, "DOWNLOADS", {"v1.0.9.tar.gz": (url, "0" * 64)})
    with pytest.raises(ValueError, match=rf"{url} cannot be fetched.*--data-dir"):
        SpokenDigit.prepare(prepared_dir=tmp_path / "p")


# --- real recordings ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "fsdd").is_dir(), reason="the development data are not here")
def test_the_development_recordings_are_read_whole(tmp_path):
    """Counted and summed against the standard library's reader of wav files."""
    [archive] = (DATA / "fsdd").iterdir()
    builder = SpokenDigit.prepare(DATA / "fsdd", prepared_dir=tmp_path / "p", strict=True)
    assert builder.facts()["records"] == {"train": 2_400, "validation": 300}
    records = [*builder.records("train"), *builder.records("validation")]
    speakers = ["george", "jackson", "lucas", "nicolas", "theo", "yweweler"]
    assert sorted({r["speaker"].decode() for r in records}) == speakers
    assert {r["text"].decode() for r in records} == set("0123456789")
    expected = []
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.endswith(".wav"):
                with wave.open(tar.extractfile(member)) as file:
                    assert (file.getframerate(), file.getnchannels()) == (8_000, 1)
                    expected.append(file.readframes(file.getnframes()))
    assert sorted(r["x"].astype("<i2").tobytes() for r in records) == sorted(expected)
    splits = AudioFolder.load(
        data_dir=DATA / "fsdd", prepared_dir=tmp_path / "p", group=r"_([a-z]+)_\d+\.wav$"
    )
    assert (len(splits.train), len(splits.validation)) == (2_250, 450)
