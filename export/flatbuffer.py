"""Reads TFLite files as flatbuffers: lists their operators, and makes them smaller.

The converter writes a name, a shape, an empty quantisation record and an empty buffer for each of
about two thousand tensors. Nothing of this changes what the file computes, and together it is a
tenth of a small model.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"
_ALIGNMENT = 16  # bytes, as in the schema: kernels map constants into memory as they are
_OPERATORS = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}


def operators(path: Path) -> list[str]:
    """Returns the names of all operators of a file. Those that are no builtins are `CUSTOM:name`.

    Raises:
        ValueError: if the file is damaged. A runtime checks more, so let one load the file first.
    """
    try:
        codes = read(Path(path).read_bytes()).operatorCodes
    except (struct.error, TypeError, ValueError, IndexError) as error:
        raise ValueError(f"{path} is no TFLite file that can be read: {error}.") from None
    names = set()
    for code in codes:
        # Old files hold small codes in the deprecated field only.
        name = _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
        names.add(f"CUSTOM:{code.customCode.decode()}" if code.customCode else name)
    return sorted(names)


def check_operators(path: Path) -> None:
    """Raises ValueError if an operator lacks inputs or outputs. LiteRT dies of such an operator."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            model = schema.Model.GetRootAs(content, 0)
            graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
            whole = all(
                operator.InputsLength() and operator.OutputsLength()
                for graph in graphs
                for operator in map(graph.Operators, range(graph.OperatorsLength()))
            )
        except (struct.error, TypeError, ValueError, IndexError) as error:
            raise ValueError(f"it is no flatbuffer that can be read: {error}") from None
    if not whole:
        raise ValueError("an operator has no inputs or no outputs")


def compact(content: bytes) -> bytes:
    """Returns the same model in fewer bytes.

    Equal constants, tensors, options and bodies of loops are written once. The names of inner
    tensors and the notes of the converter are left out. Signatures, inputs and outputs keep their
    names.

    Args:
        content: the bytes of a TFLite file.
    """
    model = read(content)
    called = {0, *(signature.subgraphIndex for signature in model.signatureDefs)}
    _share_buffers(model)
    for index, graph in enumerate(model.subgraphs):
        _strip(graph, keep_names=index in called)
    _share_subgraphs(model, called)
    for graph in model.subgraphs:
        graph.tensors = [_Once(tensor) for tensor in graph.tensors]
        for operator in graph.operators:
            if operator.builtinOptions is not None:
                operator.builtinOptions = _Once(operator.builtinOptions)
    builder = _Builder(len(content))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def read(content: bytes) -> schema.ModelT:
    """Parses a TFLite file. Constants that lie behind the flatbuffer are moved into it."""
    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    for buffer in model.buffers:
        if buffer.offset > 1:  # 0 and 1 mean that there are no constants
            data = content[buffer.offset : buffer.offset + buffer.size]
            buffer.data = np.frombuffer(data, np.uint8)
            buffer.offset = buffer.size = 0
    return model


def _share_buffers(model: schema.ModelT) -> None:
    """Keeps one buffer for each content. The format reserves buffer 0 for the empty one."""
    old, buffers, index_of = model.buffers, [schema.BufferT()], {b"": 0}

    def share(index: int) -> int:
        data = old[index].data
        content = b"" if data is None else np.asarray(data, np.uint8).tobytes()
        if content not in index_of:
            index_of[content] = len(buffers)
            buffers.append(old[index])
        return index_of[content]

    model.metadata = [note for note in model.metadata or [] if note.name == b"min_runtime_version"]
    for note in model.metadata:
        note.buffer = share(note.buffer)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = share(tensor.buffer)
    model.buffers = buffers


def _strip(graph: schema.SubGraphT, keep_names: bool) -> None:
    visible = {*graph.inputs, *graph.outputs} if keep_names else ()
    graph.name = graph.name if keep_names else None
    for index, tensor in enumerate(graph.tensors):
        if index not in visible:
            tensor.name = None
        if tensor.quantization is not None and tensor.quantization.scale is None:
            tensor.quantization = None
    for operator in graph.operators:
        operator.mutatingVariableInputs = operator.intermediates = None


def _share_subgraphs(model: schema.ModelT, called: set[int]) -> None:
    """Gives equal loops one body, since runtimes repack the weights of every subgraph."""
    kept: list[schema.SubGraphT] = []
    position_of: dict[Any, int] = {}
    replacement = []
    for index, graph in enumerate(model.subgraphs):
        key = index if index in called else _content(graph)
        if key not in position_of:
            position_of[key] = len(kept)
            kept.append(graph)
        replacement.append(position_of[key])
    model.subgraphs = kept
    for signature in model.signatureDefs:
        signature.subgraphIndex = replacement[signature.subgraphIndex]
    for graph in kept:
        for operator in graph.operators:
            options = operator.builtinOptions
            for field in vars(options) if options is not None else ():
                if field.lower().endswith("subgraphindex"):  # in while, if and call_once
                    setattr(options, field, replacement[getattr(options, field)])


def _content(value: Any) -> Any:
    """Returns a hashable value that is equal for equal flatbuffer objects."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tobytes()
    if isinstance(value, list):
        return tuple(map(_content, value))
    if hasattr(value, "__dict__"):
        fields = vars(value).items()
        return type(value).__name__, tuple((name, _content(field)) for name, field in fields)
    return value


class _Once:
    """A flatbuffer object that is written only if no equal one was written before."""

    def __init__(self, value: Any):
        self.value, self.content = value, _content(value)

    def Pack(self, builder: _Builder) -> int:
        if self.content not in builder.tables:
            builder.tables[self.content] = self.value.Pack(builder)
        return builder.tables[self.content]


class _Builder(flatbuffers.Builder):
    """A builder that writes equal vectors of numbers once and aligns constants."""

    def __init__(self, size: int):
        super().__init__(size)
        self.tables: dict[Any, int] = {}
        self._vectors: dict[Any, int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:
        key = _content(x)
        if key not in self._vectors:
            write = self._write_bytes if x.itemsize == 1 else super().CreateNumpyVector
            self._vectors[key] = write(x)
        return self._vectors[key]

    def _write_bytes(self, x: np.ndarray) -> int:
        self.StartVector(1, x.size, _ALIGNMENT)
        self.head -= x.size
        self.Bytes[self.head : self.head + x.size] = x.tobytes()
        self.vectorNumElems = x.size
        return self.EndVector()
