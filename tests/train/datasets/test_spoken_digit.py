"""Spoken digits have the splits, and the checksum, of their distributor."""

import pathlib
import tarfile
import wave

import pytest

from sound_files import noise, write_wav
from vrnn_tf import files, media
from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning

DATA = pathlib.Path(__file__).parents[3].parent / "shared" / "data"
AudioFolder = datasets.get("audio_folder")
SpokenDigit = datasets.get("spoken_digit")


def write_digits(folder, indices=range(12)):
    """Returns `{file name: samples}` of two digits and two speakers."""
    recordings = {}
    for digit in (0, 7):
        for speaker in ("ann", "bo"):
            for index in indices:
                name = f"{digit}_{speaker}_{index}.wav"
                recordings[name] = noise(100 * digit + index + len(speaker), 500)
                write_wav(folder / name, recordings[name], 8_000)
    return recordings


def test_digits_have_the_split_of_the_distributor(tmp_path):
    recordings = write_digits(tmp_path / "d" / "recordings")
    builder = SpokenDigit.prepare(tmp_path / "d", prepared_dir=tmp_path / "prepared")
    assert SpokenDigit.name == builder.name == "spoken_digit"
    assert builder.medium() == media.Audio(8_000, 200)
    for split, indices in {"test": range(5), "validation": range(5, 10), "train": (10, 11)}.items():
        records = list(builder.records(split))
        wanted = [name for name in recordings if int(name.split("_")[2][:-4]) in indices]
        labels = sorted((r["text"].decode(), r["speaker"].decode()) for r in records)
        assert labels == sorted(tuple(name.split("_")[:2]) for name in wanted)
        samples = sorted(r["x"].tolist() for r in records)
        assert samples == sorted(recordings[name].tolist() for name in wanted)


def test_digits_without_the_test_recordings_have_no_test_split(tmp_path):
    write_digits(tmp_path / "d" / "recordings", range(5, 12))
    splits = SpokenDigit.load(data_dir=tmp_path / "d", prepared_dir=tmp_path / "p", test=True)
    assert splits.facts["records"] == {"train": 8, "validation": 20}
    assert splits.test == [] and splits.train[0].shape == (2, 200)


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


def test_a_recording_with_another_name_is_counted(tmp_path):
    write_digits(tmp_path / "d" / "recordings", range(12))
    write_wav(tmp_path / "d" / "recordings" / "noise.wav", noise(0, 500), 8_000)
    with pytest.warns(SkippedFileWarning, match="not named digit_speaker_index.wav"):
        builder = SpokenDigit.prepare(tmp_path / "d", prepared_dir=tmp_path / "p")
    assert builder.facts()["skipped"]["count"] == 1


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
