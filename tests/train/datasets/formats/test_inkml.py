"""InkML: the notation of traces, channels, annotations."""

import functools
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_files import TRACES, X, channels, contents, flipped, inkml, one, records, trace, write
from vrnn_tf.train import datasets

StrokeFiles = datasets.get("strokes")


@pytest.fixture
def prepare(tmp_path):
    return functools.partial(StrokeFiles.prepare, prepared_dir=tmp_path / "prepared")


def test_annotations_of_inkml_are_kept(tmp_path, prepare):
    for i in range(3):
        notes = "".join(
            f'<annotation type="{kind}"> {value} </annotation>'
            for kind, value in [("truth", f"text {i}"), ("writer", f"w{i // 2}"), ("age", 30)]
        )
        write(tmp_path / "mine" / f"{i}.inkml", inkml(TRACES, notes))
    builder = prepare(tmp_path / "mine")
    splits = {split: records(builder, split) for split in ("train", "validation")}
    first = [("text 0", "w0", flipped(X)), ("text 1", "w0", flipped(X))]  # a writer is not cut
    assert sorted(splits.values(), key=len) == [[("text 2", "w1", flipped(X))], first]


# After the example of https://www.w3.org/TR/InkML/#trace: differences, second differences, values
# without blanks between them, and two intermittent channels; the steps are summed up by hand.
W3C = """1125 18432,'23'43,"7"-8,3-5,7 -3,6 2,6 8,3 6 T,2 4*T,3 6,3-6 F F"""
W3C_STEPS = [(23, 43), (30, 35), (33, 30), (40, 27), (46, 29), (52, 37), (55, 43), (57, 47)]
W3C_STEPS += [(60, 53), (63, 47)]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("0 0, 1 2, 4 6", [(1, 2), (3, 4)]),
        ("0 0,1 2,4 6,", [(1, 2), (3, 4)]),
        (" 0\n0 ,\t1   2 , 4 6 ", [(1, 2), (3, 4)]),
        ("0 0, '1'2, 3 4", [(1, 2), (3, 4)]),
        ("0 0, ' 1 ' - 2, 3 4, !10 !20", [(1, -2), (3, 4), (6, 18)]),
        ("0 0, '1'2, \"2\"2, 0 0", [(1, 2), (3, 4), (3, 4)]),
        ("0 0, '1'2, * *", [(1, 2), (1, 2)]),
        ("5 6, * 8, 7 *", [(0, 2), (2, 0)]),
        ("0 0, .5 1.5, -1e1 2E+1", [(0.5, 1.5), (-10.5, 18.5)]),
        ("0 0, #10 -#A", [(16, -10)]),
        ("0 0, 10-20", [(10, -20)]),
    ],
)
def test_the_notation_of_traces(tmp_path, read, text, steps):
    rows = one(read, write(tmp_path / "d" / "a.inkml", inkml(trace(text))))
    assert [tuple(row[:2]) for row in rows] == [(dx, -dy) for dx, dy in steps]
    assert [row[2] for row in rows] == [0.0] * (len(steps) - 1) + [1.0]


def test_the_example_of_the_recommendation(tmp_path, read):
    head = channels("X", "Y", intermittent=("S1", "S2"))
    rows = one(read, write(tmp_path / "d" / "a.inkml", inkml(trace(W3C), head)))
    assert [tuple(row[:2]) for row in rows] == [(dx, -dy) for dx, dy in W3C_STEPS]


@given(
    points=st.lists(
        st.tuples(st.integers(-900, 900), st.integers(-900, 900)), min_size=2, max_size=9
    ).filter(lambda points: len(set(points)) > 1),
    data=st.data(),
)
def test_any_mix_of_notations_says_the_same(tmp_path_factory, points, data):
    """Each value is written as itself, as a difference, or as a second difference."""
    columns = []
    for values in zip(*points, strict=True):
        texts = []
        for i, value in enumerate(values):
            order = data.draw(st.integers(0, min(i, 2)))
            change = [value, value - values[i - 1], value - 2 * values[i - 1] + values[i - 2]]
            texts.append("!'\""[order] + str(change[order]))
        columns.append(texts)
    text = ",".join(f"{x}{y}" for x, y in zip(*columns, strict=True))
    folder = tmp_path_factory.mktemp("ink")
    write(folder / "a.inkml", inkml(trace(text)))
    write(folder / "b.inkml", inkml(trace(text)))
    steps = [[b[0] - a[0], a[1] - b[1]] for a, b in itertools.pairwise(points)]
    for rows in contents(folder, folder / "unused").values():
        assert [row[:2] for row in rows] == steps


def test_channels_stand_where_the_format_says(tmp_path, read):
    text = "0 10 7 20, 5 13 7 16, 9 13 7 26"
    head = channels("T", "X", "F", "Y")
    assert one(read, write(tmp_path / "d" / "a.inkml", inkml(trace(text), head))) == [
        [3, 4, 0],
        [0, -10, 1],
    ]
    up = head.replace('name="Y"', 'name="Y" orientation="-ve"')
    assert one(read, write(tmp_path / "e" / "a.inkml", inkml(trace(text), up)))[0] == [3, -4, 0]
    path = write(tmp_path / "e" / "a.inkml", inkml(trace(text), up))
    assert one(read, path, y_axis="down")[0] == [3, 4, 0]


def test_only_ink_counts(tmp_path, read):
    hidden = f"<definitions>{trace('0 0, 99 99')}</definitions>"
    body = (
        trace("10 20, 13 16, 13 26")
        + trace("13 26, 40 20", type="penUp")
        + f"<traceGroup>{trace('40 20')}<traceGroup>{trace('50 21, 49 20')}"
        + "</traceGroup></traceGroup>"
        + trace(" ")
    )
    path = write(tmp_path / "d" / "a.inkml", inkml(body, hidden))
    assert one(read, path) == flipped(X)
    bare = inkml(body, hidden).replace(' xmlns="http://www.w3.org/2003/InkML"', "")
    assert one(read, write(path, bare)) == flipped(X)
