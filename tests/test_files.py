"""Files are written whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vrnn_tf import files


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})
    with pytest.raises(RuntimeError), files.atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert files.read_json(path) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("name", ["a.json", "a[1].json", "a*.json"])
def test_leftovers_are_those_of_the_file_alone(tmp_path, name):
    with files.atomic(tmp_path / "a1.json"), files.atomic(tmp_path / name) as temporary:
        assert files.leftovers(tmp_path / name) == [temporary]


def test_the_temporary_file_keeps_the_suffix(tmp_path):
    with files.atomic(tmp_path / "new" / "m.keras") as temporary:
        assert temporary.suffix == ".keras"
        temporary.write_text("x")
    assert (tmp_path / "new" / "m.keras").read_text() == "x"


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "\x00", '{"a": 1' + "0" * 5_000 + "}", '{"a":' * 10**5]
)
def test_what_is_not_a_json_object_is_named(tmp_path, text):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="c.json"):
        files.read_json(path)
    with pytest.raises(ValueError, match="Cannot read .*absent.json"):
        files.read_json(tmp_path / "absent.json")


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    """And what a living process is writing is not."""
    code = (
        "import pathlib, sys, time\n"
        "from vrnn_tf import files\n"
        "with files.atomic_folder(pathlib.Path(sys.argv[1]), '.unfinished-') as folder:\n"
        "    (folder / 'part').write_text('x')\n"
        "    print(folder, flush=True)\n"
        "    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "slow")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        folder = Path(process.stdout.readline().strip())
        try:
            os.utime(folder, (0, 0))  # long ago
            with files.atomic_folder(tmp_path / "first", ".unfinished-") as mine:
                assert (folder / "part").exists() and mine != folder
        finally:
            process.kill()
    assert (folder / "part").exists()
    with files.atomic_folder(tmp_path / "second", ".unfinished-"):
        assert not folder.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]
