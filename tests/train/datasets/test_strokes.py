"""Every format of handwriting is written here and comes back as what was written."""

import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_files import (
    ORIGIN,
    PEN,
    POINTS,
    ROWS,
    TIMED,
    TRACES,
    X,
    channels,
    contents,
    flipped,
    inkml,
    one,
    records,
    savez,
    table,
    trace,
    write,
)
from object_arrays import to_objects
from vrnn_tf.media import Strokes
from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning

StrokeFiles = datasets.get("strokes")
DATA = Path(__file__).parents[3].parent / "shared" / "data" / "unipen"


@pytest.fixture
def prepare(tmp_path):
    return functools.partial(StrokeFiles.prepare, prepared_dir=tmp_path / "prepared")


def test_any_mix_is_read(tmp_path, prepare):
    folder = tmp_path / "mine"
    write(folder / "a.inkml", inkml(TRACES))
    write(folder / "deep" / "b.XML", inkml(TRACES))
    savez(folder / "c.npz", train=to_objects([ROWS]))
    xs, ys = zip(*POINTS, strict=True)
    savez(folder / "d.npz", x=xs, y=ys, pen=PEN)
    Strokes().save(folder / "e.npz", [np.array(X, np.float32)])
    savez(folder / "f.npz", dxy=ROWS[:, :2], pen_up=ROWS[:, 2], length=[5])
    for name, delimiter in [("g.csv", ","), ("h.tsv", "\t"), ("i.txt", ";")]:
        write(folder / name, table(delimiter.join(("x", "y", "pen")), delimiter=delimiter))
    write(folder / "notes.md", "not read")
    builder = prepare(folder)
    facts = builder.facts()
    assert facts["skipped"]["count"] == 0
    assert facts["records"] == {"train": 8, "validation": 1}
    sequences = [x for split in facts["records"] for _, _, x in records(builder, split)]
    assert sorted(sequences) == sorted([X] * 6 + [flipped(X)] * 3)
    assert builder.medium() == Strokes("units of the files, y up")
    assert builder.name == "strokes"


@pytest.mark.parametrize(
    ("y_axis", "expected"), [("auto", flipped(X)), ("down", flipped(X)), ("up", X)]
)
def test_the_way_of_y_can_be_chosen(tmp_path, read, y_axis, expected):
    assert one(read, write(tmp_path / "d" / "a.inkml", inkml(TRACES)), y_axis=y_axis) == expected
    path = savez(tmp_path / "e" / "a.npz", train=to_objects([ROWS]))
    assert one(read, path, y_axis=y_axis) == expected
    csv = flipped(X) if y_axis == "down" else X
    assert one(read, write(tmp_path / "f" / "a.csv", table()), y_axis=y_axis) == csv


def test_a_single_file_is_enough(tmp_path, prepare):
    rows = [(s, x + s, y, pen) for s in range(20) for (x, y), pen in zip(POINTS, PEN, strict=True)]
    path = write(tmp_path / "a.csv", table("sequence,x,y,pen", rows))
    assert prepare(path).facts()["records"] == {"train": 18, "validation": 2}


def test_texts_writers_and_splits_are_kept(tmp_path, prepare):
    labels = {
        "text": ["one", "zwei \u00e4", "three", "four"],
        "writer": [7, 8, 8, 9],
        "split": ["train", "train", "valid", "test"],
    }
    flat = np.concatenate([np.concatenate([ORIGIN, ROWS])] * 4)
    savez(tmp_path / "a" / "a.npz", dxy=flat[:, :2], pen_up=flat[:, 2], length=[6] * 4, **labels)
    rows = [
        (i, *(labels[key][i] for key in labels), x, y, pen)
        for i in range(4)
        for (x, y), pen in zip(POINTS, PEN, strict=True)
    ]
    header = "sequence,text,writer,split,x,y,pen"
    write(tmp_path / "b" / "b.csv", "\ufeff" + table(header, rows))
    for folder in ("a", "b"):
        builder = prepare(tmp_path / folder)
        assert records(builder, "train") == [("one", "7", X), ("zwei \u00e4", "8", X)]
        assert records(builder, "validation") == [("three", "8", X)]
        assert records(builder, "test") == [("four", "9", X)]


def test_a_dot_that_is_written_first_keeps_its_lift(tmp_path, read):
    dot = [(5, 5, 1), (1, 1, 0), (2, 3, 1)]
    expected = [[0, 0, 1], [-4, -4, 0], [1, 2, 1]]
    assert one(read, write(tmp_path / "a" / "a.csv", table(rows=dot))) == expected
    ink = inkml(trace("5 5") + trace("1 1, 2 3"))
    assert one(read, write(tmp_path / "b" / "a.inkml", ink)) == flipped(expected)
    rows = np.array([[0, 0, 1], [-4, -4, 0], [1, 2, 1]])
    assert one(read, savez(tmp_path / "c" / "a.npz", x=rows, length=[3])) == expected
    unipen = {"dxy": rows[:, :2], "pen_up": rows[:, 2], "length": [3]}
    assert one(read, savez(tmp_path / "d" / "a.npz", **unipen)) == expected


# one point a second: (0, 0) (10, 0) (10, 10) (10, 20); the dots stay
AT_1 = [[10, 0, 0], [0, 10, 0], [0, 10, 1], [40, 30, 1], [10, 0, 1]]
AT_2 = [[5, 0, 0], [5, 0, 0], [0, 5, 0], [0, 5, 0], [0, 5, 0], [0, 5, 1], *AT_1[3:]]


@pytest.mark.parametrize(("rate", "expected"), [(1.0, AT_1), (2.0, AT_2)])
def test_strokes_are_resampled(tmp_path, read, rate, expected):
    path = write(tmp_path / "a" / "a.csv", table("x,y,pen,t", TIMED))
    assert one(read, path, points_per_second=rate) == expected
    x, y, pen, t = np.array(TIMED).T
    path = savez(tmp_path / "b" / "a.npz", x=x, y=y, pen=pen, t=t)
    assert one(read, path, points_per_second=rate) == expected
    for unit, factor, restart in [("T", 1000, False), ("T:ms", 1000, True), ("T:s", 1, False)]:
        traces = ""
        for stroke in (TIMED[:3], TIMED[3:4], TIMED[4:]):
            start = stroke[0][3] if restart else 0.0
            rows = [f"{x} {-y} {factor * (t - start)}" for x, y, _, t in stroke]
            traces += trace(", ".join(rows))
        path = write(tmp_path / unit / "a.inkml", inkml(traces, channels("X", "Y", unit)))
        assert one(read, path, points_per_second=rate) == expected


@pytest.mark.parametrize("rate", [0.01, 7.3, 1000.0])
def test_the_ends_of_strokes_stay_where_they_were(tmp_path, read, rate):
    path = write(tmp_path / "d" / "a.csv", table("x,y,pen,t", TIMED))
    x = np.array(one(read, path, points_per_second=rate))
    ends = np.cumsum(x[:, :2], axis=0)[x[:, 2] == 1]
    np.testing.assert_allclose(ends, [(10, 20), (50, 50), (60, 50)], atol=1e-3)


@pytest.mark.parametrize(
    ("times", "rate", "message"),
    [
        ([0, 1, 0.5, 2], None, "time runs backwards at point 2: 0.5 s after 1 s"),
        ([0, 1, 2, 1.9], 5.0, "time runs backwards at point 3"),
        ([0, 1, "nan", 2], None, "the time of point 2 is not finite"),
        ([0, 1, 2, 3e9], 5.0, "is the time in seconds?"),
        ([0, 0, 0, 0], 5.0, None),
    ],
)
def test_times_must_be_those_of_a_pen(tmp_path, read, times, rate, message):
    rows = [(0, 0, 0, times[0]), (1, 0, 1, times[1]), (4, 5, 0, times[2]), (6, 7, 1, times[3])]
    path = write(tmp_path / "d" / "a.csv", table("x,y,pen,t", rows))
    result = one(read, path, points_per_second=rate)
    if message is None:  # at one time
        assert result == [[1, 0, 1], [3, 5, 0], [2, 2, 1]]
    else:
        assert message in result


def test_without_times_there_is_no_rate(tmp_path, read):
    path = write(tmp_path / "a" / "a.csv", table())
    assert "has no times" in one(read, path, points_per_second=9)
    ink = inkml(trace("1 2 3, 4 5 6"), channels("X", "Y", "T:dev"))  # of an unknown unit
    path = write(tmp_path / "b" / "a.inkml", ink)
    assert "has no times" in one(read, path, points_per_second=9)


def writers_of(builder):
    return [{w for _, w, _ in records(builder, split)} for split in ("train", "validation")]


def test_whole_writers_are_validated_on(tmp_path, prepare):
    rows = [
        (i, f"w{i % 5}", x, y, pen)
        for i in range(40)
        for (x, y), pen in zip(POINTS, PEN, strict=True)
    ]
    path = write(tmp_path / "a.csv", table("sequence,writer,x,y,pen", rows))
    builder = prepare(path, validation_fraction=0.3)
    train, validation = writers_of(builder)
    assert not train & validation and train | validation == {f"w{i}" for i in range(5)}
    assert builder.facts()["records"] == {"train": 24, "validation": 16}


def test_whole_files_are_validated_on(tmp_path, prepare):
    for name in "abcd":
        rows = [
            (i, ord(name) + x, y, pen)
            for i in range(3)
            for (x, y), pen in zip([*POINTS, (ord(name), 0)], [*PEN, 1], strict=True)
        ]
        write(tmp_path / "mine" / f"{name}.csv", table("sequence,x,y,pen", rows))
    assert prepare(tmp_path / "mine").facts()["records"] == {"train": 9, "validation": 3}


def test_one_sequence_cannot_be_split(tmp_path, prepare):
    with pytest.raises(ValueError, match="validation split needs at least two"):
        prepare(write(tmp_path / "a.csv", table()))


def test_other_splits_are_kept_when_validation_is_carved(tmp_path, prepare):
    np.savez(tmp_path / "a.npz", train=to_objects([ROWS] * 20), test=to_objects([ROWS] * 3))
    facts = prepare(tmp_path / "a.npz").facts()
    assert facts["records"] == {"train": 18, "validation": 2, "test": 3}


BAD_FILES = {
    "empty.csv": ("", "the header must name x, y and pen once, found []"),
    "headless.csv": (table()[8:], "the header must name"),
    "twice.csv": (table("x,y,pen,x", [(1, 2, 0, 1)]), "the header must name"),
    "bare.csv": ("x,y,pen\n", "holds no sequence"),
    "ragged.csv": (table() + "1,2\n", "line 8 has 2 of 3 values"),
    "latin.csv": (table("x,y,pen,text", [(1, 2, 0, "\xe9")]).encode("latin-1"), "is not UTF-8 at"),
    "utf16.txt": (table().encode("utf-16"), "is not UTF-8 at byte 0; save it as UTF-8"),
    "utf16le.txt": (table().encode("utf-16-le"), "the header must name"),
    "again.csv": (
        table("sequence,x,y,pen", [(1, 2, 3, 0), (2, 2, 3, 1), (1, 4, 4, 1)]),
        "begins again in line 4",
    ),
    "split.csv": (table("split,x,y,pen", [("mine", 2, 3, 0)]), "split must be one of"),
    "quote.csv": ('x,y,pen\n"1,2,3\n' + "4" * 200_000, "field larger than"),
    "empty.inkml": ("", "no element found"),
    "truncated.inkml": (inkml(TRACES)[:90], "unclosed token"),
    "other.xml": ("<html/>", "is not InkML: its root is 'html'"),
    "encoding.inkml": (
        '<?xml version="1.0" encoding="KLINGON"?>' + inkml(TRACES),
        "unknown encoding",
    ),
    "formats.inkml": (
        inkml(TRACES, channels("X", "Y") + channels("Y", "X")),
        "several traceFormats",
    ),
    "channels.inkml": (inkml(TRACES, channels("X", "F")), "must have the channels X and Y once"),
    "left.inkml": (
        inkml(TRACES, channels("X", "Y").replace('"X"', '"X" orientation="-ve"')),
        "grows to the left",
    ),
    "empty.npz": (b"", "not a zip file"),
    "garbage.npz": (b"PK\x03\x04 garbage", "not a zip file"),
}
BAD_INK = {
    "none": ("", "at least two points, found 0"),
    "one": (trace("1 2"), "at least two points, found 1"),
    "still": (trace("1 2, 1 2"), "the pen never moves"),
    "words": (trace("one two, 3 4"), "trace 1: point 0 is not a list of values: 'one two'"),
    "short": (trace("1 2, 3 4") + trace("1 2, 3"), "trace 2: point 1 has 1 of 2 values"),
    "gap": (trace("1 2,, 3 4"), "trace 1: point 1 has 0 of 2 values"),
    "first": (trace("'1'2, 3 4"), "trace 1: point 0 is a difference from a point that is not"),
    "second": (trace('1 2, "3"4'), "trace 1: point 1 is a difference"),
    "unknown": (trace("1 2, ? 3"), "point 1 must be finite"),
    "boolean": (trace("1 2, T F"), "point 1 must be finite"),
    "huge": (trace("1 2, 3 4e30"), "point 1 must be finite and within"),
    "hex": (trace("1 2, 3 #" + "F" * 400), "too large"),
    "jump": (trace("1 2, 3 4, 5 6, 7 2e6"), "the median"),
    "joined": (trace("1 2, 3 4", continuation="begin"), "trace 1 is penDown or continued"),
    "unsure": (trace("1 2, 3 4", type="indeterminate"), "trace 1 is indeterminate"),
}
BAD_ROWS = {
    "word": ([(1, 2, 0), (3, "four", 1)], "line 3: y is no number: 'four'"),
    "void": ([(1, 2, 0), (3, "", 1)], "line 3: y is no number: ''"),
    "nan": ([(1, 2, 0), (3, "nan", 1)], "point 1 must be finite"),
    "infinite": ([("-inf", 2, 0), (3, 4, 1)], "point 0 must be finite"),
    "huge": ([(1, 2, 0), (3, 1e30, 1)], "point 1 must be finite and within 1e+07"),
    "pen": ([(1, 2, 0), (3, 4, 0.5)], "pen 1 must be 0 or 1, found 0.5"),
    "no pen": ([(1, 2, 0), (3, 4, "nan")], "pen 1 must be 0 or 1, found nan"),
    "one": ([(1, 2, 0)], "at least two points, found 1"),
    "still": ([(1, 2, 0), (1, 2, 1), (1, 2, 1)], "the pen never moves"),
    "jump": ([(0, 0, 0), (1, 0, 0), (2, 0, 0), (9e6, 0, 1)], "step 2 is 9e+06 long, the median 1"),
}


def bad_arrays():
    x, y = np.array(POINTS, float).T
    good = {"x": x, "y": y, "pen": PEN}
    rows = np.array(X, float)
    return {
        "nothing": ({"z": x}, "expected the numbers `x`, found ['z']"),
        "no pen": ({"x": x, "y": y}, "expected the numbers `pen`"),
        "text": ({**good, "x": [str(v) for v in x]}, "expected the numbers `x`"),
        "unequal": ({**good, "pen": PEN[:-1]}, "do not fit together"),
        "scalar": ({**good, "x": 3.0}, "expected the numbers `x`"),
        "length": ({**good, "length": [2, 3]}, "`length` adds up to 5, but rows are 6"),
        "negative": ({**good, "length": [8, -2]}, "`length` must hold numbers of rows"),
        "wrapped": ({**good, "length": np.array([2**63, 2**63, 6], np.uint64)}, "adds up to"),
        "float": ({**good, "length": [6.0]}, "`length` must hold numbers of rows, found float64"),
        "nobody": (
            {**good, "length": np.zeros(0, int), "x": [], "y": [], "pen": []},
            "no sequence",
        ),
        "labels": ({**good, "text": ["a", "b"]}, "`text` must have a text for each of the 1"),
        "numbers": ({**good, "writer": [0.5]}, "`writer` must have a text"),
        "split": ({**good, "split": ["mine"]}, "split must be one of"),
        "rate": ({**good, "points_per_second": [0.0]}, "`points_per_second` must be above 0"),
        "wide": ({"x": np.zeros((4, 7))}, "do not fit together"),
        "stroke5": ({"x": np.zeros((4, 5))}, "do not fit together"),
        "objects": ({**good, "text": to_objects(["a"])}, "text.npy holds a str"),
        "four": ({"x": np.zeros((4, 4))}, "rows [T, 3] of numbers, found (4, 4)"),
        "pen 2": ({"x": rows * (1, 1, 2)}, "pen 1 must be 0 or 1, found 2"),
        "nan": ({"x": rows * (np.nan, 1, 1)}, "row 0 must be finite"),
        "flat": ({"train": np.zeros((5, 3))}, "`train` must be [N, T, 3], found (5, 3)"),
    }


def test_malformed_files_are_skipped_counted_and_named(tmp_path, prepare):
    folder = tmp_path / "mine"
    expected = {}
    for name, (content, reason) in BAD_FILES.items():
        expected[write(folder / name, content)] = reason
    for name, (body, reason) in BAD_INK.items():
        expected[write(folder / f"bad {name}.inkml", inkml(body))] = reason
    for name, (rows, reason) in BAD_ROWS.items():
        expected[write(folder / f"bad {name}.csv", table(rows=rows))] = reason
    for name, (arrays, reason) in bad_arrays().items():
        expected[savez(folder / f"bad {name}.npz", **arrays)] = reason
    for i in range(20):  # or one of the splits might have nothing sound
        write(folder / f"good{i}.csv", table())
    with pytest.warns(SkippedFileWarning, match="skipped"):
        builder = prepare(folder)
    skipped = builder.facts()["skipped"]
    assert skipped["count"] == len(expected)
    assert sum(builder.facts()["records"].values()) == 20
    reasons = {Path(place.partition(" (")[0]): reason for place, reason in skipped["files"].items()}
    for path, part in expected.items():
        assert part in reasons[path], path.name


def test_a_bad_sequence_leaves_the_others_alone(tmp_path, prepare):
    rows = [(f"s{i}", x, y, pen) for i in range(6) for (x, y), pen in zip(POINTS, PEN, strict=True)]
    rows += [("bad", 1, 2, 0), ("bad", "?", 3, 1)]
    path = write(tmp_path / "a.csv", table("sequence,x,y,pen", rows))
    with pytest.warns(SkippedFileWarning, match=r"a.csv \(bad\): line 39: x is no number: '[?]'"):
        builder = prepare(path)
    assert sum(builder.facts()["records"].values()) == 6
    assert builder.facts()["skipped"]["count"] == 1
    with pytest.raises(ValueError, match=r"a.csv \(bad\) is malformed: line 39"):
        prepare(path, strict=True)


def test_strict_stops_at_a_file_that_cannot_be_read(tmp_path, prepare):
    write(tmp_path / "mine" / "a.csv", table())
    write(tmp_path / "mine" / "b.inkml", "<ink>")
    with pytest.raises(ValueError, match=r"b.inkml is malformed: no element found"):
        prepare(tmp_path / "mine", strict=True)


def test_what_is_missing_is_named(tmp_path, prepare):
    help_text = "`vrnn data info strokes` shows"
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError, match=rf"mine must be or hold files that end in .*{help_text}"):
        prepare(tmp_path / "mine")
    with pytest.raises(ValueError, match=rf"a.pdf must be or hold files that end in .*{help_text}"):
        prepare(write(tmp_path / "a.pdf", "%PDF"))
    with pytest.raises(ValueError, match=rf"absent does not exist. {help_text}"):
        prepare(tmp_path / "absent")
    with pytest.raises(ValueError, match=rf"strokes needs --data-dir. {help_text}"):
        prepare(None)


@pytest.mark.parametrize(
    "options",
    [{"y_axis": "left"}, {"points_per_second": 0}, {"validation_fraction": 0.0}, {"x_axis": "up"}],
)
def test_options_are_checked(tmp_path, prepare, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        prepare(write(tmp_path / "a.csv", table()), **options)


@given(
    lengths=st.lists(st.integers(2, 7), min_size=2, max_size=5),
    seed=st.integers(0, 2**31),
    kind=st.sampled_from(["rows", "points", "csv"]),
)
def test_what_is_written_comes_back(tmp_path_factory, lengths, seed, kind):
    generator = np.random.default_rng(seed)
    points = [generator.permutation(np.arange(-9, 10))[: 2 * n].reshape(-1, 2) for n in lengths]
    pens = [np.append(generator.integers(0, 2, len(p) - 1), 1) for p in points]
    for pen in pens:
        pen[0] = 0
    folder = tmp_path_factory.mktemp("mine")
    x = [np.column_stack([np.diff(p, axis=0), e[1:]]) for p, e in zip(points, pens, strict=True)]
    file = "a.csv" if kind == "csv" else "a.npz"
    if kind == "rows":
        Strokes().save(folder / "a.npz", x)
    elif kind == "points":
        flat = np.concatenate(points)
        savez(
            folder / "a.npz",
            x=flat[:, 0],
            y=flat[:, 1],
            pen=np.concatenate(pens),
            length=[len(p) for p in points],
        )
    else:
        rows = [
            (i, *q, e)
            for i, (p, pen) in enumerate(zip(points, pens, strict=True))
            for q, e in zip(p, pen, strict=True)
        ]
        write(folder / "a.csv", table("sequence,x,y,pen", rows))
    sequences = contents(folder, folder / "unused")
    assert {name: sequences[name] for name in sorted(sequences)} == {
        f"{file}/{i}": rows.tolist() for i, rows in enumerate(x)
    }


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the development data are not beside the checkout")
def test_the_real_lines_of_unipen(tmp_path):
    builder = StrokeFiles.prepare(DATA, tmp_path / "prepared")
    facts = builder.facts()
    assert facts["records"] == {"train": 4986, "validation": 978}
    assert facts["skipped"]["count"] == 0
    with np.load(DATA / "unipen_text_train_valid.npz", allow_pickle=False) as arrays:
        num_points, num_sequences = len(arrays["dxy"]), len(arrays["length"])
        dots = int(arrays["pen_up"][np.cumsum(arrays["length"]) - arrays["length"]].sum())
        texts, writers = sorted(arrays["text"]), set(arrays["writer"])
    lines = [r for split in ("train", "validation") for r in builder.records(split)]
    assert sum(len(r["x"]) for r in lines) == num_points - num_sequences + dots
    assert sorted(r["text"].decode() for r in lines) == texts
    assert {r["writer"].decode() for r in lines} == writers
