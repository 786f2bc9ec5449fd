"""Workers of Apache Beam must find what one process finds, in the same order."""

import sys

import mido
import numpy as np
import pytest
import soundfile

from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders import workers
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning

pytest.importorskip("apache_beam")

WORKERS = {"direct_num_workers": 2, "direct_running_mode": "multi_processing"}


def recordings(folder):
    rng = np.random.default_rng(0)
    for number in range(12):
        wave = rng.uniform(-0.5, 0.5, 1_000 + 100 * number)
        soundfile.write(folder / f"{number}.wav", wave, 16_000)
    (folder / "bad.wav").write_bytes(b"no sound")
    soundfile.write(folder / "silent.wav", np.zeros(900), 16_000)
    return {"validation_fraction": 0.3}


def music(folder):
    for number in range(6):
        track = mido.MidiTrack()
        for pitch in (2, 60 + number, 64):  # a piano does not have the first
            track += [mido.Message("note_on", note=pitch, time=0)]
            track += [mido.Message("note_off", note=pitch, time=480)]
        mido.MidiFile(tracks=[track]).save(folder / f"{number}.mid")
    (folder / "bad.mid").write_bytes(b"MThd")
    return {"validation_fraction": 0.3}


def texts(folder):
    for number in range(6):
        (folder / f"{number}.txt").write_text(
            f"Line {number}.\n" * (number + 1) + "äöü"[number % 3]
        )
    (folder / "bad.txt").write_bytes(b"\xff\xff")
    return {"validation_fraction": 0.3}


SLOW = {"audio_folder": recordings, "text_file": texts}
KINDS = {"midi_folder": music, **SLOW}


def kept_by(builder):
    """Everything that was kept, in its order."""
    records = {
        split: [
            {name: np.asarray(value).tolist() for name, value in record.items()}
            for record in builder.records(split)
        ]
        for split in ("train", "validation")
    }
    return records, builder.facts(), [x.tolist() for x in builder.all_sequences("train")]


@pytest.mark.parametrize(
    "name", ["midi_folder", *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)]
)
@pytest.mark.filterwarnings("ignore::vrnn_tf.train.datasets.builders.report.SkippedFileWarning")
def test_workers_find_what_one_process_finds(name, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    options = KINDS[name](folder)
    cls = datasets.get(name)
    one = cls.prepare(folder, tmp_path / "one", **options)
    many = cls.prepare(folder, tmp_path / "many", beam={}, **options)
    assert kept_by(many) == kept_by(one)
    assert one.facts()["skipped"]["count"] >= 1
    left = {path.name for path in (tmp_path / "many").rglob("*.json")}
    assert left == {path.name for path in (tmp_path / "one").rglob("*.json")}
    kept = {path.parent.name: path for path in (tmp_path / "many").rglob("metadata.json")}
    assert list(kept) == ["1.0.0"]  # and no folder that is incomplete


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vrnn_tf.train.datasets.builders.report.SkippedFileWarning")
def test_workers_in_processes_of_their_own(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    options = recordings(folder)
    cls = datasets.get("audio_folder")
    one = cls.prepare(folder, tmp_path / "one", **options)
    assert kept_by(cls.prepare(folder, tmp_path / "many", beam=WORKERS, **options)) == kept_by(one)


@pytest.mark.slow
def test_what_workers_skip_is_said_afterwards(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    recordings(folder)
    for number in range(130):
        (folder / f"x{number:03d}.wav").write_bytes(b"no sound")
    prepare = datasets.get("audio_folder").prepare
    with pytest.warns(SkippedFileWarning) as warned:
        one = prepare(folder, tmp_path / "one").facts()
    with pytest.warns(SkippedFileWarning) as warned_later:
        many = prepare(folder, tmp_path / "many", beam={}).facts()
    assert many == one
    assert many["skipped"]["count"] == 132
    assert [str(w.message) for w in warned_later] == [str(w.message) for w in warned]
    assert len(warned) == 100
    with pytest.raises(ValueError, match=r"\.wav is malformed: is no sound"):
        prepare(folder, tmp_path / "strict", beam={}, strict=True)
    assert not list((tmp_path / "strict").rglob("*tfrecord*"))


@pytest.mark.filterwarnings("ignore::vrnn_tf.train.datasets.builders.report.SkippedFileWarning")
def test_no_worker_starts_if_nothing_is_sound(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.wav").write_bytes(b"no sound")
    monkeypatch.setattr(workers, "read_files", lambda *_: pytest.fail("a worker was asked"))
    with pytest.raises(ValueError, match=r"None of the 1 files of the train split.*The first:"):
        datasets.get("audio_folder").prepare(folder, tmp_path / "p", beam={})


def test_a_worker_that_fails_is_quoted(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    recordings(folder)
    cls = datasets.get("audio_folder")
    wrong = {"x": np.zeros(3, np.int16), "text": "", "speaker": 7}  # tfds wants a text there
    monkeypatch.setattr(cls, "read", lambda self, item: [("", wrong)])
    with pytest.raises(ValueError, match=r"workers of Beam could not read audio_folder: .*\S"):
        cls.prepare(folder, tmp_path / "p", beam={})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nonsense": 1}, r"no options \['nonsense'\]"),
        ({"direct_num_workers": "many"}, "direct_num_workers: invalid int value: 'many'"),
        ({"direct_running_mode": "fast"}, "choose from"),
        ({"runner": "Walker"}, "Unexpected pipeline runner: Walker"),
        ({"runner": 3}, "Unexpected pipeline runner: 3"),
    ],
)
def test_options_that_beam_does_not_take(options, message, tmp_path, capsys):
    with pytest.raises(ValueError, match=message):
        datasets.get("audio_folder").prepare(tmp_path, tmp_path / "p", beam=options)
    assert capsys.readouterr().err == ""


def test_without_beam_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam.options.pipeline_options", None)
    with pytest.raises(ValueError, match=r"pip install 'vrnn_tf\[beam\]'"):
        datasets.get("audio_folder").prepare(tmp_path, tmp_path / "p", beam={})


def test_what_is_drawn_needs_no_workers():
    with pytest.raises(ValueError, match="reads no files. Received beam="):
        datasets.get("synthetic_handwriting").prepare(beam={})
