"""Reads pickled arrays of numbers without unpickling them.

`np.savez` stores arrays of different lengths as an object array, which is a pickle. Unpickling runs
whatever the file asks for. This module only notes what the instructions of the pickle would import
and call, and does neither. Notes that describe arrays of numbers become arrays. A file that
describes anything else is refused.
"""

from __future__ import annotations

import dataclasses
import math
import pickletools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

_MAX_AXES = 32  # of an array
_MAX_DEPTH = 4  # of lists within lists; savez makes one
_NUMBERS = re.compile(r"b1|[iu][1248]|f[248]")
FIX = "save it with np.savez(file, x=np.concatenate(arrays), length=[len(a) for a in arrays])"


class _Name(NamedTuple):
    """Something that the pickle would import."""

    module: str
    name: str


@dataclasses.dataclass(eq=False)
class _Call:
    """A call that the pickle would make, and the state that it would give to the result."""

    function: Any
    arguments: Any
    state: Any = None


_DTYPE = _Name("numpy", "dtype")
_NDARRAY = _Name("numpy", "ndarray")
_ENCODE = _Name("_codecs", "encode")  # how Python 3 writes bytes in protocol 2
_BYTES = (_Name("__builtin__", "bytes"), _Name("builtins", "bytes"))  # and no bytes at all
_RECONSTRUCT = tuple(
    _Name(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")
)
_FROMBUFFER = tuple(_Name(f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core"))

_NUMBER_OPCODES = ("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT")
_TEXT_OPCODES = ("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_BYTES_OPCODES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
_PUSHED = frozenset((*_NUMBER_OPCODES, *_TEXT_OPCODES, *_BYTES_OPCODES))
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_STORED = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_FETCHED = frozenset(("GET", "BINGET", "LONG_BINGET"))
_SKIPPED = frozenset(("PROTO", "FRAME", "STOP"))
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_pickle(data: bytes) -> list[np.ndarray]:
    """The arrays of numbers in a pickled object array or list, in order.

    Arrays within lists within lists come out as one flat list.

    Raises:
        ValueError: if the pickle is damaged or holds anything else.
    """
    try:
        return _flatten(_Machine().run(data), limit=len(data))
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError) as error:
        raise ValueError(f"is a damaged pickle ({type(error).__name__}: {error})") from None


class _Machine:
    """Follows the instructions of a pickle that make names, calls, lists, tuples and values."""

    def __init__(self):
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []  # the stacks below the marks
        self._memo: dict[Any, Any] = {}

    def run(self, data: bytes) -> Any:
        for opcode, argument, _ in pickletools.genops(data):
            name = opcode.name
            if name in _PUSHED:
                self._stack.append(argument)
            elif name in _CONSTANTS:
                self._stack.append(_CONSTANTS[name])
            elif name in _FETCHED:
                self._stack.append(self._memo[argument])
            elif name in _STORED:
                self._memo[argument] = self._stack[-1]
            elif name == "MEMOIZE":
                self._memo[len(self._memo)] = self._stack[-1]
            elif name not in _SKIPPED:
                self._build(name, argument)
        return self._stack.pop()

    def _build(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name == "MARK":
            self._outer.append(stack)
            self._stack = []
        elif name == "TUPLE":
            self._unmark().append(tuple(stack))
        elif name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "APPEND":
            self._extend(stack[-2], [stack.pop()])
        elif name == "APPENDS":
            self._extend(self._unmark()[-1], stack)
        elif name == "GLOBAL":
            stack.append(_Name(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            stack[-2:] = [_Name(*stack[-2:])]
        elif name in ("REDUCE", "NEWOBJ"):
            stack[-2:] = [_Call(*stack[-2:])]
        elif name == "BUILD":
            state = stack.pop()
            stack[-1].state = state
        else:
            raise ValueError(f"holds {name}, which is not part of a plain array; {FIX}")

    def _unmark(self) -> list[Any]:
        self._stack = self._outer.pop()
        return self._stack

    @staticmethod
    def _extend(target: Any, items: Sequence[Any]) -> None:
        if not isinstance(target, list):
            raise TypeError(f"cannot append to {type(target).__name__}")
        target.extend(items)


def _flatten(root: Any, limit: int) -> list[np.ndarray]:
    """The arrays below `root`. More than `limit` visits are an error: shared nests multiply."""
    flat: list[np.ndarray] = []
    arrays: dict[int, np.ndarray] = {}  # a node that is shared is converted once
    pending, visits = [(root, 0)], 0
    while pending:
        node, depth = pending.pop()
        visits += 1
        inside = _elements(node)
        if inside is None:
            if id(node) not in arrays:
                arrays[id(node)] = _to_array(node)
            flat.append(arrays[id(node)])
        elif depth == _MAX_DEPTH or len(pending) + len(inside) + visits > limit:
            raise ValueError(f"nests its arrays too deeply; {FIX}")
        else:
            pending += [(element, depth + 1) for element in reversed(inside)]
    return flat


def _elements(node: Any) -> Sequence[Any] | None:
    """The elements of a list, a tuple or an object array; None for anything else."""
    if isinstance(node, list) or type(node) is tuple:  # a `_Name` is a tuple too, and no list
        return node
    if isinstance(node, _Call) and node.function in _RECONSTRUCT:
        shape, dtype, _, elements = _state(node)
        if dtype.function == _DTYPE and dtype.arguments[0] in ("O", "O8", "O4"):
            _check_size(shape, 1, len(elements))
            if len(shape) > 1:
                raise ValueError(f"holds an object array of {len(shape)} axes, not one; {FIX}")
            return elements
    return None


def _to_array(node: Any) -> np.ndarray:
    order: Any
    axes: Any = None
    if isinstance(node, _Call) and node.function in _RECONSTRUCT:
        shape, dtype, fortran, data = _state(node)
        order = "F" if fortran else "C"
    elif isinstance(node, _Call) and node.function in _FROMBUFFER:
        data, dtype, shape, order, *rest = node.arguments
        if order == "K":  # the buffer is in C order, and its axes are permuted afterwards
            order, axes = "C", rest[0]
    else:
        raise ValueError(f"holds {_describe(node)}, not a plain array of numbers; {FIX}")
    raw, number = _to_bytes(data), _to_dtype(dtype)
    _check_size(shape, number.itemsize, len(raw))
    array: np.ndarray = np.ndarray(shape, number, raw, order=order)
    return array if axes is None else array.transpose(axes)


def _state(node: _Call) -> tuple[Any, Any, Any, Any]:
    """Returns the shape, the dtype, whether the order is that of Fortran, and the data."""
    if node.arguments[0] != _NDARRAY or not isinstance(node.state, tuple):
        raise ValueError(f"holds {_describe(node.arguments[0])}, not a plain array; {FIX}")
    version, shape, dtype, fortran, data = node.state
    if version != 1:
        raise ValueError(f"holds an array of an unknown version; {FIX}")
    return shape, dtype, fortran, data


def _to_dtype(node: Any) -> np.dtype:
    text, state = node.arguments[0], node.state
    if node.function != _DTYPE or not _NUMBERS.fullmatch(text) or any(state[2:5]):
        raise ValueError(f"holds an array of {text!r}, not of plain numbers; {FIX}")
    return np.dtype(state[1] + text)


def _to_bytes(node: Any) -> bytes:
    if isinstance(node, _Call) and node.function == _ENCODE and node.arguments[1] == "latin1":
        return node.arguments[0].encode("latin-1")
    if isinstance(node, _Call) and node.function in _BYTES and node.arguments == ():
        return b""
    if isinstance(node, str):  # a string of Python 2
        return node.encode("latin-1")
    if isinstance(node, bytes | bytearray):
        return bytes(node)
    raise ValueError(f"holds {_describe(node)} in place of numbers; {FIX}")


def _check_size(shape: Any, itemsize: int, present: int) -> None:
    if type(shape) is not tuple or len(shape) > _MAX_AXES or not all(map(_is_length, shape)):
        raise ValueError("declares a shape that is not one")
    if math.prod(shape) * itemsize != present:
        raise ValueError(f"declares the shape {shape}, which its data do not fill")


def _is_length(n: Any) -> bool:
    return type(n) is int and 0 <= n < 2**63


def _describe(node: Any) -> str:
    what = node.function if isinstance(node, _Call) else node
    return f"{what.module}.{what.name}" if isinstance(what, _Name) else f"a {type(what).__name__}"
