"""Runs a SavedModel through TensorFlow's C API, without Python TensorFlow.

    python c_api.py LIBRARIES SAVED_MODEL REQUESTS.json ANSWERS.json

LIBRARIES is the folder of libtensorflow_cc, for example that of the tensorflow wheel. REQUESTS is a
list of `{"inputs": {tensor name: [dtype, nested list]}, "outputs": [tensor name]}`; tensors are
those of the SignatureDefs. ANSWERS has `{"outputs": {tensor name: nested list}}` or `{"error":
message}` for each, and which modules of Python TensorFlow were loaded (none). A NaN is written as
JSON's extension NaN, which Python reads.
"""

import ctypes
import json
import math
import pathlib
import sys

DTYPES = {"float32": (1, ctypes.c_float), "int32": (3, ctypes.c_int32)}  # TF_DataType


class Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


class Library:
    """The functions used here; each takes and returns pointers unless the table says otherwise."""

    RESULTS = {
        "TF_Message": ctypes.c_char_p,
        "TF_GetCode": ctypes.c_int,
        "TF_NumDims": ctypes.c_int,
        "TF_Dim": ctypes.c_int64,
        "TF_TensorType": ctypes.c_int,
    }

    def __init__(self, folder):
        for stem in ("framework", "cc"):  # the second needs the first
            (path,) = pathlib.Path(folder).glob(f"libtensorflow_{stem}.*")
            self.library = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        self.status = ctypes.c_void_p(self.TF_NewStatus())

    def __getattr__(self, name):
        function = getattr(self.library, name)
        function.restype = self.RESULTS.get(name, ctypes.c_void_p)
        setattr(self, name, function)
        return function

    def check(self):
        if self.TF_GetCode(self.status):
            raise RuntimeError(self.TF_Message(self.status).decode())


class Model:
    """A session of a SavedModel."""

    def __init__(self, library, directory):
        self.tf, self.graph = library, ctypes.c_void_p(library.TF_NewGraph())
        tags = (ctypes.c_char_p * 1)(b"serve")
        options = ctypes.c_void_p(library.TF_NewSessionOptions())
        self.session = library.TF_LoadSessionFromSavedModel(
            options, None, str(directory).encode(), tags, 1, self.graph, None, library.status
        )
        library.check()
        self.session = ctypes.c_void_p(self.session)

    def run(self, inputs, outputs):
        """`{tensor name: (dtype, nested list)}` and tensor names to `{tensor name: nested list}`.

        Raises:
            RuntimeError: what TensorFlow says.
        """
        given = [self._tensor(*value) for value in inputs.values()]
        tensors = (ctypes.c_void_p * len(given))(*given)
        results = (ctypes.c_void_p * len(outputs))()
        self.tf.TF_SessionRun(
            self.session,
            *(None, self._outputs(inputs), tensors, len(given)),
            *(self._outputs(outputs), results, len(outputs)),
            *(None, 0, None, self.tf.status),
        )
        for tensor in given:
            self.tf.TF_DeleteTensor(ctypes.c_void_p(tensor))
        self.tf.check()
        return dict(zip(outputs, map(self._values, results), strict=True))

    def _outputs(self, names):
        parts = [name.rpartition(":") for name in names]
        find = self.tf.TF_GraphOperationByName
        found = [(find(self.graph, name.encode()), int(index)) for name, _, index in parts]
        return (Output * len(found))(*(Output(*pair) for pair in found))

    def _tensor(self, dtype, values):
        code, kind = DTYPES[dtype]
        shape, flat = _shape(values), _flat(values)
        size = len(flat) * ctypes.sizeof(kind)
        sizes = (ctypes.c_int64 * len(shape))(*shape)
        tensor = self.tf.TF_AllocateTensor(code, sizes, len(shape), ctypes.c_size_t(size))
        data = self.tf.TF_TensorData(ctypes.c_void_p(tensor))
        ctypes.memmove(data, (kind * len(flat))(*flat), size)
        return tensor

    def _values(self, pointer):
        tensor = ctypes.c_void_p(pointer)
        kind = dict(DTYPES.values())[self.tf.TF_TensorType(tensor)]
        shape = [self.tf.TF_Dim(tensor, axis) for axis in range(self.tf.TF_NumDims(tensor))]
        data = ctypes.c_void_p(self.tf.TF_TensorData(tensor))
        flat = list((kind * math.prod(shape)).from_address(data.value)) if data.value else []
        self.tf.TF_DeleteTensor(tensor)
        for size in reversed(shape[1:]):
            flat = [flat[i : i + size] for i in range(0, len(flat), size)]
        return flat


def _shape(values):
    return (
        [len(values), *_shape(values[0])]
        if isinstance(values, list) and values
        else ([0] if isinstance(values, list) else [])
    )


def _flat(values):
    if not isinstance(values, list):
        return [values]
    return [number for value in values for number in _flat(value)]


def main(libraries, directory, requests, answers):
    model, found = Model(Library(libraries), directory), []
    for request in json.loads(pathlib.Path(requests).read_text()):
        try:
            found.append({"outputs": model.run(request["inputs"], request["outputs"])})
        except RuntimeError as error:
            found.append({"error": str(error)})
    modules = [name for name in sys.modules if name.partition(".")[0] in ("tensorflow", "keras")]
    pathlib.Path(answers).write_text(json.dumps({"answers": found, "modules": modules}))


if __name__ == "__main__":
    main(*sys.argv[1:])
