"""Counter-based noise: the same numbers in eager mode, in a graph, under XLA and in TFLite.

Every random number is a pure function of `(seed, stream, step, feature)`, computed by
threefry2x32-20 (Salmon et al. 2011, Random123). Nothing is stored and nothing is drawn in order, so
a sequence's noise does not depend on its neighbours in the batch, on the length of the loop that
asks for it or on the runtime. The cipher uses only wrapping int32 additions, multiplications,
arithmetic shifts and exclusive ors, which are all TFLite builtins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import keras
import numpy as np
from keras import ops

# The streams: one word of the key says what the noise is for, so that no two uses share a number.
LATENT = 0  # z, drawn from the prior when a sequence is generated
OBSERVATION = 1  # x, drawn from the likelihood when a sequence is generated
POSTERIOR = 2  # z, drawn from the posterior in training and evaluation
SEED = 3  # the seeds of the sequences of a batch
PARTICLE = 4  # the seeds of the particles of a sequence
RESAMPLING = 5  # which particles survive a resampling
DROPOUT = 6  # which features dropout sets to zero

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_KEY_PARITY = 0x1BD11BDA


def threefry2x32(
    key0: keras.KerasTensor,
    key1: keras.KerasTensor,
    counter0: keras.KerasTensor,
    counter1: keras.KerasTensor,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Encrypts the counter under the key: 20 rounds of threefry2x32.

    Args:
        key0, key1, counter0, counter1: int32 tensors of shapes that broadcast together. The 32
            bits of an entry are one of the cipher's words.

    Returns:
        Two int32 tensors of the broadcast shape, 64 random bits for each element.
    """
    keys = (key0, key1, _xor(_xor(key0, key1), _KEY_PARITY))
    word0, word1 = counter0 + keys[0], counter1 + keys[1]
    for block in range(5):
        for rotation in _ROTATIONS[block % 2]:
            word0 = word0 + word1
            word1 = _xor(_rotate_left(word1, rotation), word0)
        word0 = word0 + keys[(block + 1) % 3]
        word1 = word1 + keys[(block + 2) % 3] + (block + 1)
    return word0, word1


def uniform(
    seed: keras.KerasTensor, step: keras.KerasTensor, size: int, stream: int
) -> keras.KerasTensor:
    """Draws uniform numbers strictly between 0 and 1.

    Args:
        seed: int32 `[B]`, one seed for each sequence.
        step: int32 `[T]` or `[B, T]`, the numbers of the time steps.
        size: how many numbers each step needs.
        stream: what the numbers are for, one of this module's streams, for example `LATENT`.

    Returns:
        float32 `[B, T, size]`, multiples of 2^-24.
    """
    return uniform_streams(seed, step, {stream: size})


def uniform_streams(
    seed: keras.KerasTensor, step: keras.KerasTensor, sizes: Mapping[int, int]
) -> keras.KerasTensor:
    """Draws the `uniform` numbers of several streams, side by side.

    One call for all streams keeps the graph small, because the cipher alone is 150 ops.

    Args:
        seed: int32 `[B]`, one seed for each sequence.
        step: int32 `[T]` or `[B, T]`, the numbers of the time steps.
        sizes: `{stream: how many numbers each step needs}`. The result has the same order.

    Returns:
        float32 `[B, T, sum of sizes]`.
    """
    pairs = [math.ceil(size / 2) for size in sizes.values()]
    streams = np.repeat(np.asarray(list(sizes), "int32"), pairs)
    counters = np.concatenate([np.arange(count, dtype="int32") for count in pairs])
    step = step if len(step.shape) == 2 else ops.expand_dims(step, 0)
    words = threefry2x32(
        ops.reshape(seed, (-1, 1, 1)),
        ops.convert_to_tensor(streams.reshape(1, 1, -1)),
        ops.expand_dims(step, -1),
        ops.convert_to_tensor(counters.reshape(1, 1, -1)),
    )
    blocks, start = [], 0
    for count, size in zip(pairs, sizes.values(), strict=True):
        blocks.append(words[0][..., start : start + count])
        blocks.append(words[1][..., start : start + size - count])
        start += count
    bits = ops.concatenate(blocks, axis=-1)
    high_bits = _xor(ops.right_shift(bits, 9), ops.right_shift(bits, 31) * 2**23)  # logical shift
    return (ops.cast(high_bits, "float32") + 0.5) * 2.0**-23


def normal_noise_size(size: int) -> int:
    """Returns how many uniform numbers `normal` needs for `size` normal ones: an even number."""
    return 2 * math.ceil(size / 2)


def normal(uniforms: keras.KerasTensor, size: int) -> keras.KerasTensor:
    """Turns uniform numbers into standard normal ones by the Box-Muller transform.

    Args:
        uniforms: `[..., normal_noise_size(size)]`, strictly between 0 and 1.
        size: how many normal numbers to return.

    Returns:
        `[..., size]`.
    """
    half = normal_noise_size(size) // 2
    radius = ops.sqrt(-2.0 * ops.log(uniforms[..., :half]))
    angle = (2.0 * math.pi) * uniforms[..., half:]
    return ops.concatenate([radius * ops.cos(angle), radius * ops.sin(angle)], axis=-1)[..., :size]


def gumbel(uniforms: keras.KerasTensor) -> keras.KerasTensor:
    """Turns uniform numbers into standard Gumbel ones.

    `argmax(logits + gumbel)` is a draw from `Categorical(logits)`.
    """
    return -ops.log(-ops.log(uniforms))


def logistic(uniforms: keras.KerasTensor) -> keras.KerasTensor:
    """Turns uniform numbers into standard logistic ones.

    `logits + logistic > 0` is a draw from `Bernoulli(logits)`.
    """
    return ops.log(uniforms) - ops.log(1.0 - uniforms)


def sequence_seeds(
    seed: int, call: keras.KerasTensor, rows: keras.KerasTensor
) -> keras.KerasTensor:
    """Derives a seed for each row of the `call`-th batch of a model.

    Args:
        seed: the model's seed.
        call: int32 scalar, the number of the batch.
        rows: int32 `[B]`, the numbers of the rows.

    Returns:
        int32 `[B]`.
    """
    seed, stream = (ops.convert_to_tensor(word, dtype="int32") for word in (seed, SEED))
    return threefry2x32(seed, stream, ops.zeros_like(rows) + call, rows)[0]


def particle_seeds(seeds: keras.KerasTensor, num_samples: int) -> keras.KerasTensor:
    """Derives the seeds of N particles of each sequence.

    The first particle has the seed of its sequence.

    Args:
        seeds: int32 `[B]`, the seeds of the sequences.
        num_samples: N.

    Returns:
        int32 `[B N]`. The particles of a sequence are side by side.
    """
    if num_samples == 1:
        return seeds
    numbers = ops.arange(1, num_samples, dtype="int32")
    first = ops.expand_dims(seeds, -1)
    stream = ops.convert_to_tensor(PARTICLE, dtype="int32")
    others = threefry2x32(first, stream, ops.zeros_like(numbers), numbers)[0]
    return ops.reshape(ops.concatenate([first, others], axis=-1), (-1,))


def _xor(a, b):
    return ops.bitwise_xor(a, b)


def _rotate_left(word, count: int):
    # TFLite has no left shift, so the word is multiplied by 2^count. Its right shift copies the
    # sign bit, and the exclusive or with these copies removes them.
    sign_copies = ops.right_shift(word, 31)
    return _xor(_xor(word, sign_copies) * 2**count, ops.right_shift(word, 32 - count))
