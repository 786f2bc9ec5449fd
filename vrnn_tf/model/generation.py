"""The generation loop: init, prime, step, generate. Traced by Keras, SavedModel and TFLite alike.

A step is Eqs. (5)-(7) read forwards: z_t from the prior, x_t from the decoder, h_t from both. The
functions below take the model and tensors and return tensors. Their noise is a pure function of the
seed and of the number of the time step, so a sequence made by `generate` is the sequence made by
`init` and repeated `step`, here and on every runtime.
"""

from __future__ import annotations

from collections.abc import Mapping

from keras import ops

from vrnn_tf import rng
from vrnn_tf.likelihoods import Likelihood


def option_defaults(likelihood: Likelihood, latent_size: int) -> dict[str, float]:
    """The sampling options of a model and their defaults, in the order of every signature."""
    latent = {"latent_temperature": 1.0} if latent_size else {}
    return {"temperature": 1.0, **latent, **likelihood.sampling_options}


def draw_noise(model, seed, step_numbers):
    """The uniform noise of time steps, latent part first.

    Args:
        model: a `VRNN`.
        seed: int32 `[B]`.
        step_numbers: int32 `[B, T]`, counted from the beginning of each sequence.

    Returns:
        float32 `[B, T, N]`.
    """
    sizes = {rng.OBSERVATION: model.likelihood.noise_size}
    if model.latent_size:
        sizes = {rng.LATENT: rng.normal_noise_size(model.latent_size), **sizes}
    return rng.uniform_streams(seed, step_numbers, sizes)


def advance(model, states, noise, options: Mapping, latent_offset=None):
    """One step from given noise.

    Args:
        model: a `VRNN`.
        states: `[h_{t-1}, *core states]`, each `[B, size]`.
        noise: `[B, N]`, from `draw_noise`.
        options: `{name: [B]}` for every name of `option_defaults`.
        latent_offset: `[B, Z]`, moves z, in scales of the prior; None: not at all.

    Returns:
        x `[B, D]` and the next states.
    """
    options = {name: ops.expand_dims(value, -1) for name, value in options.items()}
    cell, h_tm1, phi_z = model.cell, states[0], None
    if model.latent_size:
        size = rng.normal_noise_size(model.latent_size)
        eps = rng.normal(noise[..., :size], model.latent_size)
        prior = cell.prior(h_tm1)
        eps = options.pop("latent_temperature") * eps
        if latent_offset is not None:
            eps = eps + latent_offset
        eps = ops.cast(eps, prior.loc.dtype)
        z = prior.loc + prior.scale * eps
        phi_z = cell.phi_z(z)
        noise = noise[..., size:]
    x = model.likelihood.sample(model.decode(phi_z, h_tm1), noise, **options)
    return x, cell.recur(model.phi_x(x), phi_z, states)


def step(model, states, seed, step_number, options: Mapping):
    """One step from a seed.

    Args:
        model: a `VRNN`.
        states: `[h, *core states]`, each `[B, size]`.
        seed: int32 `[B]`.
        step_number: int32 `[B]`, how many steps the sequence has already.
        options: `{name: [B]}` for every name of `option_defaults`.

    Returns:
        x `[B, D]` and the next states.
    """
    noise = draw_noise(model, seed, ops.expand_dims(step_number, -1))
    return advance(model, states, noise[:, 0], options)


def generate(model, states, seed, start, steps, options: Mapping, max_steps: int):
    """The whole loop. It ends early when every sequence has ended or has its number of steps.

    Args:
        model: a `VRNN`.
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
    # Of a clip from 0 to 6 TFLite's converter makes a Relu6, which takes no integers.
    steps = ops.maximum(0, ops.minimum(max_steps, steps))
    step_numbers = ops.expand_dims(start, -1) + ops.arange(max_steps, dtype="int32")
    noise = ops.transpose(draw_noise(model, seed, step_numbers), (1, 0, 2))  # [T, B, N]
    batch, event = ops.shape(noise)[1], model.likelihood.event_size
    # `alive` and `length` are float32 because that is what every runtime can multiply and add.
    alive = ops.cast(steps > 0, "float32")

    def unfinished(t, alive, length, buffer, *states):
        return ops.logical_and(t < ops.max(steps), ops.max(alive) > 0.0)

    def body(t, alive, length, buffer, *states):
        x, states = advance(model, list(states), ops.take(noise, t, axis=0), options)
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
