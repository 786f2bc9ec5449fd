"""Reads the samples of sound files: wav, flac, ogg, mp3, NIST SPHERE."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".sph")
FULL_SCALE = 32_768  # of 16-bit samples
MIN_RATE = 1_000  # samples a second; a header that says less is damaged
MAX_SECONDS = 6 * 3_600  # of one file, since all of its samples are in memory at once
MAX_PEAK = 2.0  # times full scale, because decoders of lossy formats overshoot
_BLOCK = 65_536  # samples that are read at a time
_HEADER = 44  # bytes, which some programs count as samples
_OPEN_ENDED = 0x7FFF_0000  # bytes; a program that writes into a pipe declares at least so many
_MP3_SLACK = 2 * 1_152  # samples; an estimated length is off by less than two frames of MPEG


def read_samples(path: Path, sampling_rate: int) -> np.ndarray:
    """Reads a file of a format that libsndfile knows: wav, flac, ogg, mp3, NIST SPHERE.

    Channels are averaged. soxr converts other sampling rates, at its high quality.

    Args:
        path: the file.
        sampling_rate: samples a second of the result.

    Returns:
        int16 `[n]`, n >= 1.

    Raises:
        ValueError: if the file is no sound file, truncated, compressed with shorten, longer than
            `MAX_SECONDS`, empty or silent throughout, or if a sample is not finite or beyond full
            scale (beyond `MAX_PEAK` unless the samples are floating point).
        soundfile.LibsndfileError: if it is damaged behind its header.
    """
    with open(path, "rb") as raw:
        declared = _sphere_length(raw)
        with _open(raw) as file:
            _check_header(file)
            blocks = _resampled(_mono_blocks(file), file.samplerate, sampling_rate)
            samples = np.concatenate([np.zeros(0, np.int16), *map(_to_int16, blocks)])
            _check_whole(file, raw, file.frames if declared is None else declared)
    if not samples.any():
        raise ValueError("silent throughout" if len(samples) else "holds no samples")
    return samples


def _open(raw: BinaryIO) -> soundfile.SoundFile:
    if not os.fstat(raw.fileno()).st_size:
        raise ValueError("the file is empty")
    try:
        return soundfile.SoundFile(raw)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"is no sound file that can be read: {error.error_string}") from None


def _sphere_length(raw: BinaryIO) -> int | None:
    """How many samples a channel has by its NIST SPHERE header; None in another format."""
    header = raw.read(1024)
    raw.seek(0)
    if not header.startswith(b"NIST_1A"):
        return None
    if b"shorten" in header:
        raise ValueError(
            "compressed with shorten, which cannot be read; convert it with `sph2pipe -f wav IN "
            "OUT` or with NIST's `w_decode -o pcm IN OUT`"
        )
    count = re.search(rb"\bsample_count\s+-i\s+(\d+)", header)
    return None if count is None else int(count[1])


def _check_header(file: soundfile.SoundFile) -> None:
    if file.samplerate < MIN_RATE:
        raise ValueError(f"a sampling rate of {file.samplerate} Hz is below {MIN_RATE}")
    if file.frames > MAX_SECONDS * file.samplerate:
        hours = file.frames / file.samplerate / 3_600
        raise ValueError(f"{hours:.3g} hours long, more than {MAX_SECONDS // 3_600}; cut it")


def _mono_blocks(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """Yields blocks of consecutive samples, float32 `[n]`, with the channels averaged."""
    start = 0
    while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
        if not np.isfinite(block).all():
            at = start + int(np.argmin(np.isfinite(block).all(axis=1)))
            raise ValueError(f"sample {at} is not finite")
        peak = np.abs(block).max()
        if peak > (1.0 if file.subtype in ("FLOAT", "DOUBLE") else MAX_PEAK):
            at = start + int(np.argmax(np.abs(block).max(axis=1)))
            raise ValueError(f"sample {at} is {peak:g} where full scale is 1; scale the file")
        start += len(block)
        yield block.mean(axis=1)


def _resampled(blocks: Iterable[np.ndarray], source: int, target: int) -> Iterator[np.ndarray]:
    if source == target:
        yield from blocks
        return
    stream = soxr.ResampleStream(source, target, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _to_int16(wave: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(wave * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def _check_whole(file: soundfile.SoundFile, raw: BinaryIO, declared: int) -> None:
    """Raises ValueError unless all samples were read. libsndfile accepts a file that ends early.

    Args:
        file: the file, read to its end.
        raw: the same file.
        declared: how many samples a channel has by the header.
    """
    log = file.extra_info  # nothing else tells that a wav or ogg file has been cut off
    data = re.search(r"^data : (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    if data is not None and int(data[2]) + _HEADER < int(data[1]) < _OPEN_ENDED:
        raise ValueError(f"truncated: header says {data[1]} bytes of samples, file has {data[2]}")
    if "end-of-stream" in log.lower():
        raise ValueError("truncated: the Ogg stream has no end")
    count, position = file.tell(), raw.tell()
    if count < declared - (_MP3_SLACK if file.format == "MP3" else 0):
        raise ValueError(f"truncated: header says {declared} samples, file has {count}")
    # If an MP3 does not say how long it is, libsndfile guesses from the first frames.
    size = raw.seek(0, os.SEEK_END)
    if file.format == "MP3" and position < 0.9 * size:
        raise ValueError(
            f"only the first {position} of {size} bytes can be read, since the length of this MP3 "
            "of variable bit rate is not in its header; convert it to wav"
        )
