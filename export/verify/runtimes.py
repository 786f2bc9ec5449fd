"""The SavedModel and the TFLite files behind one interface: functions of a single sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from ..runtime import LiteModel
from ..states import list_states, name_states
from .loading import load_saved_model


class Runtime(Protocol):
    """One file of an export, or one folder, as functions of a single sequence.

    States are lists of arrays `[1, size]`. Options are `{name: value}`; those that are left out
    have their defaults.
    """

    @property
    def name(self) -> str:
        """The name of the file below the folder of the export."""

    def generate(self, seed: int, options: Mapping[str, float]) -> np.ndarray:
        """Draws x `[T, D]` with T at most T_max."""

    def score(self, x: np.ndarray, seed: int) -> float:
        """Returns the ELBO of x `[T, D]`, nats a sequence."""

    def init(self) -> list[np.ndarray]:
        """Returns the states before the first step."""

    def prime(self, x: np.ndarray, seed: int) -> list[np.ndarray]:
        """Returns the states after x `[T, D]`."""

    def step(
        self, states: Sequence[np.ndarray], seed: int, t: int, **options: float
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Draws x `[D]` after t earlier steps and returns it with the next states."""


class SavedModelRuntime:
    """A SavedModel.

    Args:
        name: its name in the report.
        directory: the folder that holds saved_model.pb.
        max_steps: T_max.
        event_size: D.
        option_defaults: `{name: default}` of the sampling options.

    Raises:
        ValueError: see `load_saved_model`.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        max_steps: int,
        event_size: int,
        option_defaults: Mapping[str, float],
    ):
        self.name = name
        self._max_steps, self._event_size = max_steps, event_size
        self._option_defaults = option_defaults
        self._loaded = load_saved_model(directory)  # owns the variables of the signatures

    def generate(self, seed: int, options: Mapping[str, float]) -> np.ndarray:
        rows = self._option_rows(options)
        result = self._run("generate", seed=[seed], steps=[self._max_steps], **rows)
        return result["x"][0, : int(result["length"][0])]

    def score(self, x: np.ndarray, seed: int) -> float:
        return float(self._run("score", **self._sequence(x, seed))["elbo"][0])

    def init(self) -> list[np.ndarray]:
        return list_states(self._run("init", seed=[0]))

    def prime(self, x: np.ndarray, seed: int) -> list[np.ndarray]:
        return list_states(self._run("prime", **self._sequence(x, seed)))

    def step(
        self, states: Sequence[np.ndarray], seed: int, t: int, **options: float
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        rows = self._option_rows(options)
        result = self._run("step", seed=[seed], t=[t], **name_states(states), **rows)
        return result["x"][0], list_states(result)

    def _run(self, signature: str, **arrays: Any) -> dict[str, np.ndarray]:
        tensors = {name: tf.constant(value) for name, value in arrays.items()}
        outputs = self._loaded.signatures[signature](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}

    def _option_rows(self, options: Mapping[str, float]) -> dict[str, list[float]]:
        return {name: [value] for name, value in {**self._option_defaults, **options}.items()}

    def _sequence(self, x: np.ndarray, seed: int) -> dict[str, Any]:
        padded = np.zeros((1, self._max_steps, self._event_size), "float32")
        padded[0, : len(x)] = x
        return {"x": padded, "length": [len(x)], "seed": [seed]}


class LiteRuntime:
    """A .tflite file.

    Args:
        model: the loaded file.
    """

    def __init__(self, model: LiteModel):
        self._model = model
        self.name = model.path.name
        self.init, self.prime, self.step = model.init, model.prime, model.step

    def generate(self, seed: int, options: Mapping[str, float]) -> np.ndarray:
        return self._model.generate(1, self._model.max_steps, seed, None, **options)[0]

    def score(self, x: np.ndarray, seed: int) -> float:
        return self._model.score(x, seed)["elbo"]
