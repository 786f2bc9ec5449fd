"""What bounds, generation and evaluation need of a model."""

from __future__ import annotations

from typing import Any, Protocol

import keras
import numpy as np

from vrnn_tf.core.cell import CellParts, VRNNCell
from vrnn_tf.likelihoods import Likelihood
from vrnn_tf.loop.recurrence import Recurrence


class SequenceModel(Protocol):
    """A model of sequences. `vrnn_tf.VRNN` is one.

    Attributes:
        likelihood: the family of p(x_t | z_<=t, x_<t).
        latent_size: Z; 0 for a model without a latent variable.
        cell: the cell, whose states the model carries.
        phi_x: x `[..., D]` to phi_x(x) `[..., F]`.
        decoder: `[phi_z(z_t), h_{t-1}] -> raw parameters`.
        recurrence: what runs the cell over time.
        parts: the parts of a step, decoder included.
    """

    likelihood: Likelihood
    latent_size: int
    cell: VRNNCell
    phi_x: keras.Layer
    decoder: keras.Layer
    recurrence: Recurrence

    @property
    def parts(self) -> CellParts: ...

    def encode(self, x, mask, dropout_seeds=None) -> tuple[Any, Any]:
        """phi_x(x) `[B, T, F]`, and what the posterior reads of x, `[B, T, F + L]`."""

    def posterior_noise(self, num_steps, seeds, start=None) -> Any:
        """The standard normal noise of z, float32 `[B, T, Z]`."""

    def observe(self, x, mask, seeds, initial_states=None, start=None, training=False):
        """Runs the posterior over x: the outputs of a call, and the states after it."""

    def standardize_inputs(self, inputs, mask=None) -> tuple[Any, Any]:
        """x float32 `[B, T, D]` and mask bool `[B, T]`, from any inputs."""

    def generate(
        self, num_sequences: int = 1, num_steps: int = 600, temperature: float = 1.0, seed: int = 0
    ) -> list[np.ndarray]:
        """New sequences, float32 `[T_i, D]`."""
