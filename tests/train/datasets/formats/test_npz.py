"""The members of .npz files are read, and what is damaged is refused."""

import os
import pickle
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from object_arrays import PROTOCOLS, VARIED, npy, same, to_objects, write
from vrnn_tf.train.datasets.formats import npz

DATA = Path(__file__).parents[4].parent / "shared" / "data"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_come_back_as_they_were(tmp_path, protocol):
    body = pickle.dumps(to_objects(VARIED), protocol=protocol)
    path = write(tmp_path / "a.npz", train=npy(body, (len(VARIED),)))
    same(npz.read_npz(path)["train"], VARIED)


def test_what_savez_writes_comes_back(tmp_path):
    plain = np.arange(12).reshape(4, 3)
    np.savez(tmp_path / "a.npz", train=to_objects(VARIED), plain=plain, text=["a", "bc"])
    members = npz.read_npz(tmp_path / "a.npz")
    same(members["train"], VARIED)
    same([members["plain"]], [plain])
    assert members["text"].tolist() == ["a", "bc"]
    assert list(npz.read_npz(tmp_path / "a.npz", ["plain"])) == ["plain"]
    rows = npz.read_object_arrays(tmp_path / "a.npz", ["plain", "train"])
    same(rows["plain"], list(plain))
    same(rows["train"], VARIED)


# What Python 2 wrote, by hand from the description of the opcodes: strings of bytes (U) in place of
# text, numbers with an L in the header, and the module's old name.
PYTHON_2 = (
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87R"
    b"q\x03(K\x01K\x01\x85cnumpy\ndtype\nq\x04U\x02O8K\x00K\x01\x87Rq\x05(K\x03U\x01|NNNJ\xff\xff\xff"
    b"\xffJ\xff\xff\xff\xffK?tb\x89]q\x06(h\x01h\x02K\x00\x85U\x01b\x87R(K\x01K\x02\x8a\x01\x01\x86"
    b"h\x04U\x02i2K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
    b"U\x04\x01\x00\xff\xfftbetb."
)


def test_arrays_of_python_2_are_read(tmp_path):
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1L,), }"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + PYTHON_2
    with pytest.warns(UserWarning, match="Python 2"):
        members = npz.read_npz(write(tmp_path / "a.npz", train=content))
    same(members["train"], [np.array([[1], [-1]], np.int16)])


class Evil:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_is_called(tmp_path, protocol):
    made = tmp_path / "made"
    for value in (Evil(made), [np.arange(3), Evil(made)], to_objects([np.arange(3), Evil(made)])):
        body = pickle.dumps(value, protocol=protocol)
        path = write(tmp_path / "a.npz", train=npy(body))
        with pytest.raises(ValueError, match=r"train.npy holds (posix|nt).system, not a plain"):
            npz.read_npz(path)
        assert not made.exists()
    pickle.loads(body)
    assert made.exists()  # or the test would show nothing


@pytest.mark.parametrize("shape", [(10**12, 3), (10**12, 0, 3), (1,), (3,), (-2, -1)])
def test_plain_members_are_not_made_before_they_are_there(tmp_path, shape):
    path = write(tmp_path / "a.npz", x=npy(b"12345678", shape, "<f4"))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"x.npy declares \(.* but has 8 bytes"):
        npz.read_object_arrays(path)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\x93NUMPY\x09\x00",
        npy(b""),
        npy(b"\x80\x04"),
        npy(b"garbage."),
        npy(b"."),
    ],
)
def test_what_is_no_array_is_a_value_error(tmp_path, content):
    with pytest.raises(ValueError, match="train.npy"):
        npz.read_npz(write(tmp_path / "a.npz", train=content))


def test_a_member_that_cannot_be_in_the_file_is_refused(tmp_path):
    whole = write(tmp_path / "a.npz", train=npy(pickle.dumps(to_objects(VARIED[:3])), (3,)))
    content = bytearray(whole.read_bytes())
    size = content.index(b"PK\1\2") + 20  # in the directory at the end
    content[size : size + 8] = b"\xff\xff\xff\x7f" * 2
    (tmp_path / "b.npz").write_bytes(content)
    with pytest.raises(ValueError, match="declares more than its"):
        npz.read_npz(tmp_path / "b.npz")
    with zipfile.ZipFile(tmp_path / "c.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.npy", bytes(2**27))
    with pytest.raises(ValueError, match="it declares 134217728 bytes in a file of"):
        npz.read_npz(tmp_path / "c.npz")


def test_thirty_thousand_arrays_take_seconds(tmp_path):
    values = to_objects([np.full((i % 40 + 1, 3), i % 100, np.int16) for i in range(30_000)])
    path = write(tmp_path / "a.npz", train=npy(pickle.dumps(values), values.shape))
    started = time.process_time()
    arrays = npz.read_npz(path)["train"]
    assert time.process_time() - started < 10
    same(arrays[::1_000], values[::1_000])


@pytest.mark.skipif(
    not (DATA / "omniglot").is_dir(), reason="the development data are not beside the checkout"
)
def test_omniglot_is_read_whole():
    members = npz.read_npz(DATA / "omniglot" / "omniglot.npz")
    assert {name: len(value) for name, value in members.items()} == {
        "train": 30_000,
        "valid": 1_000,
        "test": 1_000,
    }
    assert all(a.dtype == np.int16 and a.shape[1:] == (3,) for a in members["train"])
