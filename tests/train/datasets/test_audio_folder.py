"""A folder of recordings: what is grouped, unpacked and missing."""

import tarfile

import pytest

from sound_files import noise, write_sounds, write_wav
from vrnn_tf.train import datasets

AudioFolder = datasets.get("audio_folder")


@pytest.fixture
def folder(tmp_path):
    return write_sounds(tmp_path / "sounds")


@pytest.fixture
def prepare(tmp_path, folder):
    def run(cls=AudioFolder, source=folder, **arguments):
        return cls.prepare(source, prepared_dir=tmp_path / "prepared", **arguments)

    return run


def names_by_split(builder, recordings):
    """`{split: names}` of the recordings, told by their samples."""
    names = {x.tobytes(): name for name, x in recordings.items()}
    return {
        split: sorted(names[record["x"].tobytes()] for record in builder.records(split))
        for split in builder.info.splits
    }


@pytest.mark.parametrize(
    ("group", "of"),
    [
        ("folder", lambda name: name.rpartition("/")[0]),
        (r"_([a-z]+)_\d+\.wav$", lambda name: name.split("_")[1]),
        (r"([^/]+)$", lambda name: name),
    ],
)
def test_groups_stay_together(tmp_path, group, of):
    names = [
        f"{part}/{i}_{who}_{i}.wav" for part in "ab" for who in ("ann", "bo") for i in range(4)
    ]
    names += [f"c/{i}_cy_{i}.wav" for i in range(4)]
    recordings = {name: noise(i, 300) for i, name in enumerate(names)}
    for name, samples in recordings.items():
        write_wav(tmp_path / "d" / name, samples)
    builder = AudioFolder.prepare(
        tmp_path / "d",
        prepared_dir=tmp_path / "prepared",
        group=group,
        validation_fraction=0.2,
        test_fraction=0.2,
    )
    splits = names_by_split(builder, recordings)
    assert sorted(name for split in splits.values() for name in split) == sorted(names)
    groups = {split: {of(name) for name in members} for split, members in splits.items()}
    assert all(groups[split] for split in ("train", "validation", "test"))
    assert not groups["train"] & groups["validation"]
    assert not (groups["train"] | groups["validation"]) & groups["test"]


def test_an_archive_is_enough(tmp_path, folder):
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "sounds.tar.xz", "w:xz") as archive:
        archive.add(folder, "anything")
    builder = AudioFolder.prepare(tmp_path / "packed", prepared_dir=tmp_path / "prepared")
    assert sum(builder.facts()["records"].values()) == 3
    assert [p.name for p in (tmp_path / "packed").iterdir()] == ["sounds.tar.xz"]


def test_what_is_missing_is_named(tmp_path, prepare, folder):
    with pytest.raises(ValueError, match="audio_folder needs --data-dir"):
        AudioFolder.prepare()
    with pytest.raises(ValueError, match="absent does not exist"):
        prepare(source=tmp_path / "absent")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "x.txt").write_text("x")
    with pytest.raises(
        ValueError, match=r"a file that ends in \.wav, .* is missing in .*bare\. `vrnn data info"
    ):
        prepare(source=tmp_path / "bare")
    with tarfile.open(tmp_path / "bare" / "x.tar", "w") as archive:
        archive.add(tmp_path / "bare" / "x.txt", "x.txt")
    with pytest.raises(ValueError, match=r"is missing in .*bare and in its archives"):
        prepare(source=tmp_path / "bare")
    with pytest.raises(ValueError, match=r"is not found in 'a\.wav'"):
        prepare(group=r"_([a-z]+)_")
    with pytest.raises(ValueError, match=r"2 splits need as many groups .*\['x'\]"):
        write_wav(tmp_path / "one" / "x" / "only.wav", noise(0, 300))
        prepare(source=tmp_path / "one", group="folder")
