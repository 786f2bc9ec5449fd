"""Beginnings that generation continues."""

import numpy as np
import pytest

from vrnn_tf import media
from vrnn_tf.cli.primer import read_primer

STROKES, TEXT = media.Strokes(), media.Text(charset="abc")
POINTS = np.array([[30, 10, 0], [20, -60, 1]])


def test_an_array_is_read_as_float32(tmp_path):
    np.savez(tmp_path / "a.npz", x=POINTS)
    x = read_primer(tmp_path / "a.npz", STROKES)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, POINTS)


def test_a_text_is_encoded(tmp_path):
    (tmp_path / "a.txt").write_text("cab")
    np.testing.assert_array_equal(read_primer(tmp_path / "a.txt", TEXT), TEXT.encode("cab"))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": POINTS}, "must be an .npz file with an array of numbers x"),
        ({"x": POINTS * 1j}, "must be an .npz file with an array of numbers x"),
        ({"x": POINTS, "length": [1, 1]}, "must hold one sequence to continue. Received 2"),
        ({"x": POINTS * 7.0}, "a.npz: .*pen, must be"),
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read_primer(tmp_path / "a.npz", STROKES)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="The file does not exist"):
        read_primer(tmp_path / "a.npz", STROKES)
    (tmp_path / "a.npz").touch()
    with pytest.raises(ValueError, match="Received something else"):
        read_primer(tmp_path / "a.npz", STROKES)
    (tmp_path / "a.txt").write_text("cad")
    with pytest.raises(ValueError, match="a.txt: The character 'd' is not one of"):
        read_primer(tmp_path / "a.txt", TEXT)
    with pytest.raises(ValueError, match="b.txt: No such file"):
        read_primer(tmp_path / "b.txt", TEXT)
