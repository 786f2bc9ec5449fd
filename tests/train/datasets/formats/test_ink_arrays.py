"""Handwriting in the arrays of .npz files."""

import functools
import os
import pickle
import zipfile

import numpy as np
import pytest

from ink_files import ORIGIN, ROWS, flipped, in_order, records, savez
from object_arrays import to_objects
from vrnn_tf.media import Strokes
from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning

StrokeFiles = datasets.get("strokes")


@pytest.fixture
def prepare(tmp_path):
    return functools.partial(StrokeFiles.prepare, prepared_dir=tmp_path / "prepared")


def test_what_generate_wrote_comes_back(tmp_path, read):
    generator = np.random.default_rng(0)
    sequences = [
        np.column_stack([generator.normal(size=(n, 2)), generator.integers(0, 2, n)])
        for n in (3, 1, 40)
    ]
    ended = [np.array(x, np.float32) for x in sequences]
    ended[0][-1, 2] = 2.0  # the model said that the line ends here
    Strokes().save(tmp_path / "a.npz", ended)
    for read_back, x in zip(in_order(read(tmp_path)), ended, strict=True):
        expected = x.copy()
        expected[-1, 2] = 1.0  # what is last ends a stroke
        np.testing.assert_array_equal(np.array(read_back, np.float32), expected)


def test_stroke3_keeps_the_splits_of_the_file(tmp_path, prepare):
    rows = [ROWS + np.array([i, 0, 0], np.int16) for i in range(6)]
    zeros = np.concatenate([ORIGIN, rows[1]])  # says where the pen starts
    path = tmp_path / "a.npz"
    np.savez(
        path,
        train=to_objects([rows[0], zeros[:4], rows[2]]),
        valid=np.array(rows[3:5]),
        test=to_objects([rows[5]]),
    )
    builder = prepare(path)
    assert builder.facts()["records"] == {"train": 3, "validation": 2, "test": 1}
    assert [x for _, _, x in records(builder, "test")] == [flipped(rows[5].tolist())]
    sequences = [x for _, _, x in records(builder, "train")]
    cut_short = flipped(rows[1][:3].tolist())
    cut_short[-1][2] = 1
    assert sorted(sequences) == sorted(
        [flipped(rows[0].tolist()), cut_short, flipped(rows[2].tolist())]
    )
    splits = StrokeFiles.load(data_dir=path, prepared_dir=tmp_path / "prepared", test=True)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [3, 2, 1]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_of_a_file_is_unpickled(tmp_path, prepare, protocol):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'made'}",)

    body = pickle.dumps(to_objects([ROWS, Evil()]), protocol=protocol)
    folder = tmp_path / "mine"
    path = savez(folder / "a.npz", train=np.zeros(1))
    with zipfile.ZipFile(path, "w") as archive, archive.open("train.npy", "w") as stream:
        header = {"descr": "|O", "fortran_order": False, "shape": (2,)}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.write(body)
    with (
        pytest.warns(SkippedFileWarning, match="a.npz: train.npy holds (posix|nt).system"),
        pytest.raises(
            ValueError, match="Nothing could be read. The first malformed .*a.npz: train.npy holds"
        ),
    ):
        prepare(folder)
    assert not (tmp_path / "made").exists()


def test_a_rate_in_the_file_says_the_times(tmp_path, read):
    rows = np.array([[0, 0, 0], [2, 0, 0], [2, 0, 0], [4, 0, 1], [9, 9, 0], [0, 2, 1]])
    savez(
        tmp_path / "a.npz",
        dxy=np.tile(rows[:, :2], (2, 1)),
        pen_up=np.tile(rows[:, 2], 2),
        length=[6, 6],
        points_per_second=[3.0, 6.0],
    )
    slow, fast = in_order(read(tmp_path, points_per_second=3.0))
    assert slow == rows[1:].tolist()
    assert fast == [[3, 0, 0], [5, 0, 1], [9, 9, 0], [0, 2, 1]]  # at 0, 3 (halfway) and 6 sixths
