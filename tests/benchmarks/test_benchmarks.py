"""The benchmark of training: all contestants do the same work, and the floor counts that work."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import reference
import tiny_models
from vrnn_tf import VRNN

ROOT = Path(__file__).parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from benchmarks import cases, floor, rounds, training, worker  # noqa: E402

MODELS = {
    "lstm": cases.TINY["model"],
    "gru": {
        "likelihood": {"name": "bernoulli", "event_size": 5},
        "latent_size": 2,
        "recurrent_cell": "gru",
        "recurrent_units": 4,
        "hidden_units": {
            "phi_x": (3, 6),
            "phi_z": (5,),
            "prior": (7,),
            "posterior": (3, 4),
            "decoder": (6, 5),
        },
    },
    "gmm": {
        "likelihood": {"name": "gmm", "event_size": 3, "num_components": 2},
        "latent_size": 2,
        "recurrent_cell": "lstm",
        "recurrent_units": 4,
        "hidden_units": (4, 3),
    },
}


def case(name):
    return {"batch": 2, "steps": 3, "model": MODELS[name]}


def test_the_floor_of_a_small_lstm_is_what_the_equations_cost():
    # Multiply-adds of one row at one step; D 3, Z 2, H 4, all hidden layers 3, decoder's output
    # 20 * 6 + 1. The loop: posterior from h, phi_z, LSTM from phi_z and h.
    loop = (4 * 3 + 3 * (2 * 2)) + 2 * 3 + (3 + 4) * (4 * 4)
    # phi_x, posterior and LSTM from phi_x, prior, decoder.
    rest = 3 * 3 + 3 * 3 + 3 * 16 + (4 * 3 + 3 * 4) + ((3 + 4) * 3 + 3 * 121)
    found = floor.products(case("lstm"))
    for part in (found.forward, found.backward):
        assert sum(product.multiply_adds for product in part) == 2 * loop
    # Forwards, data backwards, weights backwards; nobody asks for the gradient of x.
    assert found.multiply_adds == 3 * 2 * (3 * (loop + rest) - 3 * 3)


def test_the_floor_of_a_small_gru_is_what_the_equations_cost():
    loop = (4 * 3 + 3 * 4 + 4 * (2 * 2)) + 2 * 5 + (5 + 4) * (3 * 4)
    phi_x = 5 * 3 + 3 * 6
    rest = phi_x + 6 * 3 + 6 * 12 + (4 * 7 + 7 * 4) + ((5 + 4) * 6 + 6 * 5 + 5 * 5)
    found = floor.products(case("gru"))
    assert sum(product.multiply_adds for product in found.forward) == 2 * loop
    assert found.multiply_adds == 3 * 2 * (3 * (loop + rest) - 5 * 3)


@pytest.mark.parametrize("of_weight", [False, True])
@pytest.mark.parametrize("library", floor.LIBRARIES)
def test_every_library_computes_the_product(library, of_weight):
    make = floor.LIBRARIES[library]
    if not floor._works(make):
        pytest.skip(f"{library} is not here")
    call = make(floor.Product("any", 3, 5, 7, of_weight))
    if call is None:
        assert of_weight and "packed" in library
    else:
        assert sorted(call().shape) == [3, 7]


@pytest.mark.parametrize("name", MODELS)
def test_sizes_of_the_data_tables_are_those_of_the_model(name):
    model = VRNN(**MODELS[name])
    likelihood = MODELS[name]["likelihood"]
    assert cases.raw_size(likelihood) == model.likelihood.packing.size
    assert cases.event_size(likelihood) == model.likelihood.event_size
    for network in MODELS[name]["hidden_units"] if name == "gru" else ("phi_x", "decoder"):
        assert cases.widths(MODELS[name], network) == model.hidden_units[network]


@pytest.mark.parametrize("name", MODELS)
def test_pytorch_computes_our_loss_and_our_gradient(name):
    torch = pytest.importorskip("torch")
    import tensorflow as tf

    from benchmarks import pytorch_vrnn

    ours = VRNN(**MODELS[name])
    reference.randomize_weights(ours)
    x = cases.observations(case(name))
    noise = tiny_models.posterior_noise(ours, *x.shape[:2])
    with tf.GradientTape() as tape:
        ours({"x": x})
        loss = tf.add_n(ours.losses)
    gradient = tf.linalg.global_norm(tape.gradient(loss, ours.trainable_variables))
    time_major = [np.ascontiguousarray(a.swapaxes(0, 1), "float32") for a in (x, noise)]
    for make in (pytorch_vrnn.VRNN, pytorch_vrnn.HoistedVRNN):
        theirs = make(MODELS[name])
        pytorch_vrnn.copy_weights(ours, theirs)
        their_loss = theirs(*map(torch.from_numpy, time_major))
        their_loss.backward()
        trained = [part for part in theirs.parameters() if part.requires_grad]
        norm = torch.sqrt(sum(part.grad.square().sum() for part in trained))
        assert sum(part.numel() for part in trained) == ours.count_params() - 1  # training_calls
        np.testing.assert_allclose(their_loss.item(), float(loss), rtol=1e-5)
        np.testing.assert_allclose(norm.item(), float(gradient), rtol=1e-4)


def test_a_comparison_takes_ratios_within_rounds():
    slow_machine = [[2.0, 2.0], [4.0, 4.0], [2.0, 2.0]]
    compared = rounds.comparison([[3.0], [6.0], [3.0]], slow_machine)
    assert compared["ratio"] == [1.5, 1.5, 1.5]
    assert compared["seconds"] == [3.0, 3.0, 4.5]


def test_a_step_that_is_not_finite_ends_the_worker():
    with pytest.raises(FloatingPointError, match="finite number. Received nan"):
        worker.timed(lambda: float("nan"))
    assert worker.timed(lambda: worker.Counted(7.0)) == 7.0


def test_a_worker_that_fails_says_why():
    with pytest.raises(rounds.WorkerError, match="KeyError: 'no such case'"):
        rounds.Worker("training", "floor", "no such case")


@pytest.mark.slow
def test_the_command_prints_and_writes_a_comparison(tmp_path):
    names = [name for name in rounds.available(training.CONTESTANTS) if "compiled" not in name]
    out = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks", "training", "--cases", "tiny", "--rounds", "2"]
    command += ["--contestants", *names, "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    entries = json.loads(out.read_text())["training"]["tiny"]["entries"]
    assert list(entries) == names
    assert all(len(entry["turns"]) == 2 for entry in entries.values())
    for name in names:
        assert name in done.stdout
