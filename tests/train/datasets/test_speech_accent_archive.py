"""Recordings of the Speech Accent Archive keep their speakers."""

import zipfile

import pytest

from speech_files import noise, rows_by_split, speakers, write
from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning

SpeechAccentArchive = datasets.get("speech_accent_archive")


def write_accents(root, names=("afrikaans1", "dutch2", "english10", "zulu1")):
    for number, name in enumerate(names):
        path = root / "recordings" / "recordings" / f"{name}.mp3"
        write(path, noise(number, 44_100), 44_100, format="MP3")
    (root / "speakers_all.csv").write_text("age,filename,file_missing?\n24,nicaragua,FALSE\n")
    (root / "reading-passage.txt").write_text("Please call Stella.\n  Ask her to bring:\n")


def test_each_accent_is_a_speaker(tmp_path, prepare_corpus):
    write_accents(tmp_path / "d")
    builder = prepare_corpus(SpeechAccentArchive, strict=True)
    assert builder.facts()["records"] == {"train": 4, "validation": 2, "test": 2}
    names = speakers(builder)
    assert set.union(*names.values()) == {"afrikaans1", "dutch2", "english10", "zulu1"}
    assert sum(map(len, names.values())) == 4
    assert all(x.shape == (40, 200) for x in builder.all_sequences("train"))
    assert {text for rows in rows_by_split(builder, "text").values() for (text,) in rows} == {""}


def test_whole_paragraphs_have_their_text(tmp_path, prepare_corpus):
    write_accents(tmp_path / "d")
    texts = rows_by_split(prepare_corpus(SpeechAccentArchive, max_seconds=None), "text")
    assert {text for rows in texts.values() for (text,) in rows} == {
        "Please call Stella. Ask her to bring:"
    }
    (tmp_path / "d" / "reading-passage.txt").unlink()
    texts = rows_by_split(prepare_corpus(SpeechAccentArchive, max_seconds=None), "text")
    assert {text for rows in texts.values() for (text,) in rows} == {""}


def test_the_archive_of_accents_is_unpacked(tmp_path, prepare_corpus):
    write_accents(tmp_path / "x")
    (tmp_path / "d").mkdir()
    with zipfile.ZipFile(tmp_path / "d" / "archive.zip", "w") as archive:
        for path in (tmp_path / "x").rglob("*.*"):
            archive.write(path, path.relative_to(tmp_path / "x"))
    builder = prepare_corpus(SpeechAccentArchive, max_seconds=None)
    assert sum(builder.facts()["records"].values()) == 4
    assert {text for rows in rows_by_split(builder, "text").values() for (text,) in rows} != {""}


def test_accents_need_recordings(tmp_path, prepare_corpus):
    (tmp_path / "d" / "other").mkdir(parents=True)
    with pytest.raises(ValueError, match="recordings is missing in .*`vrnn data info"):
        prepare_corpus(SpeechAccentArchive)
    (tmp_path / "d" / "recordings").mkdir()
    with pytest.raises(
        ValueError, match=r"a file that ends in \.wav, .* is missing in .*recordings"
    ):
        prepare_corpus(SpeechAccentArchive)
    write_accents(tmp_path / "d", names=("one1", "two1"))
    with pytest.raises(ValueError, match=r"3 splits need as many groups .*\['one1', 'two1'\]"):
        prepare_corpus(SpeechAccentArchive)


def test_a_damaged_accent_is_counted(tmp_path, prepare_corpus):
    write_accents(tmp_path / "d", names=[f"dutch{n}" for n in range(8)])
    path = tmp_path / "d" / "recordings" / "recordings" / "dutch5.mp3"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    options = {"validation_fraction": 0.3, "test_fraction": 0.3}
    with pytest.warns(SkippedFileWarning, match=r"dutch5\.mp3: truncated: header says 44100"):
        builder = prepare_corpus(SpeechAccentArchive, **options)
    assert builder.facts()["skipped"]["count"] == 1
    with pytest.raises(ValueError, match=r"dutch5\.mp3 is malformed: truncated"):
        prepare_corpus(SpeechAccentArchive, strict=True, **options)
