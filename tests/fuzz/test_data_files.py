"""Damaged data files become sound sequences, are skipped and counted, or are refused."""

import contextlib
import io
import json
import pickle
import tarfile
import warnings
import zipfile

import mido
import numpy as np
import pytest
import scipy.io
import soundfile
from fuzz.guard import limits, snapshot
from fuzz.mutate import mutants

from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders.options import Configuration
from vrnn_tf.train.datasets.builders.reading import Item
from vrnn_tf.train.datasets.formats.npz import read_npz
from vrnn_tf.train.datasets.formats.pickled_arrays import read_pickle
from vrnn_tf.train.datasets.formats.sound import read_samples
from vrnn_tf.train.datasets.sources.archives import unpack_once

pytestmark = pytest.mark.slow

CASES = 150  # of a kind of file that is prepared from a folder
WHOLE = 40  # beside them: so many that every split gets one
READS = 600  # of a file that is read alone
# of reasons that are no fault of the file, but of a reader that believes it
BLOWN_UP = ("allocate", "memory", "recursion")


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def objects(values):
    array = np.empty(len(values), object)
    array[:] = values
    return array


def sound(**arguments):
    buffer = io.BytesIO()
    wave = np.random.default_rng(0).normal(size=2_000) / 10
    soundfile.write(buffer, wave, 16_000, **arguments)
    return buffer.getvalue()


def sphere():
    header = (
        "NIST_1A\n   1024\nsample_count -i 500\nsample_n_bytes -i 2\nchannel_count -i 1\n"
        "sample_byte_format -s2 01\nsample_rate -i 16000\nsample_coding -s3 pcm\nend_head\n"
    )
    return header.encode().ljust(1024) + np.arange(1, 501, dtype="<i2").tobytes()


def midi():
    track = mido.MidiTrack()
    for pitch in range(60, 68):
        track.append(mido.Message("note_on", note=pitch, velocity=64, time=0))
        track.append(mido.Message("note_off", note=pitch, time=480))
    file = mido.MidiFile(tracks=[track])
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


LINE = """<?xml version="1.0" encoding="ISO-8859-1"?>
<WhiteboardCaptureSession><StrokeSet>
<Stroke colour="black" start_time="1" end_time="2">
<Point x="10" y="20" time="1.5"/><Point x="13" y="16" time="1.6"/><Point x="40" y="20" time="2"/>
</Stroke><Stroke><Point x="50" y="21" time="3"/><Point x="49" y="20" time="4"/></Stroke>
</StrokeSet></WhiteboardCaptureSession>
"""
INKML = """<ink xmlns="http://www.w3.org/2003/InkML">
<traceFormat><channel name="X"/><channel name="Y" orientation="-ve"/><channel name="T"/>
</traceFormat>
<annotation type="truth">a word</annotation><annotation type="writer">7</annotation>
<trace>10 20 0, 13 16 10, '3 '4 '10, 13 26 40</trace><trace>40 20 #F, * 3 19, "1 "2 "3</trace></ink>
"""
TABLE = "x,y,pen,t,sequence,writer\n" + "".join(
    f"{x},{x * x % 7},{x % 3 // 2},{x / 10},{x // 6},w{x // 6}\n" for x in range(12)
)
ROWS = np.array([[3, -4, 0], [0, 10, 1], [27, -6, 1], [10, 1, 0], [-1, -1, 1]], np.int16)
FLAT = {"x": np.arange(6.0), "y": np.arange(6.0) ** 2, "pen": np.array([0, 0, 1, 0, 0, 1])}
STROKES = {
    "line.inkml": INKML.encode(),
    "table.csv": TABLE.encode(),
    "table.tsv": TABLE.replace(",", "\t").encode(),
    "stroke3.npz": npz(train=objects([ROWS, ROWS[:3]]), valid=objects([ROWS]), test=ROWS[None]),
    "flat.npz": npz(**FLAT, length=[3, 3], text=["a", "b"], points_per_second=100.0),
    "rows.npz": npz(x=ROWS, length=[2, 3], writer=["u", "v"]),
}
SOUNDS = {
    "a.wav": sound(format="WAV"),
    "float.wav": sound(format="WAV", subtype="FLOAT"),
    "a.flac": sound(format="FLAC"),
    "a.ogg": sound(format="OGG"),
    "a.mp3": sound(format="MP3"),
    "a.sph": sphere(),
}
TEXTS = {"a.txt": "Wer reitet so spät durch Nacht und Wind?\n".encode() * 5}
FOLDERS = [
    *(("strokes", name, content) for name, content in STROKES.items()),
    *(("audio_folder", name, content) for name, content in SOUNDS.items()),
    ("midi_folder", "a.mid", midi()),
    *(("text_file", name, content) for name, content in TEXTS.items()),
]


def check_sequences(medium, sequences):
    for x in sequences:
        assert x.dtype == np.float32
        assert x.ndim == 2 and x.shape[1] == medium.event_size and len(x)
        assert np.isfinite(x).all()
        medium.check(x)


def load(name, source, prepared, **options):
    """The sequences of all splits, checked, and the reasons of what was skipped; or an error."""
    with limits(120), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            splits = datasets.get(name).load(
                data_dir=source, prepared_dir=prepared, test=True, **options
            )
        except ValueError as error:
            check_reason(str(error))
            return None, [str(error)]
    for split in ("train", "validation", "test"):
        check_sequences(splits.medium, getattr(splits, split))
    reasons = list(splits.facts["skipped"]["files"].values())
    for reason in reasons:
        check_reason(reason)
    json.dumps(splits.facts)
    return splits, reasons


def check_reason(reason):
    assert reason and not any(word in reason.lower() for word in BLOWN_UP), reason


@pytest.mark.parametrize(("name", "file", "content"), FOLDERS, ids=[row[1] for row in FOLDERS])
def test_a_folder_of_damaged_files(tmp_path, name, file, content):
    source = tmp_path / "data"
    source.mkdir()
    stem, _, suffix = file.rpartition(".")
    for i in range(WHOLE):
        (source / f"whole{i}.{suffix}").write_bytes(content)
    for i, damaged in enumerate(mutants(content, CASES)):
        (source / f"{stem}{i}.{suffix}").write_bytes(damaged)
    before = snapshot(source)
    splits, reasons = load(name, source, tmp_path / "prepared")
    assert splits is not None, reasons
    assert len(splits.train) + len(splits.validation) + len(splits.test) >= WHOLE
    assert snapshot(source) == before
    assert {path.name for path in tmp_path.iterdir()} == {"data", "prepared"}


def test_damaged_forms_of_iam_ondb(tmp_path):
    source = tmp_path / "data"
    forms = {"train.txt": ["a01-000u", "b02-010"], "valid.txt": ["c03-001z"]}
    for name, listed in forms.items():
        source.mkdir(exist_ok=True)
        (source / name).write_text("\n".join(listed))
        for form in listed:
            strokes = source / "lineStrokes" / form[:3] / form[:7]
            text = source / "ascii" / form[:3] / form[:7] / f"{form}.txt"
            strokes.mkdir(parents=True)
            text.parent.mkdir(parents=True)
            text.write_text("OCR:\n\nCSR:\n\none line\nanother\n")
            (strokes / f"{form}-01.xml").write_text(LINE)
            for i, damaged in enumerate(mutants(LINE.encode(), CASES // 3), 2):
                (strokes / f"{form}-{i:02}.xml").write_bytes(damaged)
    splits, reasons = load("iam_ondb", source, tmp_path / "prepared")
    assert splits is not None, reasons
    for i, damaged in enumerate(mutants(b"a01-000u\nb02-010\n", 15)):
        (source / "train.txt").write_bytes(damaged)
        load("iam_ondb", source, tmp_path / f"prepared{i}")


def test_damaged_transcripts_of_timit(tmp_path):
    for part, speakers in {"TRAIN": ("FCJF0", "MDAC0"), "TEST": ("FAKS0",)}.items():
        for speaker in speakers:
            folder = tmp_path / "data" / part / "DR1" / speaker
            folder.mkdir(parents=True)
            for i, damaged in enumerate(mutants(b"0 500 She had your dark suit.\n", 20)):
                (folder / f"SX{i}.WAV").write_bytes(sphere())
                (folder / f"SX{i}.TXT").write_bytes(damaged)
    splits, reasons = load("timit", tmp_path / "data", tmp_path / "prepared")
    assert splits is not None, reasons


# --- files that are read alone --------------------------------------------------------------------


def mat():
    rng = np.random.default_rng(0)
    buffer = io.BytesIO()
    cells = {}
    for variable in ("traindata", "validdata", "testdata"):
        cells[variable] = np.empty((1, 2), object)
        cells[variable][0, :] = [rng.integers(0, 2, (n, 88), np.uint8) for n in (4, 7)]
    scipy.io.savemat(buffer, cells)
    return buffer.getvalue()


DRAWING = np.concatenate([np.zeros((1, 3), np.int16), ROWS])
ALONE = {
    "jsb_chorales": ("JSB_Chorales.mat", mat(), "traindata"),
    "omniglot_strokes": (
        "omniglot.npz",
        npz(**{split: objects([DRAWING] * 2) for split in ("train", "valid", "test")}),
        "train",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ALONE)
def test_a_damaged_file_of_a_distributor(tmp_path, name):
    file, content, details = ALONE[name]
    cls = datasets.get(name)
    builder = cls(
        data_dir=tmp_path / "prepared", config=Configuration(options=cls.Options(), name="x")
    )
    path = tmp_path / file
    for damaged in mutants(content, READS):
        path.write_bytes(damaged)
        with limits(20, megabytes=500):
            try:
                records = list(builder.read(Item(path, "a", details)))
            except (MemoryError, RecursionError):
                raise
            except Exception as error:  # of any kind, as `Builder.read` says
                check_reason(str(error) or type(error).__name__)
                continue
        for _, record in records:
            if not isinstance(record, ValueError):
                check_sequences(builder.medium(), builder.sequences(record))


@pytest.mark.parametrize("name", [name for name in STROKES if name.endswith(".npz")])
def test_a_damaged_npz_is_refused_with_a_value_error(tmp_path, name):
    path = tmp_path / name
    for damaged in mutants(STROKES[name], READS, seed=1):
        path.write_bytes(damaged)
        with limits(10, megabytes=300), contextlib.suppress(ValueError, OSError):
            read_npz(path)


def pickled():
    """Object arrays as versions of NumPy and protocols write them."""
    values = objects([ROWS, np.arange(4.0), np.asfortranarray(np.ones((2, 3)))])
    return [pickle.dumps(values, protocol) for protocol in (2, 3, 4, 5)]


def test_a_damaged_pickle_is_never_executed(monkeypatch):
    def forbidden(*arguments, **options):
        raise AssertionError("unpickled")

    contents = pickled()
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, forbidden)
    for content in contents:
        for damaged in mutants(content, READS):
            with limits(10, megabytes=300):
                try:
                    arrays = read_pickle(damaged)
                except ValueError:
                    continue
            assert all(x.dtype.kind in "biuf" for x in arrays)
            assert sum(x.nbytes for x in arrays) <= len(damaged) * len(damaged)


@pytest.mark.parametrize("content", SOUNDS.values(), ids=SOUNDS)
def test_a_damaged_sound_never_asks_for_more_memory_than_it_may_last(tmp_path, content):
    path = tmp_path / "a"
    for damaged in mutants(content, READS, seed=1):
        path.write_bytes(damaged)
        with limits(20, megabytes=500):
            try:
                samples = read_samples(path, 8_000)
            except (ValueError, soundfile.LibsndfileError):
                continue
        assert samples.dtype == np.int16 and samples.any()


# --- archives -------------------------------------------------------------------------------------


def archives():
    """An archive of two texts in each format."""
    files = {f"data/{i}.txt": b"the text number %d\n" % i * 9 for i in range(3)}
    for mode in ("", "gz", "bz2", "xz"):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=f"w:{mode}") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        yield f"a.tar{'.' * bool(mode)}{mode}", buffer.getvalue()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    yield "a.zip", buffer.getvalue()


ARCHIVES = dict(archives())


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_damaged_archive_is_unpacked_inside_its_folder_or_not_at_all(tmp_path, name):
    for i, damaged in enumerate(mutants(ARCHIVES[name], CASES)):
        path = tmp_path / "source" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(damaged)
        target = tmp_path / "target" / str(i)
        with limits(20, megabytes=300):
            try:
                unpack_once([path], target)
            except ValueError as error:
                check_reason(str(error))
                assert not [p for p in target.iterdir() if p.is_dir()]
    assert {path.name for path in tmp_path.iterdir()} == {"source", "target"}
