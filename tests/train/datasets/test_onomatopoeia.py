"""Sounds without words stay with their actors."""

import pytest

from speech_files import noise, rows_by_split, speakers, write
from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning

Onomatopoeia = datasets.get("onomatopoeia")


def test_actors_stay_together(tmp_path, prepare_corpus):
    sounds = {}
    for number, actor in enumerate(("ann", "bo", "cy", "di")):
        for sound in ("cough.wav", "laugh.flac", "more/scream.ogg"):
            form = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG"}[sound.rsplit(".")[-1]]
            write(tmp_path / "d" / actor / sound, noise(number, 2_000), format=form)
            sounds[actor] = noise(number, 2_000).tolist()
    builder = prepare_corpus(Onomatopoeia, strict=True)
    assert builder.facts()["records"] == {"train": 6, "validation": 3, "test": 3}
    names = speakers(builder)
    assert set.union(*names.values()) == set(sounds) and sum(map(len, names.values())) == 4
    rows = [row for split in rows_by_split(builder, "speaker", "x").values() for row in split]
    assert sum(sounds[speaker] == x for speaker, x in rows) == 8  # all but the lossy .ogg


def test_sounds_must_lie_in_the_folder_of_an_actor(tmp_path, prepare_corpus):
    write(tmp_path / "d" / "cough.wav", noise(0))
    with pytest.raises(ValueError, match=r"cough\.wav must lie in the folder of an actor"):
        prepare_corpus(Onomatopoeia)
    (tmp_path / "d" / "cough.wav").unlink()
    write(tmp_path / "d" / "sounds" / "ann" / "cough.wav", noise(0))
    with pytest.raises(ValueError, match=r"3 splits need as many groups .*\['sounds'\]"):
        prepare_corpus(Onomatopoeia)


def test_a_damaged_sound_is_counted(tmp_path, prepare_corpus):
    for actor in ("ann", "bo", "cy"):
        for sound in ("cough", "laugh"):
            write(tmp_path / "d" / actor / f"{sound}.wav", noise(0))
    (tmp_path / "d" / "bo" / "laugh.wav").write_bytes(b"")
    with pytest.warns(SkippedFileWarning, match=r"bo/laugh\.wav"):
        builder = prepare_corpus(Onomatopoeia)
    assert builder.facts()["skipped"]["count"] == 1
    assert sum(builder.facts()["records"].values()) == 5
