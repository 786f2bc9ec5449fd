"""Models of a few units, one for every way to configure `VRNN`, and data that fits them."""

import keras
import numpy as np
import tensorflow as tf

import reference
from vrnn_tf import VRNN, rng

STROKES = {"name": "bivariate_gmm", "num_components": 2}
FEATURES = {"name": "gaussian", "event_size": 2}

# Every core, prior, posterior and depth; tanh, since central differences dislike the kink of relu.
CASES = {
    "lstm": {"likelihood": STROKES},
    "gru": {"likelihood": STROKES, "recurrent_cell": "gru"},
    "simple_rnn": {"likelihood": FEATURES, "recurrent_cell": "simple_rnn"},
    "stack": {"likelihood": FEATURES, "recurrent_units": (4, 3)},
    "mixed_stack": {
        "likelihood": STROKES,
        "recurrent_units": None,
        "recurrent_cell": lambda: [keras.layers.LSTMCell(3), keras.layers.GRUCell(4)],
    },
    "standard_normal": {"likelihood": FEATURES, "prior": "standard_normal"},
    "residual": {"likelihood": FEATURES, "posterior": "residual"},
    "smoothing": {"likelihood": STROKES, "posterior": "smoothing"},
    "residual_smoothing": {"likelihood": FEATURES, "posterior": "residual_smoothing"},
    "no_latent": {"likelihood": STROKES, "latent_size": 0},
    "depths": {
        "likelihood": FEATURES,
        "hidden_units": {"phi_x": (), "phi_z": (3, 2), "prior": (), "posterior": (3, 4)},
    },
    "relu": {"likelihood": FEATURES, "activation": "relu"},
    "end_of_sequence": {"likelihood": {**STROKES, "end_of_sequence": True}},
}


def make(likelihood=FEATURES, **arguments) -> VRNN:
    """A model whose weights, biases included, are random."""
    sizes = {"latent_size": 2, "recurrent_units": 4, "hidden_units": 3, "activation": "tanh"}
    model = VRNN(likelihood, **{**sizes, **arguments})
    reference.randomize_weights(model)
    return model


def make_case(name: str, **arguments) -> VRNN:
    """The model of `CASES[name]`."""
    case = {**CASES[name], **arguments}
    if callable(case.get("recurrent_cell")):
        case["recurrent_cell"] = case["recurrent_cell"]()
    return make(**case)


def observations(model, batch=3, steps=5, seed=0):
    """float32 x `[B, T, D]` of the model's likelihood."""
    generator = np.random.default_rng(seed)
    likelihood, shape = model.likelihood, (batch, steps, model.likelihood.event_size)
    x = generator.normal(size=shape)
    if likelihood.name == "bivariate_gmm":
        x[..., 2] = generator.integers(0, 3 if likelihood.can_end else 2, size=shape[:2])
    elif likelihood.name in ("bernoulli", "nade"):
        x = generator.integers(0, 2, size=shape)
    elif likelihood.name == "categorical":
        x = generator.integers(0, likelihood.num_symbols, size=shape)
    return x.astype("float32")


def posterior_noise(model, batch, steps, call=0):
    """float64 `[B, T, Z]`: the noise of the posterior in the `call`-th training batch.

    Evaluation has the noise of call 0 in every batch.
    """
    seeds = rng.sequence_seeds(model.seed, call, np.arange(batch, dtype=np.int32))
    size = rng.normal_noise_size(model.latent_size)
    uniforms = rng.uniform(seeds, np.arange(steps, dtype="int32"), size, rng.POSTERIOR)
    return np.array(rng.normal(uniforms, model.latent_size), dtype=np.float64)


def assert_gradients_equal(found, expected, model, tolerance=1e-5):
    """Of every weight, relative to the norm of what is expected."""
    for weight, a, b in zip(model.trainable_variables, found, expected, strict=True):
        a, b = (np.array(tf.convert_to_tensor(value), "float64") for value in (a, b))
        error = np.linalg.norm(a - b)
        assert error <= tolerance * np.linalg.norm(b), f"{weight.path}: {error}"


def numpy(outputs):
    """A dictionary of tensors as NumPy arrays."""
    return {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}
