"""Normalisation: the paper's convention, its inverse, its Jacobian."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from vrnn_tf.normalization import NAMES, Normalization

DATA = [np.random.default_rng(i).normal([5, -2, 0], [3, 7, 1], size=(50 + i, 3)) for i in range(4)]


def test_paper_convention_divides_sums_over_both_axes_by_the_steps():
    points = np.concatenate(DATA)[:, :2]
    mean = points.sum() / len(points)
    std = ((points**2).sum() / len(points) - mean**2) ** 0.5
    fitted = Normalization.fit("paper", DATA, (0, 1))
    np.testing.assert_allclose(fitted.mean, [mean, mean, 0])
    np.testing.assert_allclose(fitted.std, [std, std, 1])


def test_per_dimension_gives_zero_mean_and_unit_variance():
    fitted = Normalization.fit("per_dimension", DATA, (0, 1, 2))
    values = np.concatenate([fitted.apply(x) for x in DATA])
    np.testing.assert_allclose(values.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(values.std(0), 1, rtol=1e-5)


def test_scalar_is_one_mean_and_std_of_all_values():
    values = np.concatenate([x[:, :2].ravel() for x in DATA])
    fitted = Normalization.fit("scalar", DATA, (0, 1))
    np.testing.assert_allclose(fitted.mean, [values.mean(), values.mean(), 0])
    np.testing.assert_allclose(fitted.std, [values.std(), values.std(), 1])


@pytest.mark.parametrize("name", NAMES)
def test_invert_undoes_apply_and_dictionaries_round_trip(name):
    fitted = Normalization.fit(name, DATA, (0, 1))
    np.testing.assert_allclose(fitted.invert(fitted.apply(DATA[0])), DATA[0], atol=1e-4)
    assert Normalization.from_dict(fitted.to_dict()) == fitted


@given(
    st.floats(-1e4, 1e4),
    st.floats(1e-2, 1e4),
    st.lists(st.floats(-1e5, 1e5, width=32), min_size=1, max_size=20),
)
def test_invert_undoes_apply_for_any_figures(mean, std, values):
    fitted = Normalization("scalar", (mean,), (std,))
    raw = np.array(values, np.float32)[:, None]
    back = fitted.invert(fitted.apply(raw))
    # One rounding to float32 of the normalised value, one of the result.
    scale = np.abs(raw - mean).max() + np.abs(raw).max() + 1e-30
    np.testing.assert_allclose(back, raw, rtol=0, atol=2e-7 * scale)


def test_the_jacobian_turns_densities_into_raw_units():
    fitted = Normalization("per_dimension", (5.0,), (3.0,))
    raw = 6.5
    normalised = scipy.stats.norm.logpdf((raw - 5) / 3)
    assert normalised + fitted.log_jacobian() == pytest.approx(scipy.stats.norm(5, 3).logpdf(raw))
    three = Normalization("per_dimension", (0.0,) * 3, (2.0, 5.0, 7.0))
    assert three.log_jacobian() == pytest.approx(-np.log(70))


def test_data_without_a_deviation_in_the_papers_convention_say_so():
    one_sided = [np.random.default_rng(0).normal(3, 0.1, (50, 2))]
    with pytest.raises(ValueError, match="Choose normalization 'scalar'"):
        Normalization.fit("paper", one_sided, (0, 1))


def test_errors():
    with pytest.raises(ValueError, match=r"`normalization` must be one of .*Received 'papr'"):
        Normalization.fit("papr", DATA, (0,))
    with pytest.raises(ValueError, match="at least one time step"):
        Normalization.fit("paper", [], (0,))
    with pytest.raises(ValueError, match="`std` must be a number > 0"):
        Normalization.fit("per_dimension", [np.ones((4, 3))], (0, 1))
    fitted = Normalization.fit("paper", DATA, (0, 1))
    for method in (fitted.apply, fitted.invert):
        for shape in ((4, 2), (4, 1), ()):
            with pytest.raises(ValueError, match=r"must be \[..., 3\].*Received shape"):
                method(np.zeros(shape))
    with pytest.raises(ValueError, match="has name, mean and std"):
        Normalization.from_dict({"mean": [0.0]})
    for std in ("12", [1.0, "2"], [2**64, 10**400], [1.0, None]):
        with pytest.raises(ValueError, match="std"):
            Normalization.from_dict({"name": "paper", "mean": [0.0, 0.0], "std": std})
    huge = Normalization.from_dict({"name": "paper", "mean": [0], "std": [2**64]})
    assert huge.log_jacobian() == pytest.approx(-64 * np.log(2))
