"""Cell arrays of MATLAB files come back as scipy wrote them; what is damaged is refused."""

import itertools
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import scipy.io

from vrnn_tf.train.datasets.formats import matlab

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "?"]


def cells(values):
    cells = np.empty((1, len(values)), object)
    for i, value in enumerate(values):
        cells[0, i] = value
    return cells


def write(path, compress=False, **variables):
    scipy.io.savemat(path, variables, do_compression=compress)
    return path


@pytest.mark.parametrize("compress", [False, True])
def test_every_kind_of_number_comes_back(tmp_path, compress):
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (1, 1), (0, 5), (2, 3, 2), (7, 1)]
    values = [
        rng.integers(0, 2, shape).astype(dtype)
        for dtype, shape in itertools.product(DTYPES, shapes)
    ]
    path = write(tmp_path / "a.mat", compress, first=np.eye(3), it=cells(values), last=cells([1]))
    arrays = list(matlab.read_cells(path, "it"))
    assert len(arrays) == len(values)
    for a, b in zip(arrays, values, strict=True):
        np.testing.assert_array_equal(a, b)


def element(kind, data, order=">"):
    return struct.pack(f"{order}II", kind, len(data)) + data.ljust(-(-len(data) // 8) * 8, b"\0")


def matrix(kind, shape, name, *rest):
    """A big-endian matrix, by hand."""
    parts = [
        element(6, struct.pack(">II", kind, 0)),
        element(5, struct.pack(">2i", *shape)),
        element(1, name.encode()),
    ]
    return element(14, b"".join([*parts, *rest]))


def by_hand(*elements):
    return b"MATLAB 5.0".ljust(124) + b"\1\0MI" + b"".join(elements)


def test_files_of_big_endian_machines_are_read(tmp_path):
    inner = matrix(6, (2, 1), "", element(4, struct.pack(">2H", 1, 258)))
    (tmp_path / "a.mat").write_bytes(by_hand(matrix(1, (1, 1), "it", inner)))
    assert scipy.io.loadmat(tmp_path / "a.mat")["it"][0, 0].tolist() == [[1], [258]]
    (array,) = matlab.read_cells(tmp_path / "a.mat", "it")
    assert array.tolist() == [[1], [258]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no MATLAB file of level 5"),
        (by_hand(struct.pack(">II", 14, 2**31)), "declares 2147483648 bytes where 0 are left"),
        (by_hand(b"\0\0\0"), "ends within an element"),
        (by_hand(element(14, b"")), "lacks its flags"),
        (by_hand(matrix(1, (-1, 1), "it")), r"declares the shape \(-1, 1\)"),
        (by_hand(matrix(1, (9, 9), "it")), "declares 81 cells but has 0"),
        (by_hand(matrix(6, (1, 1), "it")), "missing or not a cell array"),
        (by_hand(element(15, b"nothing")), "damaged"),
        (by_hand(element(15, zlib.compress(bytes(2**29)))), "more than 268435456 bytes"),
    ],
)
def test_what_is_damaged_is_refused(tmp_path, content, reason):
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        list(matlab.read_cells(tmp_path / "a.mat", "it"))


def test_a_cell_that_declares_too_much_is_named_and_takes_no_memory(tmp_path):
    good = matrix(9, (1, 1), "", element(2, b"\7"))
    huge = matrix(6, (2**31 - 1, 2**31 - 1), "", element(9, bytes(8)))
    other = matrix(2, (1, 1), "")  # a struct
    content = by_hand(matrix(1, (1, 3), "it", good, huge, other))
    (tmp_path / "a.mat").write_bytes(content)
    tracemalloc.start()
    try:
        one, two, three = matlab.read_cells(tmp_path / "a.mat", "it")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert one.tolist() == [[7]]
    assert isinstance(two, ValueError) and "but has 8 bytes" in str(two)
    assert isinstance(three, ValueError) and "not plain numbers" in str(three)
    assert peak < 10**6
