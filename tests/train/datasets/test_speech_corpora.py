"""Corpora in the layouts of their distributors, written here and read back."""

import io
import re
import tarfile
import zipfile

import numpy as np
import pytest
import soundfile

from vrnn_tf.train import datasets
from vrnn_tf.train.datasets import timit
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning

Timit = datasets.get("timit")
Blizzard2013 = datasets.get("blizzard2013")
SpeechAccentArchive = datasets.get("speech_accent_archive")
Onomatopoeia = datasets.get("onomatopoeia")
CORPORA = [Timit, Blizzard2013, SpeechAccentArchive, Onomatopoeia]


def noise(seed, count=400):
    return (np.random.default_rng(seed).normal(size=count) * 3_000).astype(np.int16)


def write(path, samples, rate=16_000, **arguments):
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, **{"format": "WAV", **arguments})
    path.write_bytes(buffer.getvalue())


def write_sphere(path, samples, coding="pcm"):
    """As on the disc of TIMIT: a text header of 1024 bytes, then little-endian samples."""
    header = (
        "NIST_1A\n   1024\ndatabase_id -s5 TIMIT\n"
        f"sample_count -i {len(samples)}\nsample_n_bytes -i 2\nchannel_count -i 1\n"
        "sample_byte_format -s2 01\nsample_rate -i 16000\n"
        f"sample_coding -s{len(coding)} {coding}\nend_head\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header.encode().ljust(1024) + samples.astype("<i2").tobytes())


def rows_by_split(builder, *fields):
    """`{split: the fields of all records}`, sorted."""
    return {
        split: sorted(
            tuple(
                record[field].tolist() if field == "x" else record[field].decode()
                for field in fields
            )
            for record in builder.records(split)
        )
        for split in builder.info.splits
    }


def speakers(builder):
    return {
        split: {speaker for (speaker,) in rows}
        for split, rows in rows_by_split(builder, "speaker").items()
    }


@pytest.fixture
def prepare(tmp_path):
    def run(cls, folder=tmp_path / "d", **arguments):
        return cls.prepare(folder, prepared_dir=tmp_path / "prepared", **arguments)

    return run


@pytest.mark.parametrize("cls", CORPORA, ids=lambda cls: cls.name)
def test_each_says_what_it_is_and_where_its_files_belong(cls, tmp_path):
    assert cls is datasets.get(cls.name)
    assert cls.KIND == "audio" and cls.SUMMARY and cls.LICENSE and cls.CITATION.startswith("@")
    assert "DIR/" in cls.LAYOUT and cls.LAYOUT.endswith("\n\n")
    with pytest.raises(
        ValueError, match=rf"{cls.name} needs --data-dir\. `vrnn data info {cls.name}`"
    ):
        cls.prepare(prepared_dir=tmp_path / "prepared")
    (tmp_path / "d").mkdir()
    with pytest.raises(ValueError, match=f"`vrnn data info {cls.name}`"):
        cls.prepare(tmp_path / "d", prepared_dir=tmp_path / "prepared")


# --- TIMIT ----------------------------------------------------------------------------------------

TRAIN = ("FCJF0", "MDAC0", "FAEM0", "MKLS0")
TEST = ("FAKS0", "MDAB0")
SENTENCES = {
    "SA1": "She had your dark suit.",
    "SI648": "A sailboat may have a bone.",
    "SX37": "Go.",
}


def write_timit(root, train=TRAIN, test=TEST, lower=False, transcripts=True):
    """Returns `{(speaker, text, samples)}` of TRAIN and of TEST."""
    sentences = {"TRAIN": [], "TEST": []}
    for part, names in {"TRAIN": train, "TEST": test}.items():
        for number, speaker in enumerate(names):
            for sentence, text in SENTENCES.items():
                place = f"{part}/DR{number % 8 + 1}/{speaker}/{sentence}"
                samples = noise(sum(place.encode()), 300 + len(text))
                path = root / (place.lower() if lower else place)
                write_sphere(path.with_suffix(".wav" if lower else ".WAV"), samples)
                if transcripts:
                    written = path.with_suffix(".txt" if lower else ".TXT")
                    written.write_text(f"0 {len(samples)} {text}\n")
                sentences[part].append((speaker, text if transcripts else "", samples.tolist()))
    return sentences


@pytest.mark.parametrize("root", ["TIMIT", "timit/timit", "data", "."])
def test_timit_keeps_its_splits_and_speakers(tmp_path, prepare, root):
    sentences = write_timit(tmp_path / "d" / root, lower=root.islower())
    builder = prepare(Timit, validation_fraction=0.3, strict=True)
    rows = rows_by_split(builder, "speaker", "text", "x")
    assert rows["test"] == sorted(sentences["TEST"])
    assert sorted(rows["train"] + rows["validation"]) == sorted(sentences["TRAIN"])
    names = speakers(builder)
    assert len(names["validation"]) == 2 and not names["validation"] & names["train"]


def test_the_core_test_set_is_that_of_the_corpus(tmp_path, prepare):
    # By dialect, two men and a woman each, as the documentation of the disc lists them.
    core = re.findall(
        r"\w{5}",
        """MDAB0 MWBT0 FELC0, MTAS1 MWEW0 FPAS0, MJMP0 MLNT0 FPKT0, MLLL0 MTLS0 FJLM0,
        MBPM0 MKLT0 FNLP0, MCMJ0 MJDH0 FMGD0, MGRT0 MNJM0 FDHC0, MJLN0 MPAM0 FMLD0""",
    )
    assert sorted(timit._CORE) == sorted(core) and len(core) == 24
    write_timit(tmp_path / "d", test=[*core, "FAKS0"])
    builder = prepare(Timit, test_set="core", sa_sentences=False)
    assert speakers(builder)["test"] == set(core)
    assert builder.facts()["records"]["test"] == 24 * 2
    (tmp_path / "d" / "TEST").rename(tmp_path / "elsewhere")
    write_timit(tmp_path / "d", train=(), test=core[2:])
    with pytest.raises(ValueError, match="missing below TEST in .*: MDAB0 MWBT0"):
        prepare(Timit, test_set="core")


def test_sentences_of_all_speakers_can_be_left_out(tmp_path, prepare):
    write_timit(tmp_path / "d")
    texts = rows_by_split(prepare(Timit, sa_sentences=False), "text")
    assert {text for rows in texts.values() for (text,) in rows} == {
        SENTENCES["SI648"],
        SENTENCES["SX37"],
    }


def test_a_converted_copy_replaces_its_sphere_file(tmp_path, prepare):
    write_timit(tmp_path / "d", transcripts=False)
    for path in list((tmp_path / "d").rglob("*.WAV")):
        write_sphere(path, noise(0), coding="pcm,embedded-shorten-v2.00")
        write(path.with_name(path.name + ".wav"), noise(1, 500))
    rows = rows_by_split(prepare(Timit, strict=True), "text", "x")
    assert all(row == ("", noise(1, 500).tolist()) for split in rows.values() for row in split)
    assert sum(map(len, rows.values())) == 3 * (len(TRAIN) + len(TEST))


def test_timit_counts_what_it_cannot_read(tmp_path, prepare):
    write_timit(tmp_path / "d")
    train = tmp_path / "d" / "TRAIN"
    write_sphere(train / "DR1/FCJF0/SA1.WAV", noise(0), coding="pcm,embedded-shorten-v2.00")
    cut = train / "DR2/MDAC0/SI648.WAV"
    cut.write_bytes(cut.read_bytes()[:1_200])
    (train / "DR3/FAEM0/SX37.TXT").write_bytes("0 46797 Вокзал".encode("utf-16"))
    with pytest.warns(SkippedFileWarning) as warned:
        builder = prepare(Timit)
    reasons = " ".join(str(w.message) for w in warned)
    assert "SA1.WAV: compressed with shorten" in reasons and "sph2pipe" in reasons
    assert "SI648.WAV: truncated: header says 327 samples, file has 88" in reasons
    assert "SX37.TXT must hold two sample numbers and a sentence" in reasons
    assert builder.facts()["skipped"]["count"] == 3
    with pytest.raises(ValueError, match=r"(FCJF0|MDAC0|FAEM0).*is malformed"):
        prepare(Timit, strict=True)


@pytest.mark.parametrize(("part", "arguments"), [("TRAIN", {"train": ()}), ("TEST", {"test": ()})])
def test_timit_names_the_part_that_is_missing(tmp_path, prepare, part, arguments):
    write_timit(tmp_path / "d", **arguments)
    with pytest.raises(
        ValueError, match=rf"{part}/DR1/\.\.\. is missing in .*`vrnn data info timit`"
    ):
        prepare(Timit)
    with pytest.raises(ValueError, match="`test_set` must be one of"):
        prepare(Timit, test_set="Core")


def test_timit_can_stay_in_its_archive(tmp_path, prepare):
    write_timit(tmp_path / "x" / "TIMIT")
    (tmp_path / "d").mkdir()
    with tarfile.open(tmp_path / "d" / "timit_LDC93S1.tgz", "w:gz") as archive:
        archive.add(tmp_path / "x", "timit")
    assert sum(prepare(Timit).facts()["records"].values()) == 18


# --- Blizzard 2013 --------------------------------------------------------------------------------


def write_chapters(root, chapters=6, sentences=3):
    for chapter in range(chapters):
        book = ("emma", "CB-EM") if chapter % 2 else ("a_room_with_a_view", "CB-RV")
        for sentence in range(sentences):
            name = f"{book[0]}/{book[1]}-{chapter:02d}-{sentence}.wav"
            write(root / name, noise(10 * chapter + sentence, 9_000 + chapter))


def test_chapters_stay_together_and_are_cut_into_half_seconds(tmp_path, prepare):
    write_chapters(tmp_path / "d" / "BC2013_segmented_v0_wav1")
    rows = rows_by_split(prepare(Blizzard2013), "speaker", "text", "x")
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


def test_audiobooks_can_be_whole_and_in_archives(tmp_path, prepare):
    write_chapters(tmp_path / "x", chapters=4)
    (tmp_path / "d").mkdir()
    with zipfile.ZipFile(tmp_path / "d" / "BC2013_segmented_v0_wav1.zip", "w") as archive:
        for path in (tmp_path / "x").rglob("*.wav"):
            archive.write(path, path.relative_to(tmp_path / "x"))
    builder = prepare(Blizzard2013, max_seconds=None, test_fraction=0)
    lengths = {len(x) for rows in rows_by_split(builder, "x").values() for (x,) in rows}
    assert lengths == {9_000, 9_001, 9_002, 9_003}
    assert builder.facts()["records"] == {"train": 9, "validation": 3}
    assert [x.shape for x in builder.all_sequences("validation")] == [(45, 200)] * 3


def test_audiobooks_with_other_names_are_split_by_folder_or_file(tmp_path, prepare):
    for book in "abc":
        for number in range(2):
            write(tmp_path / "d" / book / f"{number}.wav", noise(ord(book), 8_000))
    rows = rows_by_split(prepare(Blizzard2013), "x")
    assert all(len(set(map(str, members))) == 1 and len(members) == 2 for members in rows.values())
    for number in range(10):
        write(tmp_path / "flat" / f"{number}.wav", noise(number, 8_000))
    counts = prepare(Blizzard2013, tmp_path / "flat").facts()["records"]
    assert counts == {"train": 8, "validation": 1, "test": 1}


def test_short_and_damaged_audiobooks_are_counted(tmp_path, prepare):
    write_chapters(tmp_path / "d")
    write(tmp_path / "d" / "emma" / "CB-EM-01-99.wav", noise(0, 7_000))
    (tmp_path / "d" / "emma" / "CB-EM-01-98.wav").write_bytes(b"RIFF")
    with pytest.warns(SkippedFileWarning, match="shorter than min_seconds = 0.5"):
        builder = prepare(Blizzard2013)
    assert builder.facts()["skipped"]["count"] == 2


# --- Speech Accent Archive ------------------------------------------------------------------------


def write_accents(root, names=("afrikaans1", "dutch2", "english10", "zulu1")):
    for number, name in enumerate(names):
        path = root / "recordings" / "recordings" / f"{name}.mp3"
        write(path, noise(number, 44_100), 44_100, format="MP3")
    (root / "speakers_all.csv").write_text("age,filename,file_missing?\n24,nicaragua,FALSE\n")
    (root / "reading-passage.txt").write_text("Please call Stella.\n  Ask her to bring:\n")


def test_each_accent_is_a_speaker(tmp_path, prepare):
    write_accents(tmp_path / "d")
    builder = prepare(SpeechAccentArchive, strict=True)
    assert builder.facts()["records"] == {"train": 4, "validation": 2, "test": 2}
    names = speakers(builder)
    assert set.union(*names.values()) == {"afrikaans1", "dutch2", "english10", "zulu1"}
    assert sum(map(len, names.values())) == 4
    assert all(x.shape == (40, 200) for x in builder.all_sequences("train"))
    assert {text for rows in rows_by_split(builder, "text").values() for (text,) in rows} == {""}


def test_whole_paragraphs_have_their_text(tmp_path, prepare):
    write_accents(tmp_path / "d")
    texts = rows_by_split(prepare(SpeechAccentArchive, max_seconds=None), "text")
    assert {text for rows in texts.values() for (text,) in rows} == {
        "Please call Stella. Ask her to bring:"
    }
    (tmp_path / "d" / "reading-passage.txt").unlink()
    texts = rows_by_split(prepare(SpeechAccentArchive, max_seconds=None), "text")
    assert {text for rows in texts.values() for (text,) in rows} == {""}


def test_the_archive_of_accents_is_unpacked(tmp_path, prepare):
    write_accents(tmp_path / "x")
    (tmp_path / "d").mkdir()
    with zipfile.ZipFile(tmp_path / "d" / "archive.zip", "w") as archive:
        for path in (tmp_path / "x").rglob("*.*"):
            archive.write(path, path.relative_to(tmp_path / "x"))
    builder = prepare(SpeechAccentArchive, max_seconds=None)
    assert sum(builder.facts()["records"].values()) == 4
    assert {text for rows in rows_by_split(builder, "text").values() for (text,) in rows} != {""}


def test_accents_need_recordings(tmp_path, prepare):
    (tmp_path / "d" / "other").mkdir(parents=True)
    with pytest.raises(ValueError, match="recordings is missing in .*`vrnn data info"):
        prepare(SpeechAccentArchive)
    (tmp_path / "d" / "recordings").mkdir()
    with pytest.raises(
        ValueError, match=r"a file that ends in \.wav, .* is missing in .*recordings"
    ):
        prepare(SpeechAccentArchive)
    write_accents(tmp_path / "d", names=("one1", "two1"))
    with pytest.raises(ValueError, match=r"3 splits need as many groups .*\['one1', 'two1'\]"):
        prepare(SpeechAccentArchive)


def test_a_damaged_accent_is_counted(tmp_path, prepare):
    write_accents(tmp_path / "d", names=[f"dutch{n}" for n in range(8)])
    path = tmp_path / "d" / "recordings" / "recordings" / "dutch5.mp3"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    options = {"validation_fraction": 0.3, "test_fraction": 0.3}
    with pytest.warns(SkippedFileWarning, match=r"dutch5\.mp3: truncated: header says 44100"):
        builder = prepare(SpeechAccentArchive, **options)
    assert builder.facts()["skipped"]["count"] == 1
    with pytest.raises(ValueError, match=r"dutch5\.mp3 is malformed: truncated"):
        prepare(SpeechAccentArchive, strict=True, **options)


# --- Onomatopoeia ---------------------------------------------------------------------------------


def test_actors_stay_together(tmp_path, prepare):
    sounds = {}
    for number, actor in enumerate(("ann", "bo", "cy", "di")):
        for sound in ("cough.wav", "laugh.flac", "more/scream.ogg"):
            form = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG"}[sound.rsplit(".")[-1]]
            write(tmp_path / "d" / actor / sound, noise(number, 2_000), format=form)
            sounds[actor] = noise(number, 2_000).tolist()
    builder = prepare(Onomatopoeia, strict=True)
    assert builder.facts()["records"] == {"train": 6, "validation": 3, "test": 3}
    names = speakers(builder)
    assert set.union(*names.values()) == set(sounds) and sum(map(len, names.values())) == 4
    rows = [row for split in rows_by_split(builder, "speaker", "x").values() for row in split]
    assert sum(sounds[speaker] == x for speaker, x in rows) == 8  # all but the lossy .ogg


def test_sounds_must_lie_in_the_folder_of_an_actor(tmp_path, prepare):
    write(tmp_path / "d" / "cough.wav", noise(0))
    with pytest.raises(ValueError, match=r"cough\.wav must lie in the folder of an actor"):
        prepare(Onomatopoeia)
    (tmp_path / "d" / "cough.wav").unlink()
    write(tmp_path / "d" / "sounds" / "ann" / "cough.wav", noise(0))
    with pytest.raises(ValueError, match=r"3 splits need as many groups .*\['sounds'\]"):
        prepare(Onomatopoeia)


def test_a_damaged_sound_is_counted(tmp_path, prepare):
    for actor in ("ann", "bo", "cy"):
        for sound in ("cough", "laugh"):
            write(tmp_path / "d" / actor / f"{sound}.wav", noise(0))
    (tmp_path / "d" / "bo" / "laugh.wav").write_bytes(b"")
    with pytest.warns(SkippedFileWarning, match=r"bo/laugh\.wav"):
        builder = prepare(Onomatopoeia)
    assert builder.facts()["skipped"]["count"] == 1
    assert sum(builder.facts()["records"].values()) == 5
