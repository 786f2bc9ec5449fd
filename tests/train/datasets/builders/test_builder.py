"""What all tfds builders do: find, check, skip, keep."""

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from number_files import GOOD, Numbers, write
from vrnn_tf.media import Strokes
from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders.options import NoOptions, loading
from vrnn_tf.train.datasets.builders.report import DataWarning, SkippedFileWarning


def test_records_come_back_as_they_were_written(folder, prepare):
    builder = prepare(folder)
    sequences = list(builder.all_sequences("train"))
    assert len(sequences) == 4
    assert sorted(x[0, 0] for x in sequences) == [1, 1, 5, 5]
    assert {x.dtype for x in sequences} == {np.dtype("float32")}
    assert {record["text"] for record in builder.records("train")} == {b"a", b"b"}
    assert [len(list(builder.all_sequences("train", limit))) for limit in (0, 3, 9)] == [0, 3, 4]
    assert builder.facts()["records"] == {"train": 4, "validation": 4}
    assert builder.facts()["places"] == "4"
    assert builder.medium() == Strokes(Numbers.UNIT)
    assert list(builder.records("test")) == []


def test_the_order_of_records_is_always_the_same(folder, tmp_path):
    first, second = (
        [x.tolist() for x in Numbers.prepare(folder, tmp_path / name).all_sequences("train")]
        for name in ("one", "two")
    )
    assert first == second


def test_a_builder_is_one_of_tfds(folder, tmp_path):
    """What tfds.load does with a builder that is known by its name."""
    builder = Numbers(data_dir=tmp_path / "prepared")
    download = tfds.download.DownloadConfig(manual_dir=folder)
    builder.download_and_prepare(download_config=download)
    records = tfds.as_numpy(builder.as_dataset(split="train"))
    assert sorted(float(record["x"][0, 0]) for record in records) == [1, 1, 5, 5]
    assert builder.options == NoOptions()
    importlib.import_module("vrnn_tf.train.datasets.iam_ondb")
    assert tfds.builder_cls("iam_ondb").KIND == "strokes"


def test_load_gives_splits(folder, tmp_path):
    splits = Numbers.load(3, None, data_dir=folder, prepared_dir=tmp_path / "prepared", test=True)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (3, 4, 0)
    assert splits.facts["skipped"] == {"count": 0, "files": {}}


def test_files_are_read_again_only_when_they_change(folder, prepare, monkeypatch):
    prepare(folder)
    read = []
    monkeypatch.setattr(Numbers, "read", lambda self, item: read.append(item) or iter(()))
    assert len(list(prepare(folder).all_sequences("train"))) == 4
    assert not read
    monkeypatch.undo()
    write(folder, c=GOOD)
    assert len(list(prepare(folder).all_sequences("train"))) == 6
    (folder / "notes.md").write_text("other files do not matter")
    monkeypatch.setattr(Numbers, "read", lambda self, item: read.append(item) or iter(()))
    prepare(folder)
    assert not read


@dataclasses.dataclass(frozen=True)
class Scale:
    """One choice for preparation and one for loading."""

    factor: float = 1.0
    shift: float = loading(0.0)


class Scaled(Numbers, skip_registration=True):
    """The same, times a factor."""

    Options = Scale

    def read(self, item):
        for name, record in super().read(item):
            yield name, {**record, "x": record["x"] * self.options.factor}

    def sequences(self, record):
        return [record["x"] + self.options.shift]


def test_options_and_places_have_records_of_their_own(folder, tmp_path, monkeypatch):
    other = write(tmp_path / "other", a="8 8 0\n8 8 1")

    def first(source, **options):
        builder = Scaled.prepare(source, tmp_path / "prepared", **options)
        return max(float(x[0, 0]) for x in builder.all_sequences("train"))

    assert [first(folder), first(folder, factor=2.0), first(other), first(folder)] == [5, 10, 8, 5]
    monkeypatch.setattr(Scaled, "read", None)  # what matters in loading prepares nothing anew
    assert first(folder, shift=1.0) == 6


def test_damaged_records_are_named(folder, prepare):
    builder = prepare(folder)
    (record,) = Path(builder.data_dir).glob("*train.tfrecord*")
    record.write_bytes(record.read_bytes()[:-5])
    with pytest.raises(ValueError, match=r"records in .* are damaged: .*Delete that folder"):
        list(prepare(folder).all_sequences("train"))
    (Path(builder.data_dir) / "dataset_info.json").write_text("{")
    with pytest.raises(ValueError, match=r"records of numbers cannot be opened: .*Delete the fol"):
        prepare(folder)


def test_a_record_without_a_sequence_is_mentioned(folder, prepare, monkeypatch):
    builder = prepare(folder)
    monkeypatch.setattr(Numbers, "sequences", lambda self, record: [])
    with pytest.warns(DataWarning, match="4 records of the train split of numbers are too"):
        assert list(builder.all_sequences("train")) == []


def test_records_that_cannot_be_kept_say_where(folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match=r"cannot be (kept|opened).*file"):
        Numbers.prepare(folder, tmp_path / "file")


def test_records_outlive_their_files(folder, prepare):
    prepare(folder)
    folder.rename(folder.parent / "elsewhere")
    assert len(list(prepare(folder).all_sequences("train"))) == 4


def test_malformed_files_and_sequences_are_named_skipped_and_counted(folder, prepare):
    write(folder, bad="1 2 pen", short=GOOD + "\n\n9 9 1")
    with pytest.warns(SkippedFileWarning) as warned:
        builder = prepare(folder)
    assert builder.facts()["records"] == {"train": 6, "validation": 8}
    skipped = builder.facts()["skipped"]
    assert skipped["count"] == 2 == len(warned)
    texts = sorted(map(str, (w.message for w in warned)))
    assert "bad.num: could not convert string to float: 'pen'" in texts[0]
    assert "short.num (2): only one row" in texts[1]
    assert prepare(folder).facts()["skipped"] == skipped  # kept, and not warned about again
    with pytest.raises(ValueError, match=r"bad.num is malformed: could not convert"):
        prepare(folder, strict=True)
    assert prepare(folder).facts()["skipped"] == skipped  # the failed attempt destroyed nothing


def test_what_is_there_twice_is_read_once(folder, prepare):
    write(folder / "train" / "copy", a=GOOD)  # train/copy/train/a.num, known as train/a
    with pytest.warns(SkippedFileWarning, match="the train split has another train/a$"):
        builder = prepare(folder)
    assert builder.facts()["records"]["train"] == 4


def test_very_many_malformed_files_do_not_drown_the_user(tmp_path, prepare):
    bad = {f"bad{i:03d}": "x" for i in range(130)}
    folder = write(tmp_path / "data", good=GOOD, **bad)
    with pytest.warns(SkippedFileWarning) as warned:
        facts = prepare(folder).facts()
    assert facts["skipped"]["count"] == 130
    assert len(warned) == len(facts["skipped"]["files"]) == 100


def test_nothing_sound_is_an_error(tmp_path, prepare):
    folder = write(tmp_path / "data", a="x", b="y")
    with (
        pytest.warns(SkippedFileWarning),
        pytest.raises(
            ValueError, match=r"None of the 2 files of the train split of numbers.*a.num"
        ),
    ):
        prepare(folder)
    empty = tmp_path / "empty"
    (empty / "train").mkdir(parents=True)
    (empty / "validation").mkdir()
    with pytest.raises(ValueError, match=r"holds no training data of numbers. `vrnn data info"):
        prepare(empty)


def test_what_is_missing_is_named(tmp_path, prepare):
    with pytest.raises(ValueError, match=r"numbers needs --data-dir. `vrnn data"):
        prepare()
    with pytest.raises(ValueError, match=r"nowhere does not exist. `vrnn"):
        prepare(tmp_path / "nowhere")
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match=r"train is missing in .*other. `vrnn data info numbers`"):
        prepare(tmp_path / "other")
    with pytest.raises(ValueError, match="numbers has no options. Received 'speed'"):
        prepare(tmp_path, speed=1)


def test_a_folder_of_that_name_inside_is_found(tmp_path, prepare):
    write(tmp_path / "all" / "numbers", a=GOOD)
    assert len(list(prepare(tmp_path / "all").all_sequences("train"))) == 2


def test_archives_beside_the_data_are_mentioned(folder, prepare):
    (folder / "more.zip").write_bytes(b"not opened")
    with pytest.warns(DataWarning, match=r"archives beside the data are not read: \['more.zip'"):
        builder = prepare(folder)
    assert "more.zip" in builder.facts()["not_read"]


@pytest.mark.parametrize("name", datasets.names())
def test_every_data_set_says_what_a_person_must_know(name):
    cls = datasets.get(name)
    assert cls.name == name
    assert cls.KIND in ("strokes", "audio", "pianoroll", "text")
    assert cls.SUMMARY and "\n" not in cls.SUMMARY and len(cls.SUMMARY) < 100
    assert cls.LAYOUT.strip()
    assert not cls.HOMEPAGE or (cls.LICENSE and cls.CITATION)
    assert cls.Options.__doc__
    for url, digest in cls.DOWNLOADS.values():
        assert url.startswith("https://") and len(digest) == 64
