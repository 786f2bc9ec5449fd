"""One seed fixes all initial weights, and each scheme has its own."""

import keras
import numpy as np
import pytest

from vrnn_tf.core.initialization import RECURRENT_CELLS, Initialization, OrthogonalPerGate


@pytest.mark.parametrize("gates", [1, 3, 4])
def test_each_gate_has_an_orthogonal_block_of_its_own(gates):
    kernel = np.asarray(OrthogonalPerGate(seed=3)((6, 6 * gates), dtype="float32"))
    blocks = np.split(kernel, gates, axis=1)
    for block in blocks:
        np.testing.assert_allclose(block.T @ block, np.eye(6), atol=1e-5)
    for i in range(gates):
        for j in range(i):
            assert np.abs(blocks[i] - blocks[j]).max() > 0.1


def test_orthogonal_per_gate_survives_its_configuration():
    initializer = OrthogonalPerGate(seed=11)
    config = keras.saving.serialize_keras_object(initializer)
    copy = keras.saving.deserialize_keras_object(config)
    np.testing.assert_array_equal(copy((4, 12)), initializer((4, 12)))


def all_weights(scheme, seed):
    """Weights of layers made one after another: kernels, cells' kernels, recurrent gates."""
    initialization = Initialization(scheme, seed)
    dense = [keras.layers.Dense(6, **initialization.kernel()) for _ in range(3)]
    cells = [initialization.recurrent_cell("lstm", 6) for _ in range(2)]
    for layer in (*dense, *cells):
        layer.build((None, 6))
    return (
        np.stack([layer.kernel for layer in dense]),
        np.stack([cell.kernel for cell in cells]),
        np.concatenate([np.split(np.asarray(c.recurrent_kernel), 4, axis=1) for c in cells]),
    )


@pytest.mark.parametrize("scheme", ["glorot", "paper"])
@pytest.mark.parametrize("seed", [0, -1, 2**31 - 1])
def test_one_seed_fixes_all_weights(scheme, seed):
    weights = all_weights(scheme, seed)
    for first, second, other in zip(
        weights, all_weights(scheme, seed), all_weights(scheme, 5), strict=True
    ):
        np.testing.assert_array_equal(first, second)
        assert (first != other).mean() > 0.99


@pytest.mark.parametrize("scheme", ["glorot", "paper"])
def test_no_two_layers_start_alike(scheme):
    for stacked in all_weights(scheme, 0):
        for i in range(len(stacked)):
            for j in range(i):
                assert (stacked[i] != stacked[j]).mean() > 0.99


def test_paper_kernels_are_uniform():
    layer = keras.layers.Dense(200, **Initialization("paper", 0).kernel())
    layer.build((None, 100))
    kernel = np.asarray(layer.kernel)
    assert np.abs(kernel).max() <= 0.08
    assert np.abs(kernel).max() > 0.0799
    # 20000 draws: the standard error of the standard deviation 0.16 / sqrt(12) is 1.5e-4.
    np.testing.assert_allclose(kernel.std(), 0.16 / 12**0.5, atol=6 * 1.5e-4)
    np.testing.assert_array_equal(layer.bias, 0)


@pytest.mark.parametrize(("scheme", "forget_bias"), [("paper", 0.0), ("glorot", 1.0)])
def test_forget_bias(scheme, forget_bias):
    cell = Initialization(scheme, 0).recurrent_cell("lstm", 4)
    cell.build((None, 3))
    expected = np.zeros(16)
    expected[4:8] = forget_bias  # Keras's gates: input, forget, candidate, output
    np.testing.assert_array_equal(cell.bias, expected)


@pytest.mark.parametrize(("kind", "gates"), {"lstm": 4, "gru": 3, "simple_rnn": 1}.items())
def test_paper_cells_are_orthogonal_for_each_gate(kind, gates):
    cell_class = RECURRENT_CELLS[kind]
    cell = Initialization("paper", 0).recurrent_cell(kind, 5)
    cell.build((None, 3))
    assert type(cell) is cell_class
    assert cell.recurrent_kernel.shape == (5, 5 * gates)
    for block in np.split(np.asarray(cell.recurrent_kernel), gates, axis=1):
        np.testing.assert_allclose(block @ block.T, np.eye(5), atol=1e-5)
    assert np.abs(np.asarray(cell.kernel)).max() <= 0.08


def test_max_norm_bounds_the_columns_of_every_kernel_but_the_recurrent():
    initialization = Initialization("paper", 0, max_norm=1.9365)
    kernel = np.array([[3.0, 0.1], [4.0, 0.2]], "float32")
    cell = initialization.recurrent_cell("lstm", 4)
    for constraint in (initialization.kernel()["kernel_constraint"], cell.kernel_constraint):
        clipped = np.asarray(constraint(kernel))
        np.testing.assert_allclose(clipped, [[3 / 5 * 1.9365, 0.1], [4 / 5 * 1.9365, 0.2]], 1e-5)
    assert cell.recurrent_constraint is None
    assert Initialization("paper", 0).kernel()["kernel_constraint"] is None


def test_unknown_names_list_the_known():
    with pytest.raises(ValueError, match=r"\['glorot', 'paper'\]. Received 'papre'.*'paper'"):
        Initialization("papre", 0)
    with pytest.raises(ValueError, match=r"`recurrent_cell` must be one of \['lstm', 'gru'"):
        Initialization("paper", 0).recurrent_cell("ltsm", 4)
    with pytest.raises(ValueError, match="`recurrent_units` must be an integer >= 1. Received 0"):
        Initialization("paper", 0).recurrent_cell("lstm", 0)
