"""Files of each kind become a trained model; its samples are those of its TFLite file."""

import json

import mido
import numpy as np
import pytest
import scipy.io
import soundfile
from typer.testing import CliRunner

from vrnn_tf import cli
from vrnn_tf.train import run as runs


def vrnn(*arguments):
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output + result.stderr
    return result


def write_strokes(folder):
    random = np.random.default_rng(0)
    for i in range(12):
        points = np.cumsum(random.normal(3, 9, (40, 2)), 0)
        pen = (np.arange(40) % 10 == 9).astype(int)
        rows = "".join(f"{x:.2f},{y:.2f},{p}\n" for (x, y), p in zip(points, pen, strict=True))
        (folder / f"line{i}.csv").write_text("x,y,pen\n" + rows)


def write_audio(folder):
    random = np.random.default_rng(0)
    for i in range(8):
        time = np.arange(4_000 + 100 * i) / 8_000
        wave = 0.3 * np.sin(2 * np.pi * 200 * time) + random.normal(0, 0.01, time.size)
        soundfile.write(folder / f"tone{i}.wav", wave, 8_000)


def write_pianorolls(folder):
    random = np.random.default_rng(0)
    cells = {}
    for name, count in (("traindata", 12), ("validdata", 4), ("testdata", 4)):
        cells[name] = np.empty((1, count), object)
        for i in range(count):
            cells[name][0, i] = (random.random((20 + i, 88)) < 0.05).astype(np.uint8)
    scipy.io.savemat(folder / "JSB_Chorales.mat", cells)


def write_text(folder):
    (folder / "a.txt").write_text("to be or not to be, that is the question\n" * 30)


SMALL = ("latent_size=3", "recurrent_units=8", "hidden_units=6")
CASES = {
    "strokes": (write_strokes, "handwriting", "strokes", SMALL, (), 0.05),
    "audio": (
        write_audio,
        "speech",
        "audio_folder",
        SMALL,
        ("--data", "sampling_rate=8000", "--data", "frame_size=100", "--chunk-steps", 10),
        1e-3,
    ),
    "pianoroll": (write_pianorolls, "pianoroll", "jsb_chorales", SMALL, (), 0),
    "text": (write_text, "char", "text_file", (*SMALL, "embedding_size=4"), (), 0),
}


@pytest.fixture(scope="module", params=CASES)
def run(request, tmp_path_factory):
    write, preset, dataset, model, options, tolerance = CASES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "data").mkdir()
    write(folder / "data")
    arguments = [part for pair in model for part in ("--model", pair)]
    where = ["--data-dir", folder / "data", "--prepared-dir", folder / "prepared"]
    arguments += ["--dataset", dataset, *where, "--epochs", 1, "--batch-size", 4, *options]
    vrnn("train", preset, "--out", folder / "run", *arguments)
    return request.param, folder, tolerance


SUFFIXES = {
    "strokes": ["png", "svg", "npz"],
    "audio": ["png", "wav", "npz"],
    "pianoroll": ["png", "mid", "npz"],
    "text": ["txt", "npz"],
}


@pytest.mark.slow
def test_files_become_a_model_that_makes_more_of_them(run):
    kind, folder, _ = run
    summary = json.loads((folder / "run" / "summary.json").read_text())
    assert np.isfinite(list(summary["baselines"].values())).all()
    assert len(list((folder / "run" / "pictures").iterdir())) == 1
    for suffix in SUFFIXES[kind]:
        out = folder / f"made.{suffix}"
        vrnn("generate", folder / "run", "--num", 2, "--steps", 12, "--out", out)
        assert out.stat().st_size > 0
    with np.load(folder / "made.npz") as made:
        if kind == "audio":
            wave, rate = soundfile.read(folder / "made.wav")
            assert rate == 8_000
            assert len(wave) == made["x"].size + 4_000  # half a second between the two
        if kind == "pianoroll":
            notes = [m for m in mido.MidiFile(folder / "made.mid") if m.type == "note_on"]
            starts = np.diff(np.pad(made["x"][:12], ((1, 0), (0, 0))), axis=0) > 0
            starts = (
                starts.sum() + (np.diff(np.pad(made["x"][12:], ((1, 0), (0, 0))), axis=0) > 0).sum()
            )
            assert len(notes) == starts
        if kind == "text":
            text = (folder / "made.txt").read_text()
            assert set(text) <= set("to be or not to be, that is the question\n-")


@pytest.mark.slow
def test_a_text_can_be_continued(run):
    kind, folder, _ = run
    if kind != "text":
        pytest.skip("only text has a beginning to give")
    loaded = runs.load(folder / "run")
    for beginning in ("to be or not", "that is"):
        (folder / "begin.txt").write_text(beginning)
        out = folder / "more.txt"
        prime = ["--prime", folder / "begin.txt", "--steps", 40, "--num", 1, "--seed", 3]
        vrnn("generate", folder / "run", *prime, "--out", out)
        x = np.array([[loaded.medium.charset.index(c)] for c in beginning], "float32")
        (expected,) = loaded.model.generate(1, 40, seed=3, prime=x)
        (unprimed,) = loaded.model.generate(1, 40, seed=3)
        assert out.read_text() == loaded.medium.decode(expected) + "\n"
        assert (expected != unprimed).any()
    (folder / "begin.txt").write_text("NOT")
    arguments = ["generate", folder / "run", "--prime", folder / "begin.txt", "--out", out]
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments])
    assert result.exit_code == 2
    assert "The character 'N' is not one of" in result.stderr


@pytest.mark.slow
def test_the_exported_file_makes_the_same(run):
    _, folder, tolerance = run
    vrnn("export", folder / "run", "--out", folder / "export", "--quantize", "none")
    made = []
    for source in (folder / "run", folder / "export" / "model.tflite"):
        out = folder / "same.npz"
        vrnn("generate", source, "--num", 2, "--steps", 8, "--seed", 5, "--out", out)
        with np.load(out) as arrays:
            made.append(arrays["x"])
    np.testing.assert_allclose(*made, atol=tolerance)


@pytest.mark.slow
def test_the_test_split_is_evaluated_where_there_is_one(run):
    kind, folder, _ = run
    evaluation = json.loads(vrnn("evaluate", folder / "run", "--json").stdout)
    if kind == "pianoroll":  # the only one of these data sets that names its test data
        assert (evaluation["split"], evaluation["num_sequences"]) == ("test", 4)
        rolls = scipy.io.loadmat(folder / "data" / "JSB_Chorales.mat")["testdata"]
        assert evaluation["num_steps"] == sum(len(roll) for roll in rolls[0])
        other = json.loads(vrnn("evaluate", folder / "run", "--split", "train", "--json").stdout)
        assert other["num_sequences"] == 12
    else:
        assert evaluation["split"] in ("test", "validation")
        assert evaluation["num_sequences"] > 0
