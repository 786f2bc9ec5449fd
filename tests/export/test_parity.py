"""Keras = SavedModel = TFLite for every likelihood and every core, and builtins only."""

import dataclasses
import functools
import math
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter

import tiny_models
from vrnn_tf import likelihoods
from vrnn_tf.export import flatbuffer
from vrnn_tf.export.inference_model import inference_model
from vrnn_tf.export.saved_model import write_saved_model
from vrnn_tf.export.signatures import signatures
from vrnn_tf.export.tflite import write_tflite
from vrnn_tf.model import generation

MAX_STEPS, BATCH = 12, 3
TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}
CASES = {
    "gaussian": {"likelihood": {"name": "gaussian", "event_size": 3}},
    "gmm": {"likelihood": {"name": "gmm", "event_size": 2, "num_components": 3}},
    "bivariate_gmm": {"likelihood": {"name": "bivariate_gmm", "num_components": 3}},
    "end_of_sequence": {
        "likelihood": {"name": "bivariate_gmm", "num_components": 3, "end_of_sequence": True}
    },
    "bernoulli": {"likelihood": {"name": "bernoulli", "event_size": 5}},
    "nade": {
        "likelihood": {"name": "nade", "event_size": 5, "units": 3},
        "posterior": "smoothing",
    },
    "categorical": {
        "likelihood": {"name": "categorical", "num_classes": 6, "end_class": 2},
        "embedding_size": 4,
        "recurrent_cell": "gru",
    },
    "discretized_logistic_mixture": {
        "likelihood": {
            "name": "discretized_logistic_mixture",
            "event_size": 3,
            "num_components": 2,
            "num_levels": 256,
        }
    },
    "no_latent": {
        "likelihood": {"name": "bivariate_gmm", "num_components": 3},
        "latent_size": 0,
        "recurrent_cell": "gru",
    },
    "stack": {
        "likelihood": {"name": "gaussian", "event_size": 2},
        "recurrent_units": (8, 5),
        "posterior": "residual",
    },
    "mixed_stack": {
        "likelihood": {"name": "gaussian", "event_size": 2},
        "recurrent_units": None,
        "recurrent_cell": lambda: [keras.layers.LSTMCell(4), keras.layers.GRUCell(5)],
    },
    "standard_normal": {
        "likelihood": {"name": "gaussian", "event_size": 2},
        "recurrent_cell": "simple_rnn",
        "prior": "standard_normal",
    },
}
FAST = ("end_of_sequence",)


@dataclasses.dataclass
class Exported:
    """A model and its files."""

    model: keras.Model
    signatures: dict
    saved: dict
    lite: Interpreter
    path: object

    def keras(self, name, arrays):
        signature = self.signatures[name]
        tensors = [keras.ops.array(arrays[spec.name]) for spec in signature.inputs]
        return tiny_models.numpy(signature.function(*tensors))

    def saved_model(self, name, arrays):
        tensors = {key: tf.constant(value) for key, value in arrays.items()}
        return tiny_models.numpy(self.saved[name](**tensors))

    def tflite(self, name, arrays):
        runner = self.lite.get_signature_runner(name)
        rows = range(len(next(iter(arrays.values()))))
        results = [runner(**{k: v[i : i + 1] for k, v in arrays.items()}) for i in rows]
        return {key: np.concatenate([r[key] for r in results]) for key in results[0]}


@functools.cache
def build(name, directory):
    case = {"latent_size": 3, "recurrent_units": 8, "hidden_units": 6, **CASES[name]}
    if callable(case.get("recurrent_cell")):
        case["recurrent_cell"] = case["recurrent_cell"]()
    model = tiny_models.make(**case)
    model = inference_model(model)
    described = signatures(model, MAX_STEPS)
    folder = write_saved_model(model, described, directory / name / "1")
    path = write_tflite(model, described, directory / name / "model.tflite")
    loaded = tf.saved_model.load(str(folder))
    interpreter = Interpreter(str(path))
    by_name = {signature.name: signature for signature in described}
    return Exported(model, by_name, {**loaded.signatures}, interpreter, path)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("parity")


@pytest.fixture(
    params=[n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in CASES],
)
def exported(request, directory):
    return build(request.param, directory)


def arrays_for(exported, name, seed=0):
    """Inputs of three different rows."""
    generator = np.random.default_rng(seed)
    arrays = {}
    for spec in exported.signatures[name].inputs:
        shape = spec.with_batch(BATCH)
        if spec.dtype == "float32":
            arrays[spec.name] = generator.uniform(0.3, 1.2, shape).astype("float32")
        else:
            arrays[spec.name] = generator.integers(-(2**31), 2**31, shape).astype("int32")
    fixed = {"steps": [MAX_STEPS, 5, 99], "length": [MAX_STEPS, 4, 99], "t": [0, 7, 3]}
    arrays |= {key: np.array(fixed[key], "int32") for key in fixed if key in arrays}
    if "x" in arrays:
        arrays["x"] = tiny_models.observations(exported.model, BATCH, MAX_STEPS)
    return arrays


def assert_equal(outputs, expected):
    assert set(outputs) == set(expected)
    for name, value in expected.items():
        assert outputs[name].dtype == value.dtype
        np.testing.assert_allclose(outputs[name], value, **TOLERANCE, err_msg=name)


def test_every_likelihood_has_a_case():
    covered = {case["likelihood"]["name"] for case in CASES.values()}
    assert covered == set(likelihoods.names())


@pytest.mark.parametrize("name", ["generate", "init", "prime", "step", "score"])
def test_saved_model_equals_keras(exported, name):
    arrays = arrays_for(exported, name)
    together = exported.saved_model(name, arrays)
    assert_equal(together, exported.keras(name, arrays))
    for i in range(BATCH):
        alone = exported.saved_model(name, {k: v[i : i + 1] for k, v in arrays.items()})
        assert_equal({k: v[0] for k, v in alone.items()}, {k: v[i] for k, v in together.items()})


@pytest.mark.parametrize("name", ["generate", "init", "prime", "step", "score"])
def test_tflite_equals_keras(exported, name):
    arrays = arrays_for(exported, name)
    assert_equal(exported.tflite(name, arrays), exported.keras(name, arrays))


def test_generate_draws_what_the_model_draws(exported):
    seed = 2**31 - 2  # the third wraps around
    expected = exported.model.generate(BATCH, MAX_STEPS, seed=seed)
    arrays = arrays_for(exported, "generate")
    for key, value in arrays.items():
        arrays[key] = np.full_like(value, 0.0 if key == "pen_bias" else 1.0)
    arrays["steps"][:] = MAX_STEPS
    arrays["seed"] = (seed + np.arange(BATCH)).astype("int64").astype("int32")
    for run in (exported.saved_model, exported.tflite):
        result = run("generate", arrays)
        for i, x in enumerate(expected):
            assert result["length"][i] == len(x)
            np.testing.assert_allclose(result["x"][i, : len(x)], x, **TOLERANCE)
            assert not result["x"][i, len(x) :].any()


def test_init_and_steps_are_generate(exported):
    arrays = arrays_for(exported, "generate")
    arrays["steps"][:] = MAX_STEPS
    expected = exported.tflite("generate", arrays)
    states = exported.tflite("init", {"seed": arrays["seed"]})
    del arrays["steps"]
    for t in range(expected["length"].max()):
        number = np.full(BATCH, t, "int32")
        result = exported.tflite("step", {**arrays, **states, "t": number})
        going = t < expected["length"]
        np.testing.assert_allclose(result["x"][going], expected["x"][going, t], **TOLERANCE)
        states = {key: value for key, value in result.items() if key != "x"}


@pytest.mark.parametrize("given", [1, 5])
def test_prime_and_steps_go_on_as_generate_does(exported, given):
    x = tiny_models.observations(exported.model, BATCH, MAX_STEPS)
    seed, steps = np.array([4, 5, 6], "int32"), MAX_STEPS - given
    defaults = generation.option_defaults(exported.model.likelihood, exported.model.latent_size)
    options = {name: np.full(BATCH, value, "float32") for name, value in defaults.items()}
    length = np.full(BATCH, given, "int32")
    for run in (exported.saved_model, exported.tflite):
        states = run("prime", {"x": x, "length": length, "seed": seed})
        xs = []
        for t in range(given, MAX_STEPS):
            number = np.full(BATCH, t, "int32")
            result = run("step", {**states, **options, "seed": seed, "t": number})
            xs.append(result.pop("x"))
            states = result
        for i in range(BATCH):
            (expected,) = exported.model.generate(1, steps, seed=int(seed[i]), prime=x[i, :given])
            drawn = np.stack([now[i] for now in xs])[: len(expected)]
            np.testing.assert_allclose(drawn, expected, **TOLERANCE)


def test_only_builtins(exported):
    assert not [name for name in flatbuffer.operators(exported.path) if "CUSTOM" in name]


def test_every_output_is_a_tensor_of_its_own(exported):
    for signature in flatbuffer.read(exported.path.read_bytes()).signatureDefs:
        outputs = [output.tensorIndex for output in signature.outputs]
        inputs = [given.tensorIndex for given in signature.inputs]
        assert len({*outputs, *inputs}) == len(outputs) + len(inputs)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_cannot_be_observed_is_nan_and_touches_no_other_row(exported, bad):
    for name, key in (("prime", "x"), ("score", "x"), ("step", "state_0")):
        arrays = arrays_for(exported, name)
        expected = exported.saved_model(name, arrays)
        arrays[key] = arrays[key].copy()
        arrays[key][1, 1] = bad  # within the length, which is 4
        for run in (exported.saved_model, exported.tflite):
            for output, value in run(name, arrays).items():
                assert np.isnan(value[1]).all(), output
                others, before = np.delete(value, 1, 0), np.delete(expected[output], 1, 0)
                np.testing.assert_allclose(others, before, **TOLERANCE, err_msg=output)


def test_serving_default_is_generate(exported):
    default, generate = exported.saved["serving_default"], exported.saved["generate"]
    assert default.structured_input_signature == generate.structured_input_signature
    for values in default.structured_input_signature[1].values():
        assert values.shape.rank >= 1
        assert values.shape[0] is None  # TF Serving batches along it
    assert all(output.shape[0] is None for output in generate.structured_outputs.values())


class Compiled:
    """A file in LiteRT's CompiledModel, with buffers of its own."""

    def __init__(self, exported):
        self.model = CompiledModel.from_file(str(exported.path))
        self.signatures = exported.signatures

    def __call__(self, name, arrays):
        inputs, outputs = (
            {spec.name: create(name, spec.name) for spec in specs}
            for specs, create in (
                (self.signatures[name].inputs, self.model.create_input_buffer_by_name),
                (self.signatures[name].outputs, self.model.create_output_buffer_by_name),
            )
        )
        for key, buffer in inputs.items():
            buffer.write(np.ascontiguousarray(arrays[key]))
        self.model.run_by_name(name, inputs, outputs)
        shapes = {spec.name: spec for spec in self.signatures[name].outputs}
        return {
            key: buffer.read(math.prod(shape), np.dtype(shapes[key].dtype)).reshape(shape)
            for key, buffer in outputs.items()
            for shape in [shapes[key].with_batch(1)]
        }


NAMES = ("generate", "init", "prime", "step", "score")


def test_compiled_model_equals_interpreter(directory):
    exported = build("end_of_sequence", directory)
    compiled = Compiled(exported)
    for name in NAMES:
        arrays = {k: v[:1] for k, v in arrays_for(exported, name).items()}
        for _ in range(2):  # outputs of unknown shape fail at the first or at the second run
            assert_equal(compiled(name, arrays), exported.tflite(name, arrays))


@pytest.mark.parametrize("runtime", ["Interpreter", "CompiledModel"])
def test_threads_with_a_runtime_each_and_one_after_the_other(directory, runtime):
    exported = build("end_of_sequence", directory)
    inputs = {name: arrays_for(exported, name, seed=1) for name in NAMES}
    expected = {name: exported.tflite(name, arrays) for name, arrays in inputs.items()}

    def work(number):
        """Loads the file and runs everything, some rows and names later than others."""
        if runtime == "CompiledModel":
            run = Compiled(exported)
        else:
            interpreter = Interpreter(str(exported.path))
            run = dataclasses.replace(exported, lite=interpreter).tflite
        for turn in range(6):
            row, name = (number + turn) % BATCH, NAMES[(number + turn) % len(NAMES)]
            arrays = {key: value[row : row + 1] for key, value in inputs[name].items()}
            wanted = {key: value[row : row + 1] for key, value in expected[name].items()}
            assert_equal(run(name, arrays), wanted)
        return number

    with ThreadPoolExecutor(4) as executor:
        assert list(executor.map(work, range(12))) == list(range(12))
    for number in range(12):
        work(number)


@pytest.mark.slow
def test_six_steps_are_no_relu6(tmp_path):
    model = inference_model(tiny_models.make_case("no_latent"))
    generate = [s for s in signatures(model, 6) if s.name == "generate"]
    path = write_tflite(model, generate, tmp_path / "model.tflite")
    runner = Interpreter(str(path)).get_signature_runner()
    given = {spec.name: np.zeros(1, spec.dtype) for spec in generate[0].inputs}
    for steps, length in ((-1, 0), (4, 4), (6, 6), (7, 6)):
        assert runner(**{**given, "steps": np.array([steps], "int32")})["length"] == length
