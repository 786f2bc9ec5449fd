"""IAM-OnDB, from small trees in the distributor's layout, and the real lines if they are there."""

import functools
import tarfile
from pathlib import Path

import numpy as np
import pytest

from vrnn_tf.normalization import Normalization
from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders.report import DataWarning, SkippedFileWarning

IamOndb = datasets.get("iam_ondb")
DATA = Path(__file__).parents[3].parent / "shared" / "data" / "iam_ondb"

HEADER = """<?xml version="1.0" encoding="ISO-8859-1"?>
<WhiteboardCaptureSession>
  <WhiteboardDescription>
    <SensorLocation corner="top_left"/>
    <DiagonallyOppositeCoords x="6572" y="3168"/>
  </WhiteboardDescription>
  <StrokeSet>
"""
FOOTER = "  </StrokeSet>\n</WhiteboardCaptureSession>\n"
GOOD = [[(10, 20), (13, 16), (13, 26)], [(40, 20)], [(50, 21), (49, 20)]]
# y is negated; pen is 1 on the last point of each stroke
GOOD_X = [[3, 4, 0], [0, -10, 1], [27, 6, 1], [10, -1, 0], [-1, 1, 1]]
FORMS = {"train.txt": ["a01-000u", "a01-000x", "b02-010"], "valid.txt": ["c03-001z"]}


def line_xml(strokes, header=HEADER):
    text = ""
    for stroke in strokes:
        points = "".join(f'      <Point x="{x}" y="{y}" time="1.5"/>\n' for x, y in stroke)
        text += f'    <Stroke colour="black" start_time="1" end_time="2">\n{points}    </Stroke>\n'
    return header + text + FOOTER


def path_of(folder, form, number):
    return folder / "lineStrokes" / form[:3] / form[:7] / f"{form}-{number:02}.xml"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("latin-1"))


def write_form(folder, form, texts, strokes=GOOD):
    for number in range(1, len(texts) + 1):
        write(path_of(folder, form, number), line_xml(strokes))
    text = "OCR:\n\nNOT AS WRITTEN\n\nCSR:\n\n" + "\n".join(texts) + "\n"
    write(folder / "ascii" / form[:3] / form[:7] / f"{form}.txt", text)


def write_lists(folder, lists=FORMS):
    for name, forms in lists.items():
        write(folder / name, "".join(f" {form}\n" for form in forms))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "iam"
    for forms in FORMS.values():
        for form in forms:
            write_form(folder, form, [f"{form} one", f"{form} two, \xa3"])
    write_lists(folder)
    return folder


@pytest.fixture
def prepare(tmp_path):
    return functools.partial(IamOndb.prepare, prepared_dir=tmp_path / "prepared")


def records(builder, split="train"):
    return {
        record["text"].decode(): (record["x"].tolist(), record["writer"].decode())
        for record in builder.records(split)
    }


def test_lines_come_back_with_their_texts_and_writers(folder, prepare):
    write(folder / "forms.txt", "# form writer\na01-000u 10001\na01-000x 10002\n\nend\n")
    header = '<General>\n<Form id="b02-010" writerID="10003" saveTime="1"/></General>'
    original = line_xml(GOOD, HEADER.replace("  <Whit", f"{header}\n  <Whit", 1))
    write(folder / "original" / "b02" / "b02-010" / "strokes.xml", original)
    write(folder / "original" / "c03" / "c03-001" / "strokesz.xml", line_xml(GOOD))
    builder = prepare(folder)
    expected = {
        f"{form} {line}": (GOOD_X, writer)
        for form, writer in [("a01-000u", "10001"), ("a01-000x", "10002"), ("b02-010", "10003")]
        for line in ("one", "two, \xa3")
    }
    assert records(builder) == expected
    assert set(records(builder, "validation")) == {"c03-001z one", "c03-001z two, \xa3"}
    assert {writer for _, writer in records(builder, "validation").values()} == {""}
    facts = builder.facts()
    assert facts["records"] == {"train": 6, "validation": 2}
    assert facts["skipped"]["count"] == 0
    assert facts["missing"] == {"train": [], "validation": []}


def test_load_gives_the_offsets(folder, tmp_path):
    splits = IamOndb.load(data_dir=folder, prepared_dir=tmp_path / "p", num_train=3)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [3, 2, 0]
    np.testing.assert_array_equal(splits.train[0], np.array(GOOD_X, np.float32))
    assert splits.medium.units == "whiteboard units, y up"


def test_archives_are_read_as_distributed(folder, prepare, tmp_path):
    packed = tmp_path / "packed"
    packed.mkdir()
    for name, inside in [("lineStrokes-all", "lineStrokes"), ("ascii-all", "ascii")]:
        with tarfile.open(packed / f"{name}.tar.gz", "w:gz") as archive:
            archive.add(folder / inside, inside)
    write_lists(packed)
    assert records(prepare(packed)) == records(prepare(folder))


def test_the_official_lists(folder, prepare):
    lists = {
        "trainset.txt": ["a01-000u"],
        "testset_v.txt": ["a01-000x"],
        "testset_t.txt": ["b02-010"],
        "testset_f.txt": ["c03-001z"],
    }
    write_lists(folder, lists)
    builder = prepare(folder, lists="official")
    assert builder.facts()["records"] == {"train": 2, "validation": 4, "test": 2}
    assert "c03-001z one" in records(builder, "test")


def test_what_is_missing_is_named(folder, prepare, tmp_path):
    with pytest.raises(ValueError, match=r"trainset.txt is missing. `vrnn data info iam_ondb`"):
        prepare(folder, lists="official")
    with pytest.raises(ValueError, match=r"lineStrokes is missing in .*`vrnn data info iam_ondb`"):
        prepare(tmp_path)
    with pytest.raises(ValueError, match="iam_ondb needs --data-dir. `vrnn data info iam_ondb`"):
        prepare(None)
    write(folder / "train.txt", "a01-000u\nREADME\n")
    with pytest.raises(ValueError, match=r"train.txt must hold form names .*'README'"):
        prepare(folder)
    write_lists(folder, {"train.txt": ["a01-000u", "c03-001z"]})
    with pytest.raises(ValueError, match="c03-001z is in the lists of train and of validation"):
        prepare(folder)
    write_lists(folder)
    write(folder / "forms.txt", "a01-000u\n")
    with pytest.raises(ValueError, match="forms.txt must hold lines of a form and its writer"):
        prepare(folder)
    empty = tmp_path / "empty"
    write_lists(empty)
    (empty / "lineStrokes").mkdir()
    (empty / "ascii").mkdir()
    with pytest.raises(ValueError, match="holds no line such as"):
        prepare(empty)


def test_options_are_checked(folder, prepare):
    with pytest.raises(ValueError, match="`lists` must be one of"):
        prepare(folder, lists="mine")
    with pytest.raises(ValueError, match="validation_fraction"):
        prepare(folder, validation_fraction=1.0)


def test_missing_forms_are_counted_and_named(folder, prepare):
    write_lists(folder, {"train.txt": ["a01-000u", "d04-001", "d04-002"]})
    with pytest.warns(SkippedFileWarning, match="2 of 3 forms of the list are missing: d04-001"):
        builder = prepare(folder)
    facts = builder.facts()
    assert facts["skipped"]["count"] == 1
    assert facts["missing"] == {"train": ["d04-001", "d04-002"], "validation": []}
    assert facts["records"] == {"train": 2, "validation": 2}
    with pytest.raises(ValueError, match="d04-001, d04-002"):
        prepare(folder, strict=True)


@pytest.mark.parametrize("writers", [False, True])
def test_validation_is_carved_by_writer_or_text(folder, prepare, writers):
    write_lists(folder, {"valid.txt": ["d04-001"]})
    if writers:
        write(folder / "forms.txt", "a01-000u 1\na01-000x 2\nb02-010 1\n")
    with (
        pytest.warns(DataWarning, match="all forms of the validation list are missing"),
        pytest.warns(SkippedFileWarning, match="1 of 1 forms of the list are missing: d04-001"),
    ):
        builder = prepare(folder)
    forms = [{text[:8].strip() for text in records(builder, s)} for s in ("train", "validation")]
    together = {"a01-000u", "b02-010"} if writers else {"a01-000u", "a01-000x"}
    assert together in forms
    assert set.union(*forms) == {"a01-000u", "a01-000x", "b02-010"}
    assert "validated on instead" in builder.facts()["validation"]


MALFORMED = {
    "truncated": line_xml(GOOD)[:400],
    "empty": "",
    "not XML": "P5 640 480",
    "wrong encoding": line_xml(GOOD).replace("ISO-8859-1", "UTF-8").replace("black", "\xff"),
    "unknown encoding": line_xml(GOOD).replace("ISO-8859-1", "KLINGON"),
    "no strokes": line_xml([]),
    "one point": line_xml([[(1, 2)]]),
    "no number": line_xml([[(1, 2), ("four", 3)]]),
    "not finite": line_xml([[(1, 2), ("nan", 3)]]),
    "huge": line_xml([[(1, 2), (1e30, 3)]]),
    "jump": line_xml([[(0, 0), (1, 0), (2, 0), (99_999, 0)]]),
    "never moves": line_xml([[(1, 2), (1, 2)]]),
    "no x": line_xml(GOOD).replace('x="13"', ""),
    "laughs": line_xml(GOOD)
    .replace(
        "<White",
        '<!DOCTYPE a [<!ENTITY a0 "haha">'
        + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
        + "]><White",
        1,
    )
    .replace("black", "&a11;"),
}


def test_malformed_lines_are_skipped_counted_and_named(folder, prepare):
    texts = [f"line {i}" for i in range(len(MALFORMED))]
    write_form(folder, "e05-001", texts)
    write_lists(folder, {"train.txt": ["a01-000u", "e05-001"]})
    for number, content in enumerate(MALFORMED.values(), 1):
        write(path_of(folder, "e05-001", number), content)
    with pytest.warns(SkippedFileWarning, match=r"skipped .*e05-001-\d\d.xml: ") as caught:
        builder = prepare(folder)
    assert len(caught) == len(MALFORMED)
    skipped = builder.facts()["skipped"]
    assert skipped["count"] == len(MALFORMED)
    assert builder.facts()["records"] == {"train": 2, "validation": 2}
    reasons = {
        name: skipped["files"][str(path_of(folder, "e05-001", number))]
        for number, name in enumerate(MALFORMED, 1)
    }
    assert "stroke 1 has a point" in reasons["no number"]
    assert "stroke 1 has a point" in reasons["no x"]
    assert "at least two points, found 1" in reasons["one point"]
    assert "point 1 must be finite" in reasons["not finite"]
    assert "point 1 must be finite and within" in reasons["huge"]
    assert "step 2 is 99997 long" in reasons["jump"]
    with pytest.raises(ValueError, match=r"e05-001-\d\d.xml is malformed"):
        prepare(folder, strict=True)


def test_empty_strokes_are_left_out(folder, prepare):
    write(path_of(folder, "a01-000u", 1), line_xml([[], GOOD[0], [], *GOOD[1:]]))
    assert records(prepare(folder))["a01-000u one"] == (GOOD_X, "")


def test_lines_without_a_text_are_kept_and_told(folder, prepare):
    ascii_of = {
        form: folder / "ascii" / form[:3] / form[:7] / f"{form}.txt"
        for form in ("a01-000u", "a01-000x")
    }
    ascii_of["a01-000u"].unlink()
    write(ascii_of["a01-000x"], "OCR:\n\na\nb\n\nCSR:\n\nonly one line\n")
    with pytest.warns(SkippedFileWarning, match="kept without text"):
        builder = prepare(folder)
    facts = builder.facts()
    assert facts["records"] == {"train": 6, "validation": 2}
    assert facts["skipped"]["count"] == 2
    assert "No such file" in facts["skipped"]["files"][str(ascii_of["a01-000u"])]
    assert "1 lines of text" in facts["skipped"]["files"][str(ascii_of["a01-000x"])]
    assert set(records(builder)) == {"", "b02-010 one", "b02-010 two, \xa3"}
    with pytest.raises(ValueError, match=r"a01-000\w.txt is malformed"):
        prepare(folder, strict=True)


def test_a_row_of_percent_signs_is_the_end_of_a_line(folder, prepare):
    write_form(folder, "a01-000u", ["one", "two", "three"])
    text = "CSR:\n\n10 % of one %%%%%%% two\nthree\n"
    write(folder / "ascii" / "a01" / "a01-000" / "a01-000u.txt", text)
    assert {"10 % of one", "two", "three"} <= set(records(prepare(folder)))


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the development data are not beside the checkout")
def test_the_real_lines(tmp_path):
    with (
        pytest.warns(DataWarning, match="154 of the 1535 training forms"),
        pytest.warns(SkippedFileWarning, match="192 of 192 forms of the list are missing"),
    ):
        splits = IamOndb.load(data_dir=DATA, prepared_dir=tmp_path / "prepared")
    facts = splits.facts
    assert facts["skipped"]["count"] == 1  # the list of forms that are not there
    assert len(splits.train) + len(splits.validation) == 10_741
    assert 0.1 <= len(splits.validation) / 10_741 < 0.11
    fit = Normalization.fit("paper", splits.train + splits.validation, (0, 1))
    assert fit.mean[:2] == pytest.approx((8.0670, 8.0670), abs=5e-5)
    assert fit.std[:2] == pytest.approx((56.0367, 56.0367), abs=5e-5)
    builder = IamOndb.prepare(DATA, tmp_path / "prepared")
    texts = [
        record["text"].decode()
        for split in ("train", "validation")
        for record in builder.records(split)
    ]
    assert "" not in texts
    assert "weeks to have a broken ankle bone" in texts
