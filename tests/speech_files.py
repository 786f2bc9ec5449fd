"""Corpora of recordings for tests: writes files, and reads back what was kept."""

import io

import numpy as np
import soundfile


def noise(seed, count=400):
    return (np.random.default_rng(seed).normal(size=count) * 3_000).astype(np.int16)


def write(path, samples, rate=16_000, **arguments):
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, **{"format": "WAV", **arguments})
    path.write_bytes(buffer.getvalue())


def write_sphere(path, samples, coding="pcm"):
    """Writes what the disc of TIMIT has: a text header of 1024 bytes, little-endian samples."""
    header = (
        "NIST_1A\n   1024\ndatabase_id -s5 TIMIT\n"
        f"sample_count -i {len(samples)}\nsample_n_bytes -i 2\nchannel_count -i 1\n"
        "sample_byte_format -s2 01\nsample_rate -i 16000\n"
        f"sample_coding -s{len(coding)} {coding}\nend_head\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode().ljust(1024) + samples.astype("<i2").tobytes())


def rows_by_split(builder, *fields):
    """`{split: the fields of all records}`, sorted."""
    return {
        split: sorted(
            tuple(
                record[field].tolist() if field == "x" else record[field].decode()
                for field in fields
            )
            for record in builder.records(split)
        )
        for split in builder.info.splits
    }


def speakers(builder):
    return {
        split: {speaker for (speaker,) in rows}
        for split, rows in rows_by_split(builder, "speaker").items()
    }
