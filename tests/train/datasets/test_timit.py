"""TIMIT in the layout of its distributor is written here and read back."""

import re
import tarfile

import pytest

from speech_files import noise, rows_by_split, speakers, write, write_sphere
from vrnn_tf.train import datasets
from vrnn_tf.train.datasets import timit
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning

Timit = datasets.get("timit")
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
def test_timit_keeps_its_splits_and_speakers(tmp_path, prepare_corpus, root):
    sentences = write_timit(tmp_path / "d" / root, lower=root.islower())
    builder = prepare_corpus(Timit, validation_fraction=0.3, strict=True)
    rows = rows_by_split(builder, "speaker", "text", "x")
    assert rows["test"] == sorted(sentences["TEST"])
    assert sorted(rows["train"] + rows["validation"]) == sorted(sentences["TRAIN"])
    names = speakers(builder)
    assert len(names["validation"]) == 2 and not names["validation"] & names["train"]


def test_the_core_test_set_is_that_of_the_corpus(tmp_path, prepare_corpus):
    # By dialect, two men and a woman each, as the documentation of the disc lists them.
    core = re.findall(
        r"\w{5}",
        """MDAB0 MWBT0 FELC0, MTAS1 MWEW0 FPAS0, MJMP0 MLNT0 FPKT0, MLLL0 MTLS0 FJLM0,
        MBPM0 MKLT0 FNLP0, MCMJ0 MJDH0 FMGD0, MGRT0 MNJM0 FDHC0, MJLN0 MPAM0 FMLD0""",
    )
    assert sorted(timit._CORE) == sorted(core) and len(core) == 24
    write_timit(tmp_path / "d", test=[*core, "FAKS0"])
    builder = prepare_corpus(Timit, test_set="core", sa_sentences=False)
    assert speakers(builder)["test"] == set(core)
    assert builder.facts()["records"]["test"] == 24 * 2
    (tmp_path / "d" / "TEST").rename(tmp_path / "elsewhere")
    write_timit(tmp_path / "d", train=(), test=core[2:])
    with pytest.raises(ValueError, match="missing below TEST in .*: MDAB0 MWBT0"):
        prepare_corpus(Timit, test_set="core")


def test_sentences_of_all_speakers_can_be_left_out(tmp_path, prepare_corpus):
    write_timit(tmp_path / "d")
    texts = rows_by_split(prepare_corpus(Timit, sa_sentences=False), "text")
    assert {text for rows in texts.values() for (text,) in rows} == {
        SENTENCES["SI648"],
        SENTENCES["SX37"],
    }


def test_a_converted_copy_replaces_its_sphere_file(tmp_path, prepare_corpus):
    write_timit(tmp_path / "d", transcripts=False)
    for path in list((tmp_path / "d").rglob("*.WAV")):
        write_sphere(path, noise(0), coding="pcm,embedded-shorten-v2.00")
        write(path.with_name(path.name + ".wav"), noise(1, 500))
    rows = rows_by_split(prepare_corpus(Timit, strict=True), "text", "x")
    assert all(row == ("", noise(1, 500).tolist()) for split in rows.values() for row in split)
    assert sum(map(len, rows.values())) == 3 * (len(TRAIN) + len(TEST))


def test_timit_counts_what_it_cannot_read(tmp_path, prepare_corpus):
    write_timit(tmp_path / "d")
    train = tmp_path / "d" / "TRAIN"
    write_sphere(train / "DR1/FCJF0/SA1.WAV", noise(0), coding="pcm,embedded-shorten-v2.00")
    cut = train / "DR2/MDAC0/SI648.WAV"
    cut.write_bytes(cut.read_bytes()[:1_200])
    (train / "DR3/FAEM0/SX37.TXT").write_bytes("0 46797 Вокзал".encode("utf-16"))
    with pytest.warns(SkippedFileWarning) as warned:
        builder = prepare_corpus(Timit)
    reasons = " ".join(str(w.message) for w in warned)
    assert "SA1.WAV: compressed with shorten" in reasons and "sph2pipe" in reasons
    assert "SI648.WAV: truncated: header says 327 samples, file has 88" in reasons
    assert "SX37.TXT must hold two sample numbers and a sentence" in reasons
    assert builder.facts()["skipped"]["count"] == 3
    with pytest.raises(ValueError, match=r"(FCJF0|MDAC0|FAEM0).*is malformed"):
        prepare_corpus(Timit, strict=True)


@pytest.mark.parametrize(("part", "arguments"), [("TRAIN", {"train": ()}), ("TEST", {"test": ()})])
def test_timit_names_the_part_that_is_missing(tmp_path, prepare_corpus, part, arguments):
    write_timit(tmp_path / "d", **arguments)
    with pytest.raises(
        ValueError, match=rf"{part}/DR1/\.\.\. is missing in .*`vrnn data info timit`"
    ):
        prepare_corpus(Timit)
    with pytest.raises(ValueError, match="`test_set` must be one of"):
        prepare_corpus(Timit, test_set="Core")


def test_timit_can_stay_in_its_archive(tmp_path, prepare_corpus):
    write_timit(tmp_path / "x" / "TIMIT")
    (tmp_path / "d").mkdir()
    with tarfile.open(tmp_path / "d" / "timit_LDC93S1.tgz", "w:gz") as archive:
        archive.add(tmp_path / "x", "timit")
    assert sum(prepare_corpus(Timit).facts()["records"].values()) == 18
