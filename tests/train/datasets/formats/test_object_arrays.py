"""Object arrays are read as unpickling would give them, and never unpickled."""

import io
import os
import pickle
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vrnn_tf.train.datasets.formats import object_arrays

DATA = Path(__file__).parents[4].parent / "shared" / "data"
PROTOCOLS = (2, 3, 4, 5)
VARIED = [
    np.arange(6, dtype=np.int16).reshape(2, 3),
    np.arange(6, dtype=">i4").reshape(3, 2),
    np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(1, 0, 2),
    np.zeros((0, 3), np.float32),
    np.array(7, np.uint8),
    np.array([True, False]),
    np.arange(10)[::2],
    np.array([1.5, np.nan, -np.inf], np.float16),
    np.arange(300, dtype=np.uint64),
]


def to_objects(values):
    result = np.empty(len(values), object)
    for i, value in enumerate(values):
        result[i] = value
    return result


def npy(body, shape=(1,), descr="|O"):
    """A .npy file with any body."""
    stream = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + body


def write(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def same(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_come_back_as_they_were(tmp_path, protocol):
    body = pickle.dumps(to_objects(VARIED), protocol=protocol)
    path = write(tmp_path / "a.npz", train=npy(body, (len(VARIED),)))
    same(object_arrays.read_npz(path)["train"], VARIED)


def test_what_savez_writes_comes_back(tmp_path):
    plain = np.arange(12).reshape(4, 3)
    np.savez(tmp_path / "a.npz", train=to_objects(VARIED), plain=plain, text=["a", "bc"])
    found = object_arrays.read_npz(tmp_path / "a.npz")
    same(found["train"], VARIED)
    same([found["plain"]], [plain])
    assert found["text"].tolist() == ["a", "bc"]
    assert list(object_arrays.read_npz(tmp_path / "a.npz", ["plain"])) == ["plain"]
    rows = object_arrays.read_object_arrays(tmp_path / "a.npz", ["plain", "train"])
    same(rows["plain"], list(plain))
    same(rows["train"], VARIED)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "nest",
    [
        pytest.param(lambda a, b: [a, b], id="list"),
        pytest.param(lambda a, b: (a, [b]), id="tuple"),
        pytest.param(lambda a, b: to_objects([[a], b]), id="array of lists"),
        pytest.param(lambda a, b: np.array(to_objects([a, b]), object), id="array"),
        pytest.param(lambda a, b: to_objects([to_objects([a]), to_objects([b])]), id="arrays"),
    ],
)
def test_nests_are_flattened_in_order(nest, protocol):
    a, b = np.arange(3), np.arange(4.0)
    same(object_arrays.read_pickle(pickle.dumps(nest(a, b), protocol=protocol)), [a, b])


def test_an_array_that_stands_there_twice_comes_twice():
    a = np.arange(5)
    same(object_arrays.read_pickle(pickle.dumps(to_objects([a, a, a]))), [a, a, a])


def test_no_arrays_are_no_arrays():
    assert object_arrays.read_pickle(pickle.dumps(np.empty(0, object))) == []


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
        found = object_arrays.read_npz(write(tmp_path / "a.npz", train=content))
    same(found["train"], [np.array([[1], [-1]], np.int16)])


@given(
    values=st.lists(
        arrays.arrays(
            st.sampled_from(["i1", "<i2", ">i4", "i8", "u2", "f4", ">f8", "?"]),
            arrays.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=4),
        ),
        max_size=4,
    ),
    protocol=st.sampled_from(PROTOCOLS),
)
def test_any_arrays_come_back(values, protocol):
    same(object_arrays.read_pickle(pickle.dumps(to_objects(values), protocol=protocol)), values)


@given(data=st.binary(max_size=60), at=st.integers(0, 400), protocol=st.sampled_from(PROTOCOLS))
def test_damage_is_a_value_error_and_nothing_else(data, at, protocol):
    body = pickle.dumps(to_objects(VARIED[:3]), protocol=protocol)
    damaged = body[:at] + data + body[at + len(data) :]
    try:
        found = object_arrays.read_pickle(damaged)
    except ValueError:
        return
    assert all(array.dtype.kind in "biuf" for array in found)


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
            object_arrays.read_npz(path)
        assert not made.exists()
    pickle.loads(body)
    assert made.exists()  # or the test would show nothing


def test_nothing_is_imported(tmp_path):
    body = b"\x80\x02cantigravity\nfly\n."
    with pytest.raises(ValueError, match=r"holds antigravity.fly, not a plain array"):
        object_arrays.read_pickle(body)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (to_objects(["text"]), "holds a str, not a plain array of numbers; save it with np.savez"),
        (to_objects([3.5]), "holds a float"),
        (to_objects([None]), "holds a NoneType"),
        (to_objects([np.array(["text"])]), "an array of 'U4'"),
        (to_objects([np.array([1j])]), "an array of 'c16'"),
        (to_objects([np.zeros(2, "i4,f4")]), "an array of 'V8'|holds EMPTY_DICT"),
        (to_objects([np.ma.masked_array([1, 2])]), "holds numpy.ma"),
        (to_objects([np.array([[None]])]), "axes, not one"),
        (to_objects([{"a": np.arange(3)}]), "holds EMPTY_DICT, which is not part of"),
        (to_objects([np.float64(3)]), "holds numpy._?core.multiarray.scalar"),
        (to_objects([np.arange(3).view(np.recarray)]), "holds numpy.rec|not a plain array"),
    ],
)
def test_other_things_are_named_and_refused(value, message):
    for protocol in PROTOCOLS:
        with pytest.raises(ValueError, match=message):
            object_arrays.read_pickle(pickle.dumps(value, protocol=protocol))


def test_a_declared_shape_must_be_that_of_the_data():
    body = pickle.dumps(to_objects([np.arange(5, dtype=np.int8)]), protocol=2)
    assert body.count(b"K\x01K\x05\x85") == 1  # version 1, shape (5,)
    huge = b"K\x01\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x40\x00\x85"  # shape (2 ** 62,)
    for other in (b"K\x01K\x06\x85", b"K\x01J\xff\xff\xff\xff\x85", b"K\x01(K\x05tX\x00\x00", huge):
        with pytest.raises(ValueError, match="shape|damaged|at position|not enough|expected"):
            object_arrays.read_pickle(body.replace(b"K\x01K\x05\x85", other))


@pytest.mark.parametrize("shape", [(10**12, 3), (10**12, 0, 3), (1,), (3,), (-2, -1)])
def test_plain_members_are_not_made_before_they_are_there(tmp_path, shape):
    path = write(tmp_path / "a.npz", x=npy(b"12345678", shape, "<f4"))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"x.npy declares \(.* but has 8 bytes"):
        object_arrays.read_object_arrays(path)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_shared_nests_cannot_multiply():
    laughs = [np.arange(3)]
    for _ in range(12):
        laughs = [laughs] * 10
    endless = []
    endless.append(endless)
    wide = [[]] * 3_000
    for value in (laughs, endless, [[wide] * 3_000] * 3_000):
        with pytest.raises(ValueError, match="nests its arrays too deeply"):
            object_arrays.read_pickle(pickle.dumps(value))


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
        object_arrays.read_npz(write(tmp_path / "a.npz", train=content))


def test_a_member_that_cannot_be_in_the_file_is_refused(tmp_path):
    whole = write(tmp_path / "a.npz", train=npy(pickle.dumps(to_objects(VARIED[:3])), (3,)))
    content = bytearray(whole.read_bytes())
    size = content.index(b"PK\1\2") + 20  # in the directory at the end
    content[size : size + 8] = b"\xff\xff\xff\x7f" * 2
    (tmp_path / "b.npz").write_bytes(content)
    with pytest.raises(ValueError, match="declares more than its"):
        object_arrays.read_npz(tmp_path / "b.npz")
    with zipfile.ZipFile(tmp_path / "c.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.npy", bytes(2**27))
    with pytest.raises(ValueError, match="it declares 134217728 bytes in a file of"):
        object_arrays.read_npz(tmp_path / "c.npz")


def test_truncated_pickles_are_refused():
    body = pickle.dumps(to_objects(VARIED[:3]))
    for length in range(len(body)):
        with pytest.raises(ValueError, match="exhausted|damaged|not enough|not a plain|expected"):
            object_arrays.read_pickle(body[:length])


def test_thirty_thousand_arrays_take_seconds(tmp_path):
    values = to_objects([np.full((i % 40 + 1, 3), i % 100, np.int16) for i in range(30_000)])
    path = write(tmp_path / "a.npz", train=npy(pickle.dumps(values), values.shape))
    started = time.process_time()
    found = object_arrays.read_npz(path)["train"]
    assert time.process_time() - started < 10
    same(found[::1_000], values[::1_000])


@pytest.mark.skipif(
    not (DATA / "omniglot").is_dir(), reason="the development data are not beside the checkout"
)
def test_omniglot_is_read_whole():
    found = object_arrays.read_npz(DATA / "omniglot" / "omniglot.npz")
    assert {name: len(value) for name, value in found.items()} == {
        "train": 30_000,
        "valid": 1_000,
        "test": 1_000,
    }
    assert all(a.dtype == np.int16 and a.shape[1:] == (3,) for a in found["train"])
