"""The floor counts the multiply-adds of the equations, and every library computes a product."""

import pytest

from benchmarks import cases, floor


def test_the_floor_of_a_small_lstm_is_what_the_equations_cost():
    # Multiply-adds of one row at one step; D 3, Z 2, H 4, all hidden layers 3, decoder's output
    # 20 * 6 + 1. The loop: posterior from h, phi_z, LSTM from phi_z and h.
    loop = (4 * 3 + 3 * (2 * 2)) + 2 * 3 + (3 + 4) * (4 * 4)
    # phi_x, posterior and LSTM from phi_x, prior, decoder.
    rest = 3 * 3 + 3 * 3 + 3 * 16 + (4 * 3 + 3 * 4) + ((3 + 4) * 3 + 3 * 121)
    products = floor.products(cases.tiny("lstm"))
    for part in (products.forward, products.backward):
        assert sum(product.multiply_adds for product in part) == 2 * loop
    # Forwards, data backwards, weights backwards; nobody asks for the gradient of x.
    assert products.multiply_adds == 3 * 2 * (3 * (loop + rest) - 3 * 3)


def test_the_floor_of_a_small_gru_is_what_the_equations_cost():
    loop = (4 * 3 + 3 * 4 + 4 * (2 * 2)) + 2 * 5 + (5 + 4) * (3 * 4)
    phi_x = 5 * 3 + 3 * 6
    rest = phi_x + 6 * 3 + 6 * 12 + (4 * 7 + 7 * 4) + ((5 + 4) * 6 + 6 * 5 + 5 * 5)
    products = floor.products(cases.tiny("gru"))
    assert sum(product.multiply_adds for product in products.forward) == 2 * loop
    assert products.multiply_adds == 3 * 2 * (3 * (loop + rest) - 5 * 3)


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
