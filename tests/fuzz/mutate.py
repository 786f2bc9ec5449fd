"""Damage to files: a seeded mutator of bytes, and a hypothesis strategy of damaged JSON."""

import copy
import random
import struct

from hypothesis import strategies as st

_LENGTHS = (0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x10000000, 0x00FFFFFF, 0)
_LONGEST = 64  # bytes of a span


def mutants(content: bytes, count: int, seed: int = 0):
    """Yields `count` damaged copies of a file, each by one to three mutations."""
    generator = random.Random(seed)
    for _ in range(count):
        damaged = bytearray(content)
        for _ in range(generator.choice((1, 1, 1, 2, 3))):
            generator.choice(_MUTATIONS)(damaged, generator)
        yield bytes(damaged)


def _span(data, generator):
    start = generator.randrange(len(data) + 1)
    return start, min(start + generator.randint(1, _LONGEST), len(data))


def _flip(data, generator):
    if data:
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)


def _overwrite(data, generator):
    start, stop = _span(data, generator)
    value = generator.choice((b"\0", b"\xff", None))
    size = stop - start
    data[start:stop] = generator.randbytes(size) if value is None else value * size


def _truncate(data, generator):
    del data[generator.randrange(len(data) + 1) :]


def _delete(data, generator):
    start, stop = _span(data, generator)
    del data[start:stop]


def _duplicate(data, generator):
    start, stop = _span(data, generator)
    data[stop:stop] = data[start:stop] * generator.choice((1, 1, 50))


def _insert(data, generator):
    start, _ = _span(data, generator)
    data[start:start] = generator.randbytes(generator.randint(1, _LONGEST))


def _huge_length(data, generator):
    if len(data) >= 4:
        start = generator.randrange(len(data) - 3)
        order = generator.choice("<>")
        data[start : start + 4] = struct.pack(f"{order}I", generator.choice(_LENGTHS))


_MUTATIONS = (_flip, _overwrite, _truncate, _delete, _duplicate, _insert, _huge_length)

# --- structure ------------------------------------------------------------------------------------

_TEXTS = (
    "",
    "../../outside",
    "/etc/passwd",
    "os.system",
    "__import__('os')",
    "nan",
    "1",
    "\0",
    "é",
)
_NUMBERS = (0, -1, 1, 0.5, 1e308, -1e308, 10**400, 2**31, 2**63, 2**64, float("nan"), float("inf"))


def _nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


odd_values = st.one_of(
    st.sampled_from([None, True, False, *_NUMBERS, *_TEXTS, [], {}, _nested(5), [[1, "a"]]]),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.recursive(
        st.sampled_from([None, 0, "a"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=5,
    ),
)


def places(value, path=()):
    """The paths of everything inside a JSON value, and of the value itself."""
    found = [path]
    if isinstance(value, dict):
        for key in value:
            found += places(value[key], (*path, key))
    elif isinstance(value, list):
        for i in range(min(len(value), 3)):
            found += places(value[i], (*path, i))
    return found


@st.composite
def damaged_json(draw, value):
    """`value` with one or two entries replaced, removed or added."""
    root = {"": copy.deepcopy(value)}
    for _ in range(draw(st.integers(1, 2))):
        *parents, last = draw(st.sampled_from([path for path in places(root) if path]))
        holder = root
        for key in parents:
            holder = holder[key]
        action = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
        if action == "replace":
            holder[last] = copy.deepcopy(draw(odd_values))  # drawn objects are shared
        elif action == "remove" and last != "":
            del holder[last]
        elif isinstance(holder, dict) and last != "":
            holder[draw(st.text(max_size=5))] = copy.deepcopy(draw(odd_values))
    return root[""]
