"""Texts are cut into pieces that hold every character once, in order."""

import os

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vrnn_tf.train.datasets.builders import text
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning
from vrnn_tf.train.datasets.text_file import TextFile, read_text

POEM = "Whan that Aprille with his shoures soote,\nThe droghte of March…\t🙂\n" * 20


def write(path, content=POEM):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def decoded(builder, split):
    medium = builder.medium()
    return [medium.decode(x) for x in builder.all_sequences(split)]


@pytest.mark.parametrize("length", [1, 7, 200, len(POEM), 10**6])
def test_the_pieces_of_a_file_join_to_its_text(tmp_path, length):
    path = write(tmp_path / "poem.txt")
    builder = TextFile.prepare(path, tmp_path / "prepared", sequence_length=length)
    train, validation = decoded(builder, "train"), decoded(builder, "validation")
    assert "".join(train + validation) == POEM
    assert len("".join(validation)) == pytest.approx(0.1 * len(POEM), abs=1)
    for pieces in (train, validation):
        assert {len(piece) for piece in pieces[:-1]} <= {length} and len(pieces[-1]) <= length
    x = next(builder.all_sequences("train"))
    assert x.dtype == np.float32 and x.shape == (min(length, len("".join(train))), 1)
    assert builder.medium().charset == "".join(sorted(set(POEM)))
    assert "test" not in builder.facts()["records"]


def test_another_sequence_length_reads_the_same_records(tmp_path):
    path = write(tmp_path / "poem.txt")
    first = TextFile.prepare(path, tmp_path / "prepared", sequence_length=5)
    written = os.stat(first.data_dir).st_mtime_ns
    second = TextFile.prepare(path, tmp_path / "prepared", sequence_length=6)
    assert second.data_dir == first.data_dir and os.stat(second.data_dir).st_mtime_ns == written
    assert len(decoded(second, "train")[0]) == 6


def test_whole_files_of_a_folder_are_validated_on(tmp_path):
    written = {f"deep/{i}.txt": chr(ord("a") + i) * 50 + "\n" for i in range(9)}
    written |= {"last.TXT": "ü" * 25 + "\n", "notes.md": "not read", ".hidden.txt": "not read"}
    for name, content in written.items():
        write(tmp_path / "data" / name, content)
    builder = TextFile.prepare(tmp_path / "data", tmp_path / "prepared", validation_fraction=0.2)
    train, validation = decoded(builder, "train"), decoded(builder, "validation")
    expected = [content for content in written.values() if content != "not read"]
    assert sorted(train + validation) == sorted(expected)
    assert len(validation) == 2
    assert builder.medium().charset == "\nabcdefghiü"


def test_the_characters_are_those_of_the_files_that_are_there_now(tmp_path):
    path = write(tmp_path / "a.txt", "xyz" * 9)
    TextFile.prepare(path, tmp_path / "prepared")
    write(path, "abc!" * 9)
    builder = TextFile.prepare(path, tmp_path / "prepared")
    assert builder.medium().charset == "!abc"


@settings(deadline=None)
@example("a\r\nb\rc\n\r\n\n")
@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\t\r"), min_size=1)
)
def test_a_file_is_read_as_it_was_written_but_for_newlines(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "text.txt"
    lines = [line for part in content.split("\r\n") for line in part.split("\r")]
    path.write_bytes(b"\xef\xbb\xbf" + content.encode())
    assert read_text(path) == "\n".join(lines)


REASONS = {
    "latin-1": ("première\n".encode("latin-1"), "byte 5, on line 1, is not UTF-8"),
    "late": (b"fine\nfine\n\xff", "byte 10, on line 3, is not UTF-8"),
    "utf-16": ("text".encode("utf-16"), "byte 0, on line 1, is not UTF-8"),
    "cut in a character": ("ab…".encode()[:-1], "byte 2, on line 1"),
    "surrogate": (b"a\xed\xa0\x80b", "byte 1, on line 1"),
    "nul": (b"fine\nab\0cd", r"line 2 holds the control character '\\x00'"),
    "escape": (b"\x1b[1mbold", r"line 1 holds the control character '\\x1b'"),
    "next line": ("a\x85b".encode(), r"line 1 holds the control character '\\x85'"),
    "empty": (b"", "the file is empty"),
    "only a mark": (b"\xef\xbb\xbf", "the file is empty"),
}


@pytest.mark.parametrize("kind", REASONS)
def test_a_file_that_is_no_text_is_skipped_and_named(tmp_path, kind):
    content, reason = REASONS[kind]
    for i in range(3):
        write(tmp_path / "data" / f"{i}.txt", f"text {i}")
    bad = write(tmp_path / "data" / "bad.txt", content)
    arguments = (tmp_path / "data", tmp_path / "prepared")
    with pytest.warns(SkippedFileWarning, match=reason):
        builder = TextFile.prepare(*arguments, validation_fraction=0.5)
    assert builder.facts()["skipped"]["count"] == 1
    assert list(builder.facts()["skipped"]["files"]) == [str(bad)]
    assert builder.medium().charset == " 012etx"
    with pytest.raises(ValueError, match=r"bad\.txt is malformed: " + reason):
        TextFile.prepare(*arguments, strict=True, validation_fraction=0.5)


@pytest.mark.parametrize("kind", REASONS)
def test_a_single_file_that_is_no_text_is_refused(tmp_path, kind):
    content, reason = REASONS[kind]
    with (
        pytest.warns(SkippedFileWarning),
        pytest.raises(ValueError, match=rf"None of the 1 files .*bad\.txt: {reason}"),
    ):
        TextFile.prepare(write(tmp_path / "bad.txt", content), tmp_path / "prepared")


@pytest.mark.parametrize(
    ("content", "message"),
    [("a", "a single character, which cannot be split"), ("aaaa", "different characters.* has 1")],
)
@pytest.mark.filterwarnings("ignore::vrnn_tf.train.datasets.builders.report.SkippedFileWarning")
def test_a_text_needs_two_characters(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        TextFile.prepare(write(tmp_path / "a.txt", content), tmp_path / "prepared")


def test_two_characters_are_enough(tmp_path):
    builder = TextFile.prepare(write(tmp_path / "a.txt", "abb"), tmp_path / "prepared")
    assert decoded(builder, "train") + decoded(builder, "validation") == ["ab", "b"]


def test_a_text_of_too_many_characters_is_refused(tmp_path):
    many = "".join(map(chr, range(0x4E00, 0x4E00 + text.MAX_CHARACTERS + 1)))
    for name in ("a.txt", "b.txt"):
        write(tmp_path / "data" / name, many)
    with pytest.raises(ValueError, match="2 to 10000 different characters. text_file has 10001"):
        TextFile.prepare(tmp_path / "data", tmp_path / "prepared")


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match="text_file needs --data-dir.*data info text_file"):
        TextFile.prepare(None, tmp_path / "prepared")
    with pytest.raises(
        ValueError, match="file that ends in .txt is missing in .*data info text_file"
    ):
        TextFile.prepare(tmp_path, tmp_path / "prepared")
    with pytest.raises(ValueError, match="absent.txt does not exist"):
        TextFile.prepare(tmp_path / "absent.txt", tmp_path / "prepared")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence_length": 0}, "`sequence_length` must be an integer >= 1. Received 0"),
        ({"validation_fraction": 0}, "`validation_fraction` must be a number > 0"),
        ({"length": 3}, "`option of text_file` must be one of"),
    ],
)
def test_options_are_checked(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        TextFile.prepare(tmp_path, tmp_path / "prepared", **options)
