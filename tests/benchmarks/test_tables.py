"""The printed form of a comparison, and what it says about doubtful figures."""

import pytest

from benchmarks import tables


@pytest.fixture
def result():
    model = {
        "seconds": [0.1, 0.2, 0.3],
        "num_parameters": 7,
        "peak_bytes": 3 * 2**20,
        "imported_bytes": 2**20,
        "construction_seconds": 1.0,
        "first_step_seconds": 0.5,
        "others": [0.0, 0.0],
    }
    other = {**model, "ratio": [1.0, 2.0, 3.0], "num_parameters": None}
    entries = {"ours": model, "floor": other}
    return {"reference": "ours", "groups": [["ours", "floor"]], "failures": {}, "entries": entries}


def test_a_table_has_a_row_for_each_entry(result):
    title, header, ours, floor = tables.competition("training, tiny", result).strip().splitlines()
    assert title == "training, tiny"
    assert header.split("  ")[-1] == "beyond imports, MiB" and "time / ours" in header
    assert ours.split() == ["ours", "200", "(100", "to", "300)", "-", "1.5", "3", "2"]
    assert floor.split()[-3:] == ["(1.00", "to", "3.00)"]  # neither start nor memory


def test_doubts_stand_below_the_table(result):
    result["entries"]["floor"]["others"] = [0.1, 1.5]
    result["groups"] = [["ours"], ["ours", "floor"]]
    result["failures"] = {"PyTorch": "ended with 1: no memory"}
    *_, failure, busy, groups = tables.competition("training, tiny", result).splitlines()
    assert failure == "PyTorch failed: ended with 1: no memory"
    assert busy == (
        "Other programs kept up to 1.5 processors busy in 1 of 4 turns. Do not trust these figures."
    )
    assert groups.endswith("Groups: ours; ours, floor")
