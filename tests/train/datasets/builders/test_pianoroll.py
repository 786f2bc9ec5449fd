"""Rolls in MATLAB files come back as they were written, or with the reason why not."""

import pathlib
import re

import numpy as np
import pytest
import scipy.io

from vrnn_tf import files
from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders.pianoroll import check_roll
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning
from vrnn_tf.train.datasets.jsb_chorales import JsbChorales

DATA = pathlib.Path(__file__).parents[4].parent / "shared" / "data" / "pianoroll"
SETS = ["jsb_chorales", "nottingham", "musedata", "piano_midi"]
VARIABLES = {"train": "traindata", "validation": "validdata", "test": "testdata"}


def rolls(count, seed):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 2, (rng.integers(1, 30), 88), np.uint8) for _ in range(count)]


def cells(arrays):
    """A MATLAB cell array, 1 x N."""
    cells = np.empty((1, len(arrays)), object)
    cells[0, :] = arrays
    return cells


def write(folder, name="JSB_Chorales.mat", **replaced):
    variables = {"traindata": rolls(5, 0), "validdata": rolls(2, 1), "testdata": rolls(3, 2)}
    variables |= replaced
    folder.mkdir(exist_ok=True)
    written = {k: cells(v) if isinstance(v, list) else v for k, v in variables.items()}
    scipy.io.savemat(folder / name, {k: v for k, v in written.items() if v is not None})
    return variables


def contents(sequences):
    return sorted(x.tolist() for x in sequences)


@pytest.mark.parametrize("name", SETS)
def test_every_roll_comes_back(tmp_path, name):
    cls = datasets.get(name)
    kinds = (np.uint8, np.float64, bool, np.int16, np.float32)
    written = write(
        tmp_path / "data",
        cls.FILE,
        traindata=[x.astype(kind) for x, kind in zip(rolls(5, 0), kinds, strict=True)],
    )
    splits = cls.load(data_dir=tmp_path / "data", prepared_dir=tmp_path / "prepared", test=True)
    for split, variable in VARIABLES.items():
        sequences = getattr(splits, split)
        assert contents(sequences) == contents(written[variable])
        assert {x.dtype for x in sequences} == {np.dtype(np.float32)}
    assert splits.facts["records"] == {"train": 5, "validation": 2, "test": 3}
    assert splits.facts["skipped"]["count"] == 0
    assert (splits.medium.lowest_pitch, splits.medium.num_keys) == (21, 88)


def test_titles_are_the_names_that_matlab_has(tmp_path):
    written = write(tmp_path / "data")
    builder = JsbChorales.prepare(tmp_path / "data", tmp_path / "prepared")
    titles = {r["title"].decode(): r["x"].tolist() for r in builder.records("train")}
    assert titles == {
        f"traindata{{{i}}}": x.tolist() for i, x in enumerate(written["traindata"], 1)
    }


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (np.zeros((4, 87)), r"T x 88 with T >= 1, found shape \(4, 87\)"),
        (np.zeros((0, 88)), r"found shape \(0, 88\)"),
        (np.zeros((0, 0)), r"found shape \(0, 0\)"),
        (np.full((4, 88), 2), "step 0, key 0 must be 0 or 1, found 2"),
        (np.eye(4, 88) * -1, "step 0, key 0 must be 0 or 1, found -1"),
        (np.where(np.eye(4, 88, 3) > 0, np.nan, 0), "step 0, key 3 must be 0 or 1, found nan"),
        (np.eye(4, 88, 3) * 1e300, "step 0, key 3 must be 0 or 1, found 1e"),
        ("music", "found shape"),
    ],
)
def test_a_malformed_roll_is_skipped_and_named(tmp_path, bad, reason):
    good = rolls(3, 0)
    write(tmp_path / "data", traindata=[good[0], bad, *good[1:]])
    with pytest.warns(SkippedFileWarning, match=reason):
        builder = JsbChorales.prepare(tmp_path / "data", tmp_path / "prepared")
    skipped = builder.facts()["skipped"]
    assert skipped["count"] == 1
    ((where, why),) = skipped["files"].items()
    assert where.endswith("JSB_Chorales.mat (traindata{2})") and re.search(reason, why)
    assert contents(builder.all_sequences("train")) == contents(good)
    with pytest.raises(ValueError, match=r"JSB_Chorales.mat \(traindata\{2\}\) is malformed"):
        JsbChorales.prepare(tmp_path / "data", tmp_path / "prepared", strict=True)


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"testdata": None}, "test split .* testdata is missing"),
        ({"traindata": np.zeros((5, 88))}, "train split .* traindata is missing or not a cell"),
        ({"validdata": []}, "None of the 1 files of the validation split"),
    ],
)
@pytest.mark.filterwarnings("ignore::vrnn_tf.train.datasets.builders.report.SkippedFileWarning")
def test_a_variable_that_is_missing_is_named(tmp_path, replaced, message):
    write(tmp_path / "data", **replaced)
    with pytest.raises(ValueError, match=message):
        JsbChorales.prepare(tmp_path / "data", tmp_path / "prepared")


@pytest.mark.parametrize("keep", [0, 10, 127, 200, 0.3, 0.5])
def test_a_truncated_file_is_refused(tmp_path, keep):
    write(tmp_path / "data")
    path = tmp_path / "data" / "JSB_Chorales.mat"
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.warns(SkippedFileWarning), pytest.raises(ValueError, match=r"None of the 1 files"):
        JsbChorales.prepare(tmp_path / "data", tmp_path / "prepared")


@pytest.mark.parametrize("content", [b"not a mat file at all" * 40, bytes(500), b"\x80\x04N."])
def test_what_is_not_a_mat_file_is_refused(tmp_path, content):
    (tmp_path / "JSB_Chorales.mat").write_bytes(content)
    with pytest.warns(SkippedFileWarning), pytest.raises(ValueError, match=r"JSB_Chorales.mat: "):
        JsbChorales.prepare(tmp_path, tmp_path / "prepared")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="JSB_Chorales.mat is missing in .*data info jsb_chorales"):
        JsbChorales.prepare(tmp_path, tmp_path / "prepared")
    with pytest.raises(ValueError, match="absent does not exist"):
        JsbChorales.prepare(tmp_path / "absent", tmp_path / "prepared")
    with pytest.raises(ValueError, match="jsb_chorales has no options. Received 'steps'"):
        JsbChorales.prepare(tmp_path, tmp_path / "prepared", steps=3)


def test_without_a_folder_the_file_is_downloaded_and_checked(tmp_path, monkeypatch):
    written = write(tmp_path / "server")
    path = tmp_path / "server" / "JSB_Chorales.mat"
    wrong = {path.name: (path.as_uri(), "0" * 64)}
    monkeypatch.setattr(JsbChorales, "DOWNLOADS", wrong)
    with pytest.raises(ValueError, match="is not the file that is expected"):
        JsbChorales.prepare(None, tmp_path / "prepared")
    monkeypatch.setattr(JsbChorales, "DOWNLOADS", {path.name: (path.as_uri(), files.sha256(path))})
    splits = JsbChorales.load(prepared_dir=tmp_path / "prepared")
    assert contents(splits.train) == contents(written["traindata"])


@pytest.mark.parametrize("name", SETS)
def test_what_a_set_says_of_itself_is_consistent(name):
    cls = datasets.get(name)
    assert cls.name == name and cls.KIND == "pianoroll"
    ((file, (url, digest)),) = cls.DOWNLOADS.items()
    assert file == cls.FILE and url.endswith(f"/mdata/{file}") and url in cls.LAYOUT
    assert re.fullmatch("[0-9a-f]{64}", digest)
    total, *parts = map(int, re.findall(r"\d+", cls.SUMMARY.replace(",", "")))
    assert total == sum(parts)


def test_check_roll_returns_zeros_and_ones():
    roll = np.random.default_rng(0).integers(0, 2, (7, 88))
    np.testing.assert_array_equal(check_roll(roll.astype(float)), roll)
    assert check_roll(roll).dtype == np.uint8


@pytest.mark.skipif(not DATA.is_dir(), reason="the development data are not here")
@pytest.mark.parametrize(
    ("name", "counts", "steps", "pitches"),
    [
        ("jsb_chorales", (229, 76, 77), 13_807 + 4_602 + 4_725, (43, 96)),
        ("nottingham", (694, 173, 170), 176_561 + 45_513 + 44_463, (31, 93)),
    ],
)
def test_the_real_files(tmp_path, name, counts, steps, pitches):
    cls = datasets.get(name)
    assert files.sha256(DATA / cls.FILE) == cls.DOWNLOADS[cls.FILE][1]
    splits = cls.load(data_dir=DATA, prepared_dir=tmp_path, test=True, strict=True)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == counts
    everything = np.concatenate(splits.train + splits.validation + splits.test)
    assert len(everything) == steps
    used = np.flatnonzero(everything.any(axis=0)) + splits.medium.lowest_pitch
    assert (used.min(), used.max()) == pitches
    # The authors transposed to C: with the right first key, most pieces end on a C in the bass.
    last_bass = [np.flatnonzero(x[x.any(axis=1)][-1])[0] for x in splits.train]
    ends_on_c = np.mean([(key + splits.medium.lowest_pitch) % 12 == 0 for key in last_bass])
    assert ends_on_c > 0.7


@pytest.mark.skipif(not DATA.is_dir(), reason="the development data are not here")
def test_the_first_chorale_begins_as_the_authors_own_file_does(tmp_path):
    builder = JsbChorales.prepare(DATA, tmp_path)
    (first,) = (r["x"] for r in builder.records("train") if r["title"] == b"traindata{1}")
    chords = [tuple(np.flatnonzero(step) + 21) for step in first[:3]]
    assert chords == [(60, 72, 79, 88), (72, 79, 88), (67, 70, 76, 84)]
