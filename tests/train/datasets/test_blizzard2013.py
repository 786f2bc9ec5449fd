"""Audiobooks of Blizzard 2013 are split by chapters and cut into half-seconds."""

import zipfile

import pytest

from speech_files import noise, rows_by_split, write
from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning

Blizzard2013 = datasets.get("blizzard2013")


def write_chapters(root, chapters=6, sentences=3):
    for chapter in range(chapters):
        book = ("emma", "CB-EM") if chapter % 2 else ("a_room_with_a_view", "CB-RV")
        for sentence in range(sentences):
            name = f"{book[0]}/{book[1]}-{chapter:02d}-{sentence}.wav"
            write(root / name, noise(10 * chapter + sentence, 9_000 + chapter))


def test_chapters_stay_together_and_are_cut_into_half_seconds(tmp_path, prepare_corpus):
    write_chapters(tmp_path / "d" / "BC2013_segmented_v0_wav1")
    rows = rows_by_split(prepare_corpus(Blizzard2013), "speaker", "text", "x")
    chapters = {}
    for chapter in range(6):
        for sentence in range(3):
            piece = noise(10 * chapter + sentence, 9_000 + chapter)[:8_000].tolist()
            chapters["Catherine Byers", "", tuple(piece)] = chapter
    seen = {
        split: {chapters[speaker, text, tuple(x)] for speaker, text, x in members}
        for split, members in rows.items()
    }
    assert {split: len(members) for split, members in rows.items()} == {
        "train": 12,
        "validation": 3,
        "test": 3,
    }
    assert sorted(chapter for split in seen.values() for chapter in split) == list(range(6))


def test_audiobooks_can_be_whole_and_in_archives(tmp_path, prepare_corpus):
    write_chapters(tmp_path / "x", chapters=4)
    (tmp_path / "d").mkdir()
    with zipfile.ZipFile(tmp_path / "d" / "BC2013_segmented_v0_wav1.zip", "w") as archive:
        for path in (tmp_path / "x").rglob("*.wav"):
            archive.write(path, path.relative_to(tmp_path / "x"))
    builder = prepare_corpus(Blizzard2013, max_seconds=None, test_fraction=0)
    lengths = {len(x) for rows in rows_by_split(builder, "x").values() for (x,) in rows}
    assert lengths == {9_000, 9_001, 9_002, 9_003}
    assert builder.facts()["records"] == {"train": 9, "validation": 3}
    assert [x.shape for x in builder.all_sequences("validation")] == [(45, 200)] * 3


def test_audiobooks_with_other_names_are_split_by_folder_or_file(tmp_path, prepare_corpus):
    for book in "abc":
        for number in range(2):
            write(tmp_path / "d" / book / f"{number}.wav", noise(ord(book), 8_000))
    rows = rows_by_split(prepare_corpus(Blizzard2013), "x")
    assert all(len(set(map(str, members))) == 1 and len(members) == 2 for members in rows.values())
    for number in range(10):
        write(tmp_path / "flat" / f"{number}.wav", noise(number, 8_000))
    counts = prepare_corpus(Blizzard2013, tmp_path / "flat").facts()["records"]
    assert counts == {"train": 8, "validation": 1, "test": 1}


def test_short_and_damaged_audiobooks_are_counted(tmp_path, prepare_corpus):
    write_chapters(tmp_path / "d")
    write(tmp_path / "d" / "emma" / "CB-EM-01-99.wav", noise(0, 7_000))
    (tmp_path / "d" / "emma" / "CB-EM-01-98.wav").write_bytes(b"RIFF")
    with pytest.warns(SkippedFileWarning, match="shorter than min_seconds = 0.5"):
        builder = prepare_corpus(Blizzard2013)
    assert builder.facts()["skipped"]["count"] == 2
