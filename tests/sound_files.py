"""Sound files for tests: sound ones, and some that must be refused with a reason."""

import io
import struct
import wave

import numpy as np
import soundfile


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


def write_sounds(folder):
    """Writes three recordings of which nothing is wrong."""
    for name in ("a.wav", "b.WAV", "deep/er/c.wav"):
        write_wav(folder / name, noise(len(name), 1_000))
    return folder


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
