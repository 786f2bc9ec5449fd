"""Reads cell arrays of numbers from MATLAB files of level 5, which MATLAB's `save` writes with -v7.

Every size that a file declares is compared with the bytes that are there. The format is described
in "MAT-File Format", The MathWorks, chapter 1.
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

MAX_BYTES = 2**28  # of a file, and of a variable when it is unpacked
_HEADER = 128  # bytes, of which the last two say the order of bytes
_ORDERS = {b"IM": "<", b"MI": ">"}
# Types of elements. The last three hold characters.
_NUMBERS = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"},
    **{16: "u1", 17: "u2", 18: "u4"},
}
_MATRIX, _COMPRESSED = 14, 15
_CELL = 1  # the class of a cell array
_NUMERIC = (4, *range(6, 16))  # the classes of characters and numbers
_COMPLEX = 0x800  # a flag of a matrix


def read_cells(path: Path, name: str) -> Iterator[np.ndarray | ValueError]:
    """Yields the array of each cell of a variable, column by column, or why it is none.

    Args:
        path: the file.
        name: the variable.

    Raises:
        ValueError: if the file is damaged, or holds no cell array of that name.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"the file has more than {MAX_BYTES} bytes")
    content = memoryview(path.read_bytes())
    order = _ORDERS.get(bytes(content[_HEADER - 2 : _HEADER]))
    if order is None:
        raise ValueError("is no MATLAB file of level 5; save it with -v7")
    for kind, part in _elements(content[_HEADER:], order):
        if kind == _COMPRESSED:
            kind, part = next(_elements(_inflate(part), order), (0, part))
        if kind != _MATRIX:
            continue
        what, _, shape, variable, rest = _open(part, order)
        if variable == name and what == _CELL:
            cells = [cell for kind, cell in rest if kind == _MATRIX]
            if math.prod(shape) != len(cells):
                raise ValueError(f"{name} declares {math.prod(shape)} cells but has {len(cells)}")
            yield from (_array(cell, order) for cell in cells)
            return
    raise ValueError(f"the variable {name} is missing or not a cell array")


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yields the type and the data of each element."""
    start = 0
    while start < len(content):
        if len(content) - start < 8:
            raise ValueError("ends within an element")
        kind, size = struct.unpack_from(f"{order}II", content, start)
        first = start + 8
        if kind >> 16:  # a small element holds its data in the place of its size
            kind, size, first = kind & 0xFFFF, kind >> 16, start + 4
        if size > len(content) - first or (first == start + 4 and size > 4):
            raise ValueError(f"declares {size} bytes where {len(content) - first} are left")
        yield kind, content[first : first + size]
        padded = size if kind == _COMPRESSED else -(-size // 8) * 8
        start += 8 + (padded if first == start + 8 else 0)


def _inflate(part: memoryview) -> memoryview:
    machine = zlib.decompressobj()
    try:
        content = machine.decompress(part, MAX_BYTES)
    except zlib.error as error:
        raise ValueError(f"is damaged: {error}") from None
    if not machine.eof:
        raise ValueError(f"a variable ends early, or has more than {MAX_BYTES} bytes")
    return memoryview(content)


def _open(
    content: memoryview, order: str
) -> tuple[int, int, tuple[int, ...], str, Iterator[tuple[int, memoryview]]]:
    """Returns the class, the flags, the shape and the name of a matrix, and what follows."""
    parts = _elements(content, order)
    head = [part for _, part in itertools.islice(parts, 3)]
    if len(head) < 3 or len(head[0]) != 8:
        raise ValueError("a matrix lacks its flags, its size or its name")
    (flags,) = struct.unpack_from(f"{order}I", head[0])
    shape = tuple(np.frombuffer(head[1], f"{order}i4").tolist())
    if not 2 <= len(shape) <= 32 or min(shape) < 0:
        raise ValueError(f"a matrix declares the shape {shape}")
    return flags & 0xFF, flags, shape, bytes(head[2]).decode("latin-1"), parts


def _array(content: memoryview, order: str) -> np.ndarray | ValueError:
    if not len(content):  # [] may be written like this
        return np.zeros((0, 0))
    try:
        what, flags, shape, _, rest = _open(content, order)
        kind, data = next(rest, (0, memoryview(b"")))
    except ValueError as error:
        return error
    if what not in _NUMERIC or kind not in _NUMBERS or flags & _COMPLEX:
        return ValueError(f"holds a matrix of class {what}, not plain numbers")
    number = np.dtype(order + _NUMBERS[kind])
    if math.prod(shape) * number.itemsize != len(data):
        return ValueError(f"declares {shape} of {number} but has {len(data)} bytes")
    return np.ndarray(shape, number, data, order="F")
