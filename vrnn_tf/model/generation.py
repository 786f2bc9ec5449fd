"""The generation loop: draw_noise, step, generate. Keras, SavedModel and TFLite trace it alike.

A step is `generate_step`, Eqs. (5) to (7) read forwards: z_t from the prior, x_t from the decoder,
h_t from both. The functions below take the model and tensors, and return tensors. Their noise is a
pure function of the seed and of the number of the time step. So a sequence made by `generate` is
the sequence made by repeated `step`, here and on every runtime.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from vrnn_tf import rng
from vrnn_tf.core.cell import generate_step
from vrnn_tf.likelihoods import Likelihood
from vrnn_tf.loop.interface import SequenceModel
from vrnn_tf.validation import check_choice, check_integer, check_number, check_seeds


def option_defaults(likelihood: Likelihood, latent_size: int) -> dict[str, float]:
    """The sampling options of a model and their defaults, in the order of every signature."""
    latent = {"latent_temperature": 1.0} if latent_size else {}
    return {"temperature": 1.0, **latent, **likelihood.sampling_options}


def draw_noise(model: SequenceModel, seed, step_numbers):
    """The uniform noise of time steps. The part for z comes first.

    Args:
        model: the model.
        seed: int32 `[B]`.
        step_numbers: int32 `[B, T]`, counted from the beginning of each sequence.

    Returns:
        float32 `[B, T, N]`.
    """
    sizes = {rng.OBSERVATION: model.likelihood.noise_size}
    if model.latent_size:
        sizes = {rng.LATENT: rng.normal_noise_size(model.latent_size), **sizes}
    return rng.uniform_streams(seed, step_numbers, sizes)


def step_from_noise(
    model: SequenceModel, states, noise, options: Mapping, latent_offset=None
) -> tuple[Any, list]:
    """One step from given noise.

    Args:
        model: the model.
        states: `[h_{t-1}, *core states]`, each `[B, size]`.
        noise: `[B, N]`, from `draw_noise`.
        options: `{name: [B]}` for every name of `option_defaults`.
        latent_offset: `[B, Z]`, moves z, in scales of the prior; None: not at all.

    Returns:
        x `[B, D]` and the next states.
    """
    options = {name: ops.expand_dims(value, -1) for name, value in options.items()}
    latent_noise = None
    if model.latent_size:
        size = rng.normal_noise_size(model.latent_size)
        latent_noise = rng.normal(noise[..., :size], model.latent_size)
        latent_noise = options.pop("latent_temperature") * latent_noise
        if latent_offset is not None:
            latent_noise = latent_noise + latent_offset
        noise = noise[..., size:]

    def draw(raw):
        return model.likelihood.sample(raw, noise, **options)

    return generate_step(model.parts, model.phi_x, draw, latent_noise, states)


def step(model: SequenceModel, states, seed, step_number, options: Mapping):
    """One step from a seed.

    Args:
        model: the model.
        states: `[h, *core states]`, each `[B, size]`.
        seed: int32 `[B]`.
        step_number: int32 `[B]`, how many steps the sequence has already.
        options: `{name: [B]}` for every name of `option_defaults`.

    Returns:
        x `[B, D]` and the next states.
    """
    noise = draw_noise(model, seed, ops.expand_dims(step_number, -1))
    return step_from_noise(model, states, noise[:, 0], options)


def generate(model: SequenceModel, states, seed, start, steps, options: Mapping, max_steps: int):
    """The whole loop. It ends early when every sequence has ended or has its number of steps.

    Args:
        model: the model.
        states: `[h, *core states]`, each `[B, size]`: zeros, or what `prime` returned.
        seed: int32 `[B]`.
        start: int32 `[B]`, how many steps each sequence has already.
        steps: int32 `[B]`, how many steps to add; values are clipped to 0 .. max_steps.
        options: `{name: [B]}` for every name of `option_defaults`.
        max_steps: T_max, a positive integer: the static length of the result.

    Returns:
        x float32 `[B, T_max, D]`, zero from `length` on, and length int32 `[B]`. A sequence that
        ends itself counts its last observation.
    """
    options = dict(options)
    # TFLite's converter turns a clip from 0 to 6 into a Relu6, which takes no integers.
    steps = ops.maximum(0, ops.minimum(max_steps, steps))
    step_numbers = ops.expand_dims(start, -1) + ops.arange(max_steps, dtype="int32")
    noise = ops.transpose(draw_noise(model, seed, step_numbers), (1, 0, 2))  # [T, B, N]
    batch, event = ops.shape(noise)[1], model.likelihood.event_size
    # `alive` and `length` are float32 because that is what every runtime can multiply and add.
    alive = ops.cast(steps > 0, "float32")

    def unfinished(t, alive, length, buffer, *states):
        return ops.logical_and(t < ops.max(steps), ops.max(alive) > 0.0)

    def body(t, alive, length, buffer, *before):
        noise_now = ops.take(noise, t, axis=0)
        x, states = step_from_noise(model, list(before), noise_now, options)
        x = ops.expand_dims(alive, -1) * x
        length = length + alive
        ended = ops.cast(model.likelihood.is_end(x), "float32")
        alive = alive * (1.0 - ended) * ops.cast(t + 1 < steps, "float32")
        index = ops.reshape(t, (1, 1))
        buffer = ops.scatter_update(buffer, index, ops.expand_dims(x, 0))
        return (t + 1, alive, length, buffer, *states)

    buffer = ops.zeros((max_steps, batch, event), dtype="float32")
    start_values = (ops.zeros((), "int32"), alive, ops.zeros_like(alive), buffer, *states)
    _, _, length, buffer, *_ = ops.while_loop(unfinished, body, start_values)
    return ops.transpose(buffer, (1, 0, 2)), ops.cast(length, "int32")


def compiled_loop(model: SequenceModel) -> Callable:
    """`generate` for this model; on TensorFlow XLA compiles it, for each shape and max_steps."""
    loop = functools.partial(generate, model)
    if keras.backend.backend() != "tensorflow":
        return loop
    import tensorflow as tf

    return tf.function(loop, autograph=False, jit_compile=True)


def generate_arrays(
    model: SequenceModel,
    loop: Callable,
    num_sequences: int,
    num_steps: int,
    seed: int,
    prime: Any,
    options: Mapping[str, float],
) -> list[np.ndarray]:
    """Checks the arguments of `VRNN.generate`, runs the loop and cuts its result into sequences."""
    check_integer("num_sequences", num_sequences, 1)
    check_integer("num_steps", num_steps, 0)
    seeds = ops.convert_to_tensor(check_seeds(seed, num_sequences), dtype="int32")
    defaults = option_defaults(model.likelihood, model.latent_size)
    values = {**defaults, **options}
    for name, value in values.items():
        check_choice("option", name, defaults)
        check_number(name, value, 0.0 if "temperature" in name else -math.inf)
    states, start = _prime(model, prime, num_sequences, seeds)
    full = [num_sequences]
    x, length = loop(
        states,
        seeds,
        start,
        ops.full(full, num_steps, dtype="int32"),
        {name: ops.full(full, float(value)) for name, value in values.items()},
        max_steps=2 ** max(num_steps - 1, 1).bit_length(),  # few lengths, few compilations
    )
    x, length = ops.convert_to_numpy(x), ops.convert_to_numpy(length)
    return [row[:end] for row, end in zip(x, length, strict=True)]


def _prime(model: SequenceModel, prime, num_sequences: int, seeds) -> tuple[Any, Any]:
    """The states after a beginning `[T, D]`, and T, for each sequence; zeros without one."""
    if prime is None:
        zeros = ops.zeros((num_sequences,), dtype="int32")
        return model.cell.get_initial_state(num_sequences), zeros
    prefix = np.asarray(prime, dtype=np.float32)
    size = model.likelihood.event_size
    if prefix.ndim != 2 or len(prefix) < 1 or prefix.shape[1] != size:
        raise ValueError(
            f"`prime` must be one sequence [T, {size}] ({model.likelihood.description}) of at "
            f"least one step. Received shape {prefix.shape}. Pass None to start from nothing."
        )
    if not np.isfinite(prefix).all():
        raise ValueError("`prime` must be finite. Received NaN or infinity. Cut these steps.")
    x = np.repeat(prefix[None], num_sequences, axis=0)
    mask = ops.ones(x.shape[:2], dtype="bool")
    _, states = model.observe(ops.convert_to_tensor(x), mask, seeds)
    return states, ops.full([num_sequences], len(prefix), dtype="int32")
