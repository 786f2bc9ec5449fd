"""Sound files become the samples that were written; what is not sound is refused."""

import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from sound_files import REFUSED, encoded, noise, sphere, tone, write_wav
from vrnn_tf.train.datasets.formats import sound


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
    samples = sound.read_samples(tmp_path / name, 16_000)
    assert samples.shape == wanted.shape
    inner = slice(2_000, -2_000)  # lossy coders differ at the ends
    assert np.abs(samples[inner].astype(int) - wanted[inner]).max() <= tolerance


def test_a_sphere_file_holds_what_was_written(tmp_path):
    (tmp_path / "x.sph").write_bytes(sphere(noise(0, 777)))
    np.testing.assert_array_equal(sound.read_samples(tmp_path / "x.sph", 16_000), noise(0, 777))


def test_channels_are_averaged(tmp_path):
    left, right = noise(1, 500), noise(2, 500)
    write_wav(tmp_path / "x.wav", np.stack([left, right], axis=1))
    samples = sound.read_samples(tmp_path / "x.wav", 16_000)
    assert np.abs(samples - (left / 2 + right / 2)).max() <= 0.5


@pytest.mark.parametrize(("source", "target"), [(8_000, 16_000), (44_100, 16_000), (16_000, 8_000)])
def test_another_rate_is_converted(tmp_path, source, target):
    write_wav(tmp_path / "x.wav", np.round(tone(source, 3.0) * 32_768).astype(np.int16), source)
    samples = sound.read_samples(tmp_path / "x.wav", target) / 32_768
    wanted = tone(target, 3.0)
    assert len(samples) == len(wanted)
    inner = slice(target // 10, -target // 10)
    assert np.abs(samples - wanted)[inner].max() < 1e-3


def test_overshoot_is_refused_or_clipped(tmp_path):
    (tmp_path / "x.wav").write_bytes(
        encoded(np.array([1.5, -1.5, 0.5]), format="WAV", subtype="FLOAT")
    )
    with pytest.raises(ValueError, match=r"sample 0 is 1\.5 where full scale is 1; scale the file"):
        sound.read_samples(tmp_path / "x.wav", 16_000)
    # The decoders of lossy formats go beyond full scale where the original did not.
    samples = sound._to_int16(np.array([1.5, -1.5, 0.5]))
    assert samples.tolist() == [32_767, -32_768, 16_384]


def test_a_wav_that_was_written_into_a_pipe_is_whole(tmp_path):
    write_wav(tmp_path / "x.wav", noise(0, 500))
    data = bytearray((tmp_path / "x.wav").read_bytes())
    for size in (0xFFFF_FFFF, 0x7FFF_F000):  # what ffmpeg and sox declare
        data[40:44] = struct.pack("<I", size)
        (tmp_path / "x.wav").write_bytes(data)
        assert len(sound.read_samples(tmp_path / "x.wav", 16_000)) == 500


@pytest.mark.parametrize("name", REFUSED)
def test_a_malformed_file_is_refused_with_its_reason(tmp_path, name):
    data, reason = REFUSED[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises((ValueError, soundfile.LibsndfileError), match=reason):
        sound.read_samples(tmp_path / name, 16_000)


def test_a_file_that_is_too_long_is_refused_before_it_is_read(tmp_path, monkeypatch):
    write_wav(tmp_path / "x.wav", noise(0, 32_001))
    monkeypatch.setattr(sound, "MAX_SECONDS", 2)
    monkeypatch.setattr(soundfile.SoundFile, "read", None)
    with pytest.raises(ValueError, match=r"hours long, more than 0; cut it"):
        sound.read_samples(tmp_path / "x.wav", 16_000)


@given(data=st.binary(max_size=200))
def test_damaged_bytes_are_read_or_refused(tmp_path_factory, data):
    """Whatever stands in the middle of a file, the samples are sound or there is an error."""
    path = tmp_path_factory.getbasetemp() / "damaged.wav"
    whole = encoded(noise(0, 300), format="WAV")
    path.write_bytes(whole[:20] + data + whole[20 + len(data) :])
    try:
        samples = sound.read_samples(path, 16_000)
    except (ValueError, soundfile.LibsndfileError):
        return
    assert samples.dtype == np.int16 and samples.any()
