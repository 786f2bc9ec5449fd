"""Files of object arrays for tests."""

import io
import zipfile

import numpy as np

PROTOCOLS = (2, 3, 4, 5)
VARIED = [
    np.arange(6, dtype=np.int16).reshape(2, 3),
    np.arange(6, dtype=">i4").reshape(3, 2),
    np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(1, 0, 2),
    np.zeros((0, 3), np.float32),
    np.array(7, np.uint8),
    np.array([True, False]),
    np.arange(10)[::2],
    np.array([1.5, np.nan, -np.inf], np.float16),
    np.arange(300, dtype=np.uint64),
]


def to_objects(values):
    result = np.empty(len(values), object)
    for i, value in enumerate(values):
        result[i] = value
    return result


def npy(body, shape=(1,), descr="|O"):
    """A .npy file with any body."""
    stream = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + body


def write(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def same(actual, expected):
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)
