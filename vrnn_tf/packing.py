"""Named slices of one vector: the only place where packed parameters get and lose their names."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import keras
from keras import ops


class Packing:
    """An ordered set of names, each of which has a slice of a vector's last axis.

    A cell of `keras.layers.RNN` returns one tensor, and a decoder is one matrix product, so several
    named quantities travel side by side in one vector. A `Packing` is the only code that knows
    where each of them is.

    Args:
        sizes: `{name: size}` in the order of the slices. Every size is a positive integer.

    Raises:
        ValueError: if a size is not a positive integer.

    Example:

    >>> import numpy as np
    >>> packing = Packing({"loc": 2, "raw_scale": 2})
    >>> packing.size
    4
    >>> packing.unpack(np.arange(4.0))["raw_scale"].tolist()
    [2.0, 3.0]
    """

    def __init__(self, sizes: Mapping[str, int]):
        for name, size in sizes.items():
            if not isinstance(size, int) or size < 1:
                raise ValueError(
                    f"Every packed slice needs a positive integer size. Received {name}={size!r}. "
                    "Leave an empty slice out."
                )
        self.sizes = dict(sizes)
        self.size = sum(self.sizes.values())

    def pack(self, values: Mapping[str, keras.KerasTensor]) -> keras.KerasTensor:
        """Concatenates `values[name]`, each `[..., sizes[name]]`, into `[..., size]`.

        Raises:
            ValueError: if the names are not exactly those of the packing, or if a size differs.
        """
        if set(values) != set(self.sizes):
            raise ValueError(
                f"Expected values for {list(self.sizes)}. Received {list(values)}. "
                "Give every name exactly once."
            )
        for name, size in self.sizes.items():
            if values[name].shape[-1] != size:
                raise ValueError(
                    f"Expected {name!r} to have a last axis of {size}. "
                    f"Received shape {tuple(values[name].shape)}."
                )
        return ops.concatenate([values[name] for name in self.sizes], axis=-1)

    def unpack(self, packed: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        """Slices `packed`, `[..., size]`, into `{name: [..., sizes[name]]}`.

        Raises:
            ValueError: if the last axis does not have `size` entries.
        """
        if packed.shape[-1] != self.size:
            raise ValueError(
                f"Expected a last axis of {self.size} ({self.sizes}). "
                f"Received shape {tuple(packed.shape)}."
            )
        return dict(zip(self.sizes, _split(packed, list(self.sizes.values())), strict=True))

    def __repr__(self) -> str:
        return f"Packing({self.sizes})"


def _split(packed, sizes: Sequence[int]) -> Sequence:
    """Splits the last axis into parts.

    The gradient of a split is one concatenation, while the gradient of a slice is a whole vector,
    mostly of zeros. `keras.ops.split` would compute the sizes inside the graph.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if tf.is_tensor(packed):
            return tf.split(packed, sizes, axis=-1)
    ends = list(itertools.accumulate(sizes))
    return [packed[..., end - size : end] for size, end in zip(sizes, ends, strict=True)]


@keras.saving.register_keras_serializable(package="vrnn_tf")
class PackedConstant(keras.initializers.Initializer):
    """Initialises a packed bias with one constant for every name.

    Args:
        sizes: `{name: size}`, as in `Packing`.
        values: `{name: value}`. A name that is missing gets 0.

    Raises:
        ValueError: if `values` has a name that `sizes` lacks.

    Example:

    >>> import numpy as np
    >>> from vrnn_tf.packing import PackedConstant
    >>> bias = PackedConstant({"loc": 2, "raw_scale": 1}, {"raw_scale": 0.5})
    >>> np.array(bias((3,), dtype="float32")).tolist()
    [0.0, 0.0, 0.5]
    """

    def __init__(self, sizes: Mapping[str, int], values: Mapping[str, float]):
        unknown = [name for name in values if name not in sizes]
        if unknown:
            raise ValueError(f"`values` must have names of {list(sizes)}. Received {unknown}.")
        self.sizes = dict(sizes)
        self.values = dict(values)

    def __call__(self, shape, dtype=None):
        parts = [
            ops.full((size,), self.values.get(name, 0.0), dtype=dtype)
            for name, size in self.sizes.items()
        ]
        return ops.reshape(ops.concatenate(parts), shape)

    def get_config(self) -> dict:
        return {"sizes": self.sizes, "values": self.values}
