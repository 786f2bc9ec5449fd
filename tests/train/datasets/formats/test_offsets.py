"""Points become offsets and back; what no pen can have written is refused."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vrnn_tf.media import drawing
from vrnn_tf.train.datasets.formats import offsets

WHOLE = st.integers(-2_000, 2_000)
STROKE = st.lists(st.tuples(WHOLE, WHOLE), min_size=1, max_size=6).map(
    lambda points: np.array(points, float)
)
STROKES = st.lists(STROKE, min_size=1, max_size=5).filter(
    lambda strokes: len(strokes[0]) > 1 and np.ptp(np.concatenate(strokes), axis=0).any()
)


def offsets_by_hand(strokes, y_down):
    """A row for every point but the first, straight from the definition."""
    marked = [(x, y, i + 1 == len(s)) for s in strokes for i, (x, y) in enumerate(s)]
    rows = []
    for (x0, y0, _), (x1, y1, last) in itertools.pairwise(marked):
        rows.append((x1 - x0, (y0 - y1) if y_down else (y1 - y0), float(last)))
    return np.array(rows, np.float32)


@given(strokes=STROKES, y_down=st.booleans())
def test_offsets_are_those_of_the_definition(strokes, y_down):
    x = offsets.to_offsets(strokes, y_down)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, offsets_by_hand(strokes, y_down))


@given(strokes=STROKES)
def test_strokes_to_offsets_and_back(strokes):
    back = offsets.to_strokes(offsets.to_offsets(strokes, y_down=False))
    assert [len(stroke) for stroke in back] == [len(stroke) for stroke in strokes]
    for stroke, original in zip(back, strokes, strict=True):
        np.testing.assert_array_equal(stroke, original - strokes[0][0])


@given(strokes=STROKES)
def test_offsets_to_strokes_and_back(strokes):
    x = offsets.to_offsets(strokes, y_down=True)
    np.testing.assert_array_equal(offsets.to_offsets(offsets.to_strokes(x), y_down=False), x)
    expected = x[0 if x[0].any() else 1 :]  # a first row of zeros is where the pen starts
    np.testing.assert_array_equal(
        offsets.to_offsets(offsets.rows_to_strokes(x), y_down=False), expected
    )


@given(strokes=STROKES)
def test_pictures_show_the_same_strokes(strokes):
    x = offsets.to_offsets(strokes, y_down=False)
    for shown, stroke in zip(drawing.to_polylines(x), offsets.to_strokes(x), strict=True):
        np.testing.assert_allclose(shown, stroke)


def test_a_first_stroke_of_one_point_runs_into_the_second():
    x = offsets.to_offsets([[[0, 0]], [[1, 2], [3, 4]]], y_down=False)
    assert x.tolist() == [[1, 2, 0], [2, 2, 1]]


def test_strokes_without_points_are_left_out():
    x = offsets.to_offsets([[], [[0, 0], [1, 2]], [], [[3, 4]]], y_down=False)
    assert x.tolist() == [[1, 2, 1], [2, 2, 1]]


@pytest.mark.parametrize(
    ("strokes", "message"),
    [
        ([], "at least two points, found 0"),
        ([[[1, 2]]], "at least two points, found 1"),
        ([[[1, 2], [1, 2], [1, 2]]], "the pen never moves"),
        ([[[0, 0], [1, np.nan]]], "point 1 must be finite"),
        ([[[0, 0], [1, 1]], [[np.inf, 1]]], "point 2 must be finite"),
        ([[[0, 0], [1, 1], [2, -1.1e7]]], "point 2 must be .* within 1e[+]07"),
        ([[[0, 0], [1, 0], [2, 0], [20_000, 0]]], "step 2 is 19998 long, the median 1"),
    ],
)
def test_what_no_pen_wrote_is_refused(strokes, message):
    with pytest.raises(ValueError, match=message):
        offsets.to_offsets(strokes, y_down=False)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((0, 3)), "at least one"),
        ([[1, np.nan, 0]], "finite"),
        ([[1, 1, 0], [1, 1, 0.5]], "pen 1 must be 0 or 1, found 0.5"),
        ([[0, 0, 0], [0, 0, 1]], "never moves"),
    ],
)
def test_offsets_that_are_none_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        offsets.check_offsets(np.array(x, np.float32))


def test_rows_begin_at_the_origin_which_may_be_written_down():
    rows = np.array([[3, 4, 0], [1, 0, 1], [5, 5, 1]], np.int16)
    expected = [[[0, 0], [3, 4], [4, 4]], [[9, 9]]]
    for given_rows in (rows, np.concatenate([np.zeros((1, 3), np.int16), rows])):
        strokes = offsets.rows_to_strokes(given_rows)
        assert [stroke.tolist() for stroke in strokes] == expected
    dot = offsets.rows_to_strokes(np.array([[0, 0, 1], [3, 4, 0], [1, 0, 1]]))
    assert [stroke.tolist() for stroke in dot] == [[[0, 0], [0, 0]], [[3, 4], [4, 4]]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros(3), r"rows \[T, 3\] of numbers, found \(3,\)"),
        (np.zeros((2, 5)), r"found \(2, 5\) of float64"),
        (np.full((2, 3), "1"), "of <U1"),
        ([[0, 0, 0], [1, 1, 2]], "pen 1 must be 0 or 1, found 2"),
        ([[0, 0, 0], [1, 1, np.nan]], "pen 1 must be 0 or 1, found nan"),
        ([[0, 0, 0], [np.inf, 1, 0]], "row 1 must be finite"),
        (np.array([[np.iinfo(np.int64).min, 1, 0]]), "row 0 must be .* within"),
    ],
)
def test_rows_that_are_none_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        offsets.rows_to_strokes(rows)


def test_cut_lifts_after_each_point_whose_pen_is_1():
    points = np.arange(8.0).reshape(4, 2)
    strokes = offsets.cut(points, np.array([1, 0, 1, 0]))
    assert [stroke.tolist() for stroke in strokes] == [[[0, 1]], [[2, 3], [4, 5]], [[6, 7]]]
    with pytest.raises(ValueError, match="pen 3 must be 0 or 1, found -1"):
        offsets.cut(points, np.array([1, 0, 1, -1]))
