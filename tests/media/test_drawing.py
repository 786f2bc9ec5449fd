"""Pen offsets become strokes, and strokes become pictures of the same shape."""

import itertools
import xml.etree.ElementTree

import matplotlib.image
import numpy as np
import pytest

from vrnn_tf.media import drawing

SVG = "{http://www.w3.org/2000/svg}"

# An L, a dot to its right, and a bar: 40 wide and 20 high.
LINE = np.array(
    [[0, -20, 0], [20, 0, 1], [20, 10, 1], [-10, 0, 0], [0, -10, 1]],
    dtype=np.float32,
)


def svg_paths(document):
    """The strokes of an SVG document, as arrays [n, 2] with y down."""
    root = xml.etree.ElementTree.fromstring(document)
    paths = [path.attrib["d"] for path in root.iter(f"{SVG}path")]
    return [
        np.array(d.replace("M", "").replace("L", " ").split(), float).reshape(-1, 2) for d in paths
    ]


def ink_box(path):
    """(width, height) in pixels of what is not white."""
    ink = matplotlib.image.imread(path)[..., :3].min(axis=-1) < 0.5
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1


def test_polylines_are_absolute_strokes():
    shape, dot, bar = drawing.to_polylines(LINE)
    np.testing.assert_array_equal(shape, [[0, 0], [0, -20], [20, -20]])
    np.testing.assert_array_equal(dot, [[40, -10]])
    np.testing.assert_array_equal(bar, [[30, -10], [30, -20]])


def test_polylines_invert_offsets():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=(50, 2)), rng.random(50) < 0.2])
    strokes = drawing.to_polylines(x)
    np.testing.assert_allclose(np.diff(np.concatenate(strokes), axis=0), x[:, :2])
    assert len(strokes) == x[:-1, 2].sum() + 1


def test_an_unfinished_stroke_is_kept():
    strokes = drawing.to_polylines(LINE[:4])
    assert [len(stroke) for stroke in strokes] == [3, 1, 1]


def test_rows_after_the_end_of_the_line_are_ignored():
    padded = np.concatenate([LINE, np.full((3, 3), 7.0)])
    padded[4, 2] = 2.0
    assert len(drawing.to_polylines(padded)) == 3


def test_no_rows_no_strokes():
    assert drawing.to_polylines(np.zeros((0, 3))) == []


def test_svg_has_a_path_a_stroke_with_the_data_s_shape():
    strokes = svg_paths(drawing.to_svg(LINE))
    assert len(strokes) == 3
    width, height = np.ptp(np.concatenate(strokes), axis=0)
    assert width / height == pytest.approx(40 / 20, rel=1e-4)
    assert strokes[0][1, 1] > strokes[0][0, 1]  # the first offset is downwards, and y is flipped
    np.testing.assert_array_equal(strokes[1][0], strokes[1][1])  # the dot, drawn by its cap


def test_svg_contains_its_ink_and_keeps_the_scale():
    document = drawing.to_svg([LINE, 3 * LINE], width=500)
    root = xml.etree.ElementTree.fromstring(document)
    view = [float(value) for value in root.attrib["viewBox"].split()]
    points = np.concatenate(svg_paths(document))
    assert (points > 0).all() and (points < view[2:]).all()
    pixels = float(root.attrib["width"]), float(root.attrib["height"])
    assert pixels[0] == 500
    assert pixels[1] / pixels[0] == pytest.approx(view[3] / view[2], abs=2e-3)


def test_rows_are_stacked_left_aligned_without_overlap():
    document = drawing.to_svg([LINE, np.zeros((0, 3)), LINE + [[1, 0, 0]], LINE])
    strokes = svg_paths(document)
    assert len(strokes) == 9
    rows = [np.concatenate(strokes[i : i + 3]) for i in (0, 3, 6)]
    lefts = [row[:, 0].min() for row in rows]
    np.testing.assert_allclose(lefts, lefts[0])
    gaps = [low[:, 1].min() - high[:, 1].max() for high, low in itertools.pairwise(rows)]
    assert gaps[1] > 0
    assert gaps[0] == pytest.approx(gaps[1] * 2 + 20)  # the empty row takes a typical height


@pytest.mark.parametrize(
    "lines",
    [[], [np.zeros((0, 3))], [[[0.0, 0.0, 1.0]]], [[[5.0, 0.0, 1.0]]], [[[0.0, 5.0, 1.0]]]],
    ids=["no lines", "empty line", "one point", "flat", "upright"],
)
@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_degenerate_drawings_work(tmp_path, lines, suffix):
    assert drawing.save(tmp_path / f"line{suffix}", lines).stat().st_size > 0


def test_png_has_the_data_s_shape(tmp_path):
    path = drawing.save(tmp_path / "line.png", LINE, width=600)
    image = matplotlib.image.imread(path)
    assert image.shape[1] == 600
    np.testing.assert_array_equal(image[0, 0, :3], 1.0)  # white
    width, height = ink_box(path)
    pen = 0.03 * 20 / (40 + 2 * 5) * 600  # breadth in pixels, added on both axes by the caps
    assert (width - pen) / (height - pen) == pytest.approx(40 / 20, rel=0.03)


def test_png_shows_dots(tmp_path):
    # The first dot is a stroke of two equal points, the second of one.
    dot = np.array([[0.0, 0.0, 1.0], [9.0, 9.0, 1.0]])
    width, height = ink_box(drawing.save(tmp_path / "dot.png", dot, stroke_width=0.2))
    pen = 0.2 * 9 / (9 + 2 * 0.25 * 9) * 900
    assert width == pytest.approx(pen + 9 / 13.5 * 900, rel=0.03)
    assert height == pytest.approx(width, abs=2)


def test_png_and_svg_have_the_same_layout(tmp_path):
    document = drawing.to_svg([LINE, LINE], width=400, stroke_width=0.02)
    box = np.ptp(np.concatenate(svg_paths(document)), axis=0) + 0.02 * 20
    view = xml.etree.ElementTree.fromstring(document).attrib["viewBox"].split()
    png = ink_box(drawing.save(tmp_path / "two.png", [LINE, LINE], width=400, stroke_width=0.02))
    np.testing.assert_allclose(png, box * 400 / float(view[2]), atol=3)


def test_tall_drawings_are_scaled_down():
    document = drawing.to_svg([np.array([[0.0, 1.0, 1.0]])] * 100, width=10_000)
    root = xml.etree.ElementTree.fromstring(document)
    assert float(root.attrib["height"]) == 20_000


def test_save_replaces_the_file_and_leaves_no_other(tmp_path):
    path = tmp_path / "line.svg"
    path.write_text("old")
    assert drawing.save(str(path), LINE) == path
    assert path.read_text() == drawing.to_svg(LINE)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "line.svg"
    path.write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(drawing.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        drawing.save(path, LINE)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.svg or \.png. Received .*line\.gif"):
        drawing.save(tmp_path / "line.gif", LINE)


@pytest.mark.parametrize("shape", [(3,), (5, 2), (2, 5, 3)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"must be \[T, 3\] .* Received shape"):
        drawing.to_polylines(np.zeros(shape))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_with_its_row(value):
    x = LINE.copy()
    x[3, 1] = value
    with pytest.raises(ValueError, match="must be finite. Received .* in row 3"):
        drawing.to_svg([LINE, x])


@pytest.mark.parametrize(
    ("option", "bound"), [("width", "an integer >= 1"), ("stroke_width", "a number > 0")]
)
def test_bad_options_are_refused(option, bound):
    with pytest.raises(ValueError, match=f"`{option}` must be {bound}.* Received 0"):
        drawing.to_svg(LINE, **{option: 0})
