"""Archives are unpacked once, whole, and nowhere else."""

import concurrent.futures
import io
import tarfile
import zipfile

import pytest

from number_files import GOOD, as_archive
from vrnn_tf.train.datasets.sources.archives import unpack_once


def test_two_processes_may_unpack_at_once(folder, tmp_path):
    as_archive(folder, tmp_path / "archives" / "n.zip")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        folders = list(
            pool.map(
                lambda _: unpack_once([tmp_path / "archives" / "n.zip"], tmp_path / "x"),
                range(8),
            )
        )
    assert len(set(folders)) == 1
    assert [p.name for p in (tmp_path / "x").iterdir()] == [folders[0].name]


@pytest.mark.parametrize("name", ["n.tar.gz", "n.tar.xz", "n.zip"])
def test_archives_are_unpacked_beside_the_records(name, folder, tmp_path, prepare):
    path = tmp_path / "archives" / name
    as_archive(folder, path)
    assert len(list(prepare(path.parent).all_sequences("train"))) == 4
    assert [p.name for p in path.parent.iterdir()] == [name]


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
