"""The vrnn command as a person uses it: a run, a picture, an export, and clear errors."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from typer.testing import CliRunner

import tiny_runs
from vrnn_tf import cli, files
from vrnn_tf.train import run

CONFIG = dataclasses.replace(tiny_runs.CONFIG, num_train=24, num_validation=8, epochs=1)


def vrnn(*arguments):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "run"
    run.train(CONFIG, out, verbose=0)
    return out


@pytest.fixture(scope="module")
def exported(folder):
    out = folder.parent / "export"
    result = vrnn("export", folder, "--out", out, "--max-steps", 20)
    assert result.exit_code == 0, result.output
    return out


def test_evaluate_prints_a_table_or_json(folder):
    arguments = ["evaluate", folder, "--bound", "iwae", "--samples", 5]  # no test split here
    result = vrnn(*arguments)
    assert result.exit_code == 0, result.output
    assert "8 sequences" in result.output and "iwae-5" in result.output
    assert "nats per sequence" in result.output and "raw units: " in result.output
    figures = json.loads(vrnn(*arguments, "--json").stdout)
    assert f"{figures['raw']['nats_per_step']['mean']:.4f}" in result.output
    assert f"{figures['bits_per_dimension']['standard_error']:.4f}" in result.output
    assert figures["nats_per_sequence"]["noise_error"] > 0.0
    beside = vrnn("evaluate", folder, "--beside", folder)
    assert beside.exit_code == 0 and "above" in beside.output and "0.0000" in beside.output


def test_analyze_draws_and_tells(folder, tmp_path):
    out = tmp_path / "analysis"
    result = vrnn("analyze", folder, "--num", 2, "--out", out)
    assert result.exit_code == 0, result.output
    assert re.search(
        r"validation: the KL is \d+\.\d+ nats per step; \d of 3 dimensions", result.output
    )
    with np.load(out / "latent.npz", allow_pickle=False) as arrays:
        kl = np.concatenate([arrays["kl_0"], arrays["kl_1"]])
    assert not (out / "side_by_side.png").exists()
    result = vrnn("analyze", folder, "--beside", folder, "--num", 2, "--out", out)
    assert result.exit_code == 0, result.output
    assert (out / "side_by_side.png").read_bytes()[:4] == b"\x89PNG"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["kl"] == pytest.approx(kl.mean(), rel=1e-4)


@pytest.mark.parametrize("suffix", ["svg", "png", "npz"])
def test_generate_writes_each_format(folder, tmp_path, suffix):
    out = tmp_path / f"lines.{suffix}"
    result = vrnn("generate", folder, "--num", 3, "--steps", 15, "--out", out)
    assert result.exit_code == 0, result.output
    assert out.stat().st_size > 0
    assert "3 sequences" in result.output


def test_a_run_and_its_file_write_the_same_strokes(folder, exported, tmp_path):
    arrays = []
    for source in (folder, exported / "model.tflite"):
        out = tmp_path / "lines.npz"
        arguments = ["--num", 3, "--steps", 20, "--seed", 11, "--out", out]
        result = vrnn("generate", source, *arguments)
        assert result.exit_code == 0, result.output
        with np.load(out, allow_pickle=False) as loaded:
            arrays.append((loaded["x"], loaded["length"]))
    np.testing.assert_array_equal(arrays[0][1], arrays[1][1])
    np.testing.assert_allclose(arrays[0][0], arrays[1][0], atol=0.05)  # of offsets of ~50 units


def test_priming_goes_on_from_what_was_written(folder, exported, tmp_path):
    prefix = tmp_path / "mine.npz"
    np.savez(prefix, x=np.array([[30, 10, 0], [20, -60, 1]], "float32"))
    written = []
    for source, extra in (
        (folder, []),
        (folder, ["--prime", prefix]),
        (exported / "model.tflite", ["--prime", prefix]),
    ):
        out = tmp_path / "lines.npz"
        result = vrnn("generate", source, "--num", 1, "--steps", 10, "--out", out, *extra)
        assert result.exit_code == 0, result.output
        with np.load(out, allow_pickle=False) as loaded:
            written.append(loaded["x"])
    unprimed, primed, primed_file = written
    assert unprimed.shape != primed.shape or not np.allclose(unprimed, primed)
    np.testing.assert_allclose(primed, primed_file, atol=0.05)


def test_verify_agrees_and_writes_a_report(exported, tmp_path):
    report = tmp_path / "report.json"
    result = vrnn("verify", exported, "--json", report)
    assert result.exit_code == 0, result.output
    assert "model_int8.tflite uses ABS, ADD," in result.output
    assert json.loads(report.read_text())["passed"] is True


@pytest.mark.slow
def test_verify_compares_on_the_data_of_a_run(exported, folder, tmp_path):
    report = tmp_path / "report.json"
    result = vrnn("verify", exported, "--run", folder, "--sequences", 5, "--json", report)
    assert result.exit_code == 0, result.output
    assert "synthetic_handwriting, validation" in result.output
    assert "5 real sequences" in {row["note"] for row in json.loads(report.read_text())["rows"]}
    metadata = json.loads((exported / "metadata.json").read_text())
    metadata["normalization"]["mean"][0] += 1.0
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    result = vrnn("verify", tmp_path, "--run", folder)
    assert result.exit_code == 2
    assert "normalisations differ" in " ".join(result.output.split())


def test_generating_from_a_file_does_not_import_tensorflow(exported, tmp_path):
    code = (
        "import sys\nfrom vrnn_tf import cli\n"
        f"sys.argv = ['vrnn', 'generate', {str(exported / 'model.tflite')!r}, "
        f"'--out', {str(tmp_path / 'a.svg')!r}]\n"
        "try: cli.main()\nexcept SystemExit as e: assert not e.code, e.code\n"
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "demoo"], "`preset` must be one of .*Did you mean 'demo'"),
        (["train", "char", "--dataset", "text_file"], "text_file needs --data-dir"),
        (["train", "demo", "--data", "fonts"], "--data must be KEY=VALUE. Received 'fonts'"),
        (["train", "demo", "--data", "font=1", "--out", "{tmp}/r"], "Did you mean 'fonts'"),
        (["train", "demo", "--data-dir", "{tmp}", "--out", "{tmp}/r"], "reads no files"),
        (
            ["train", "demo", "--model", "latent=1", "--out", "{tmp}/r"],
            "Did you mean 'latent_size'",
        ),
        (["data", "info", "iam_on"], "Did you mean 'iam_ondb'"),
        (["data", "prepare", "iam_ondb"], "iam_ondb needs --data-dir"),
        (
            ["data", "prepare", "iam_ondb", "--data-dir", "{tmp}", "--prepared-dir", "{tmp}/p"],
            "lineStrokes is missing",
        ),
        (["train", "demo", "--epochs", "0"], "`epochs` must be an integer >= 1"),
        (["train", "demo", "--dataset", "iam", "--out", "{tmp}/r"], "`dataset` must be one of"),
        (["train", "demo", "--out", "{run}"], "already holds a run"),
        (["train", "demo", "--out", "{run}", "--resume", "--seed", "3"], "seed was 0, now 3"),
        (["generate", "{tmp}/nothing", "--out", "a.svg"], "does not exist"),
        (["generate", "{tmp}", "--out", "{tmp}/a.svg"], "is not a run folder"),
        (["generate", "{run}", "--out", "{tmp}/a.gif"], "must end in one of"),
        (["generate", "{run}", "--num", "0", "--out", "{tmp}/a.svg"], "num_sequences"),
        (["generate", "{run}", "--temperature", "-1", "--out", "{tmp}/a.svg"], "temperature"),
        (["generate", "{run}", "--temperature", "nan", "--out", "{tmp}/a.svg"], "temperature"),
        (["generate", "{run}", "--prime", "{tmp}/p", "--out", "{tmp}/a.svg"], "npz"),
        (["generate", "{run}", "--prime", "{tmp}/pen.npz", "--out", "{tmp}/a.svg"], "pen, must be"),
        (["generate", "{run}", "--prime", "{tmp}/empty.npz", "--out", "{tmp}/a.svg"], "npz"),
        (["generate", "{run}", "--prime", "{tmp}/two.npz", "--out", "{tmp}/a.svg"], "one sequence"),
        (
            ["generate", "{run}", "--prime", "{tmp}/complex.npz", "--out", "{tmp}/a.svg"],
            "numbers x",
        ),
        (["export", "{run}", "--out", "{tmp}/e", "--max-steps", "0"], "max_steps"),
        (["export", "{run}", "--out", "{tmp}/e", "--max-steps", str(10**9)], "at most 1000000"),
        (["generate", "{run}", "--num", str(10**12), "--out", "{tmp}/a.svg"], "too many to hold"),
        (["generate", "{run}", "--steps", str(10**12), "--out", "{tmp}/a.svg"], "too many to hold"),
        (["train", "demo", "--data", "fonts=" + "[" * 99, "--out", "{tmp}/r"], "`fonts`"),
        (["train", "demo", "--num-train", str(2**40), "--out", "{tmp}/r"], "at most 10000000"),
        (["generate", "{run}", "--prime", "{tmp}/flat.npz", "--out", "{tmp}/a.svg"], "shape .4, 2"),
        (["generate", "{tmp}/bad.tflite", "--out", "{tmp}/a.svg"], "is not a TFLite file"),
        (["export", "{tmp}", "--out", "{tmp}/e"], "is not a run folder"),
        (["export", "{run}", "--out", "{tmp}/e", "--quantize", "int3"], "`quantize` must be one"),
        (["export", "{run}", "--out", "{tmp}/e", "--serving", "a/b"], "letters, digits"),
        (["train"], "either a preset or, with --from, a run to repeat. Received neither"),
        (["train", "demo", "--from", "{run}"], "Received both"),
        (["train", "--from", "{run}", "--out", "{run}"], "a folder other than that of the run"),
        (["train", "--from", "{tmp}", "--out", "{tmp}/r"], "config.json"),
        (["verify", "{tmp}"], "metadata.json"),
        (["verify", "{tmp}", "--run", "{run}"], "metadata.json"),
        (["verify", "{tmp}", "--split", "test"], "--run"),
        (["verify", "{tmp}", "--sequences", "0"], "sequences"),
        (["analyze", "{tmp}", "--out", "{tmp}/a"], "is not a run folder"),
        (["analyze", "{run}", "--num", "0", "--out", "{tmp}/a"], "num"),
        (["evaluate", "{tmp}"], "is not a run folder"),
        (["evaluate", "{run}", "--split", "rest"], "`split` must be one of"),
        (["evaluate", "{run}", "--bound", "iwea"], "Did you mean 'iwae'"),
        (["evaluate", "{run}", "--samples", "3"], "The ELBO has one sample"),
        (["evaluate", "{run}", "--bound", "fivo", "--samples", "0"], "num_samples"),
        (["evaluate", "{run}", "--dataset", "jsb_chorales"], "does not describe"),
        (["evaluate", "{run}", "--data", "colour=blue"], "colour"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(folder, tmp_path, arguments, message):
    (tmp_path / "bad.tflite").write_bytes(b"no")
    np.savez(tmp_path / "flat.npz", x=np.zeros((4, 2), "float32"))
    np.savez(tmp_path / "pen.npz", x=np.full((4, 3), 7.0))
    np.savez(tmp_path / "two.npz", x=np.zeros((4, 3)), length=[2, 2])
    np.savez(tmp_path / "complex.npz", x=np.full((4, 3), 1j))
    (tmp_path / "empty.npz").touch()
    filled = [a.format(tmp=tmp_path, run=folder) for a in arguments]
    result = vrnn(*filled)
    assert result.exit_code == 2, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("vrnn: ")
    assert re.search(message, lines[0]), lines[0]


def test_resuming_takes_the_configuration_from_the_run(folder):
    result = vrnn("train", "demo", "--out", folder, "--resume")
    assert result.exit_code == 0, result.output
    result = vrnn("train", "demo", "--out", folder, "--resume", "--epochs", 2)
    assert result.exit_code == 2
    assert "epochs was 1, now 2" in result.stderr


@pytest.mark.slow
def test_a_run_can_be_repeated(folder, tmp_path):
    again = tmp_path / "again"
    result = vrnn("train", "--from", folder, "--out", again)
    assert result.exit_code == 0, result.output
    for name in ("history.csv", "config.json"):
        assert (again / name).read_text() == (folder / name).read_text()
    metadata = files.read_json(again / "metadata.json")
    files.write_json(again / "metadata.json", {**metadata, "data_sha256": "0"})
    result = vrnn("train", "--from", again, "--out", tmp_path / "third")
    assert result.exit_code == 2 and "numbers differ" in result.stderr
    assert not (tmp_path / "third").exists()
    # In processes of their own, since determinism cannot be turned off again.
    ends = [tmp_path / "a", tmp_path / "b"]
    for out in ends:
        arguments = ["train", "--from", folder, "--out", out, "--deterministic"]
        subprocess.run([sys.executable, "-m", "vrnn_tf.cli", *map(str, arguments)], check=True)
    one, other = ((out / "history.csv").read_text() for out in ends)
    assert one == other
    summaries = [files.read_json(out / "summary.json") for out in (folder, *ends)]
    elbo = [summary["after"]["val_elbo"] for summary in summaries]
    assert elbo[1] == pytest.approx(elbo[0], rel=1e-4)  # sums in another order


@pytest.mark.slow
def test_a_real_interrupt_in_the_middle_of_training(tmp_path):
    """SIGINT to a real process while it trains: exit code 130, and the run can be used."""
    out = tmp_path / "run"
    arguments = ["train", "demo", "--num-train", "64", "--num-validation", "8", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "vrnn_tf.cli", *arguments, "--epochs", "500"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        # A shell's background jobs ignore SIGINT, and so would a child of theirs.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.time() + 100
        while not list(out.glob("checkpoints/*/progress.json")) and time.time() < deadline:
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, stderr.decode()
    assert "Traceback" not in stderr.decode()
    assert files.read_json(out / "config.json")["epochs"] == 500
    assert len(run.load(out).model.generate(1, 10)) == 1
