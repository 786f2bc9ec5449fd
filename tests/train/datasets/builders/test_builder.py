"""What all tfds builders do: find, check, skip, keep, carve, unpack, download."""

import concurrent.futures
import dataclasses
import functools
import hashlib
import http.server
import importlib
import io
import os
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from hypothesis import given
from hypothesis import strategies as st

from vrnn_tf.media import Strokes
from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders import builder as base
from vrnn_tf.train.datasets.builders import pen


class Numbers(pen.PenBuilder, skip_registration=True):
    """Files of numbers, "dx dy pen" on each line, a blank line between sequences."""

    SUMMARY = "numbers"
    LAYOUT = "Put *.num files into DIR/train and DIR/validation."
    SUFFIXES = (".num",)

    def splits(self, folder):
        data = self.unpack(folder, "train")
        self.note(places=str(len(base.files_with(data, self.SUFFIXES))))
        return {
            split: [
                base.Item(p, f"{split}/{p.stem}") for p in base.files_with(data / split, ".num")
            ]
            for split in ("train", "validation")
        }

    def read(self, item):
        for number, part in enumerate(item.path.read_text().split("\n\n")):
            x = np.array([line.split() for line in part.splitlines()], np.float32)
            if len(x) == 1:
                yield f"{number}", ValueError("only one row")
            else:
                yield f"{number}", {"x": x, "text": item.path.stem, "writer": ""}


GOOD = "1 2 0\n3 4 1\n\n5 6 0\n7 8 1"


def write(folder, **files):
    for name, text in files.items():
        for split in ("train", "validation"):
            path = folder / split / f"{name}.num"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text if split == "train" else GOOD)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "data", a=GOOD, b=GOOD)


@pytest.fixture
def prepare(tmp_path):
    return functools.partial(Numbers.prepare, prepared_dir=tmp_path / "prepared")


def test_records_come_back_as_they_were_written(folder, prepare):
    builder = prepare(folder)
    found = list(builder.all_sequences("train"))
    assert len(found) == 4
    assert sorted(x[0, 0] for x in found) == [1, 1, 5, 5]
    assert {x.dtype for x in found} == {np.dtype("float32")}
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
    assert builder.options == base.NoOptions()
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


def test_every_change_of_the_files_is_noticed(folder, prepare):
    def firsts():
        return sorted(x[0, 0] for x in prepare(folder).all_sequences("train"))

    assert firsts() == [1, 1, 5, 5]
    path = folder / "train" / "a.num"
    path.write_text(GOOD.replace("1 2 0", "9 2 0"))  # of the same size
    assert firsts() == [1, 5, 5, 9]
    path.rename(path.with_name("z.num"))
    assert {r["text"] for r in prepare(folder).records("train")} == {b"b", b"z"}


@dataclasses.dataclass(frozen=True)
class Scale:
    """One choice for preparation and one for loading."""

    factor: float = 1.0
    shift: float = base.loading(0.0)


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


def test_two_processes_may_unpack_at_once(folder, tmp_path):
    as_archive(folder, tmp_path / "archives" / "n.zip")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(
                lambda _: base._unpack_once([tmp_path / "archives" / "n.zip"], tmp_path / "x"),
                range(8),
            )
        )
    assert len(set(found)) == 1
    assert [p.name for p in (tmp_path / "x").iterdir()] == [found[0].name]


def test_damaged_records_are_named(folder, prepare):
    builder = prepare(folder)
    (record,) = Path(builder.data_dir).glob("*train.tfrecord*")
    record.write_bytes(record.read_bytes()[:-5])
    with pytest.raises(ValueError, match=r"records in .* are damaged: .*Delete that folder"):
        list(prepare(folder).all_sequences("train"))
    (Path(builder.data_dir) / "dataset_info.json").write_text("{")
    with pytest.raises(ValueError, match=r"records of numbers cannot be opened: .*Delete the fol"):
        prepare(folder)


def test_linked_folders_are_followed_once_and_dead_links_skipped(folder, tmp_path, prepare):
    (folder / "train" / "more").symlink_to(write(tmp_path / "far", c=GOOD) / "train")
    (folder / "train" / "round").symlink_to(folder / "train")
    (folder / "train" / "dead.num").symlink_to(tmp_path / "nowhere.num")
    with pytest.warns(base.SkippedFileWarning, match="dead.num"):
        builder = prepare(folder)
    assert {record["text"] for record in builder.records("train")} == {b"a", b"b", b"c"}


def test_pipes_are_not_read_and_names_need_not_be_utf8(folder, prepare):
    os.mkfifo(folder / "train" / "pipe.num")
    name = os.fsencode(folder / "train") + b"/caf\xe9.num"
    Path(os.fsdecode(name)).write_text(GOOD)
    assert prepare(folder).facts()["records"]["train"] == 6
    Path(os.fsdecode(name)).write_text("x")
    with pytest.warns(base.SkippedFileWarning, match=r"caf.*e9.num"):
        prepare(folder)
    assert base.carve({os.fsdecode(b"\xe9"): 1, "b": 1}, 0.5)


def test_a_record_without_a_sequence_is_mentioned(folder, prepare, monkeypatch):
    builder = prepare(folder)
    monkeypatch.setattr(Numbers, "sequences", lambda self, record: [])
    with pytest.warns(base.DataWarning, match="4 records of the train split of numbers are too"):
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
    with pytest.warns(base.SkippedFileWarning) as warned:
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
    with pytest.warns(base.SkippedFileWarning, match="the train split has another train/a$"):
        builder = prepare(folder)
    assert builder.facts()["records"]["train"] == 4


def test_very_many_malformed_files_do_not_drown_the_user(tmp_path, prepare):
    bad = {f"bad{i:03d}": "x" for i in range(130)}
    folder = write(tmp_path / "data", good=GOOD, **bad)
    with pytest.warns(base.SkippedFileWarning) as warned:
        facts = prepare(folder).facts()
    assert facts["skipped"]["count"] == 130
    assert len(warned) == len(facts["skipped"]["files"]) == 100


def test_nothing_sound_is_an_error(tmp_path, prepare):
    folder = write(tmp_path / "data", a="x", b="y")
    with (
        pytest.warns(base.SkippedFileWarning),
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


def as_archive(folder: Path, path: Path) -> None:
    path.parent.mkdir(parents=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in folder.rglob("*.num"):
                archive.write(file, file.relative_to(folder))
    else:
        with tarfile.open(path, f"w:{path.suffix[1:]}") as archive:
            for file in folder.iterdir():
                archive.add(file, file.name)


@pytest.mark.parametrize("name", ["n.tar.gz", "n.tar.xz", "n.zip"])
def test_archives_are_unpacked_beside_the_records(name, folder, tmp_path, prepare):
    path = tmp_path / "archives" / name
    as_archive(folder, path)
    assert len(list(prepare(path.parent).all_sequences("train"))) == 4
    assert [p.name for p in path.parent.iterdir()] == [name]


def test_archives_beside_the_data_are_mentioned(folder, prepare):
    (folder / "more.zip").write_bytes(b"not opened")
    with pytest.warns(
        base.DataWarning, match=r"archives beside the data are not read: \['more.zip'"
    ):
        builder = prepare(folder)
    assert "more.zip" in builder.facts()["not_read"]


def test_archives_that_are_damaged_or_climb_out_are_refused(folder, tmp_path, prepare):
    damaged = tmp_path / "damaged" / "n.tar.gz"
    as_archive(folder, damaged)
    damaged.write_bytes(damaged.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"n.tar.gz cannot be unpacked: .* Fetch it again"):
        prepare(damaged.parent)
    evil = tmp_path / "evil" / "n.tar"
    evil.parent.mkdir()
    with tarfile.open(evil, "w") as archive:
        member = tarfile.TarInfo("../../escaped.num")
        member.size = len(GOOD)
        archive.addfile(member, io.BytesIO(GOOD.encode()))
    with pytest.raises(ValueError, match=r"n.tar cannot be unpacked"):
        prepare(evil.parent)
    assert not list(tmp_path.rglob("escaped.num"))
    assert not list((tmp_path / "prepared").rglob(".unpacking-*"))


@pytest.mark.parametrize("name", ["n.tar.gz", "n.tar.xz", "n.zip"])
def test_archives_that_would_fill_the_disk_are_refused(name, folder, tmp_path, prepare):
    (folder / "zeros.num").write_bytes(bytes(2**26 + 1))
    as_archive(folder, tmp_path / "archives" / name)
    if name.endswith("zip"):
        with zipfile.ZipFile(tmp_path / "archives" / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(folder / "zeros.num", "zeros.num")
    with pytest.raises(ValueError, match=r"cannot be unpacked: it declares \d+ bytes"):
        prepare(tmp_path / "archives")
    assert not list((tmp_path / "prepared").rglob("*.num"))


class Fetched(Numbers, skip_registration=True):
    """The same, from an archive that a server has."""


@pytest.fixture
def server(tmp_path, folder):
    as_archive(folder, tmp_path / "served" / "n.tar.gz")
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_downloads_are_checked(server, tmp_path, monkeypatch):
    digest = hashlib.sha256((tmp_path / "served" / "n.tar.gz").read_bytes()).hexdigest()
    url = f"{server}/n.tar.gz"
    for downloads, message in (
        ({"n.tar.gz": (url, "0" * 64)}, r"n.tar.gz is not the file that is expected"),
        ({"n.tar.gz": (f"{server}/no", digest)}, "/no cannot be fetched: .*404.* --data-dir"),
        ({"n.tar.gz": ("http://127.0.0.1:9/n", digest)}, "cannot be fetched: .*refused"),
    ):
        monkeypatch.setattr(Fetched, "DOWNLOADS", downloads)
        with pytest.raises(ValueError, match=message):
            Fetched.prepare(prepared_dir=tmp_path / "prepared")
    monkeypatch.setattr(Fetched, "DOWNLOADS", {"n.tar.gz": (url, digest)})
    builder = Fetched.prepare(prepared_dir=tmp_path / "prepared")
    assert len(list(builder.all_sequences("train"))) == 4


@given(
    st.dictionaries(st.text(min_size=1, max_size=5), st.integers(1, 20), min_size=2, max_size=12),
    st.floats(0.01, 0.99),
)
def test_carved_groups_are_few_stable_and_never_all(sizes, fraction):
    chosen = base.carve(sizes, fraction)
    assert chosen
    assert chosen < set(sizes)
    assert base.carve(dict(reversed(sizes.items())), fraction) == chosen
    held = sum(sizes[group] for group in chosen)
    wanted = fraction * sum(sizes.values())
    smallest_too_many = held - max(sizes[group] for group in chosen)
    assert smallest_too_many < wanted
    assert held >= wanted or len(chosen) == len(sizes) - 1


def test_one_group_cannot_be_carved():
    with pytest.raises(ValueError, match="at least two groups"):
        base.carve({"a": 3}, 0.1)
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        base.check_fraction("validation_fraction", 1.0)


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
