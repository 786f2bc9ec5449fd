"""Omniglot's drawings: from a small file of the same form, and the real ones if they are there."""

import functools
import hashlib
from pathlib import Path

import numpy as np
import pytest

from vrnn_tf.media import Strokes
from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning

OmniglotStrokes = datasets.get("omniglot_strokes")
DATA = Path(__file__).parents[3].parent / "shared" / "data" / "omniglot"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the development data are not beside the checkout"
)


def drawing(size):
    """Down, a lift, and to the right: y grows downwards in the file."""
    rows = [[0, 0, 0], [0, size, 0], [3, size, 1], [-3, -size, 0], [size, 0, 1]]
    return np.array(rows, np.int16)


def expected(size):
    return [[0, -size, 0], [3, -size, 1], [-3, size, 0], [size, 0, 1]]


def write(folder, **splits):
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for name, drawings in splits.items():
        arrays[name] = np.empty(len(drawings), object)
        for i, rows in enumerate(drawings):
            arrays[name][i] = rows
    np.savez(folder / "omniglot.npz", **arrays)
    return folder


@pytest.fixture
def folder(tmp_path):
    train = [drawing(size) for size in (1, 2, 3)]
    return write(tmp_path / "data", train=train, valid=[drawing(4)], test=[drawing(5), drawing(6)])


@pytest.fixture
def prepare(tmp_path):
    return functools.partial(OmniglotStrokes.prepare, prepared_dir=tmp_path / "prepared")


def test_the_splits_of_the_file_are_kept(folder, prepare):
    for source in (folder, folder / "omniglot.npz"):
        builder = prepare(source)
        assert builder.facts()["records"] == {"train": 3, "validation": 1, "test": 2}
        assert builder.facts()["skipped"]["count"] == 0
        drawings = {
            split: sorted(x.tolist() for x in builder.all_sequences(split))
            for split in ("train", "validation", "test")
        }
        assert drawings == {
            "train": sorted(map(expected, (1, 2, 3))),
            "validation": [expected(4)],
            "test": sorted(map(expected, (5, 6))),
        }
        assert builder.medium() == Strokes(OmniglotStrokes.UNIT)
        assert {r["text"] + r["writer"] for r in builder.records("train")} == {b""}


BAD = {
    "one": (np.zeros((1, 3), np.int16), "at least two points, found 1"),
    "none": (np.zeros((0, 3), np.int16), "at least two points, found 1"),
    "still": (np.zeros((4, 3), np.int16), "the pen never moves"),
    "pen": (np.array([[0, 0, 0], [1, 1, 7]]), "pen 1 must be 0 or 1, found 7"),
    "nan": (np.array([[0, 0, 0], [np.nan, 1, 1]]), "row 1 must be finite"),
    "huge": (np.array([[0, 0, 0], [1, 1e30, 1]]), "row 1 must be finite and within"),
    "wide": (np.zeros((4, 5)), "found (4, 5)"),
}


def test_bad_drawings_are_skipped_counted_and_named(folder, prepare):
    bad = [rows for rows, _ in BAD.values()]
    write(folder, train=[drawing(1), *bad], valid=[drawing(2)], test=[drawing(3)])
    with pytest.warns(SkippedFileWarning, match="skipped .*omniglot.npz"):
        builder = prepare(folder)
    skipped = builder.facts()["skipped"]
    assert skipped["count"] == len(BAD)
    for i, (_, reason) in enumerate(BAD.values(), 1):
        assert reason in skipped["files"][f"{folder / 'omniglot.npz'} ({i})"]
    assert builder.facts()["records"] == {"train": 1, "validation": 1, "test": 1}
    with pytest.raises(ValueError, match=r"omniglot.npz \(1\) is malformed: a sequence needs"):
        prepare(folder, strict=True)


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_a_damaged_file_is_named(folder, prepare, content):
    path = folder / "omniglot.npz"
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with (
        pytest.warns(SkippedFileWarning, match=r"skipped .*omniglot.npz: .*File is not a zip file"),
        pytest.raises(ValueError, match=r"None of the 1 files .* omniglot_strokes could be read"),
    ):
        prepare(folder)


def test_a_file_without_the_splits_is_named(folder, prepare):
    write(folder, train=[drawing(1)], test=[drawing(2)])
    with (
        pytest.warns(SkippedFileWarning, match="holds no array 'valid'"),
        pytest.raises(ValueError, match="validation split of omniglot_strokes"),
    ):
        prepare(folder)


def test_what_is_missing_is_named(tmp_path, prepare):
    with pytest.raises(ValueError, match=r"omniglot.npz is missing. `vrnn data info omniglot"):
        prepare(tmp_path)
    with pytest.raises(ValueError, match=r"absent does not exist."):
        prepare(tmp_path / "absent")
    with pytest.raises(ValueError, match="omniglot_strokes has no options"):
        prepare(tmp_path, y_axis="up")


@needs_data
def test_the_download_is_the_file_that_is_read():
    ((name, (url, digest)),) = OmniglotStrokes.DOWNLOADS.items()
    assert url in OmniglotStrokes.LAYOUT
    assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == digest


@pytest.mark.slow
@needs_data
def test_the_real_drawings(tmp_path):
    builder = OmniglotStrokes.prepare(DATA, tmp_path / "prepared")
    facts = builder.facts()
    assert facts["records"] == {"train": 30_000, "validation": 1_000, "test": 1_000}
    assert facts["skipped"]["count"] == 0
    sequences = list(builder.all_sequences("train"))
    assert min(map(len, sequences)) == 1 and max(map(len, sequences)) == 142  # points less one
    assert all(x[-1, 2] == 1 for x in sequences)
    down = sum(float(x[x[:, 2] == 0, 1].sum()) for x in sequences)
    assert down < 0  # on the whole people draw downwards
