"""Command lines of all kinds end with exit code 0, or with 2 and one clear line.

They write files only where they were told to.
"""

import json

import pytest
from fuzz.guard import patient, snapshot, vrnn
from hypothesis import given, settings
from hypothesis import strategies as st

from vrnn_tf.model import saving
from vrnn_tf.train import run

pytestmark = pytest.mark.slow

integers = st.one_of(
    st.integers(-2, 3).map(str),
    st.sampled_from(["10", "1e3", "nan", "inf", "", " ", "x", "0x10", "1_0", "²"]),
    st.sampled_from([str(2**31), str(2**63), str(2**64), str(-(2**63)), "9" * 400, "9" * 5_000]),
)
numbers = integers | st.sampled_from(["0.5", "-0.0", "1e308", "1e-320", "-inf", "NaN", "1e400"])
words = st.sampled_from(["", "demo", "dem", "none", "None", "elbo", "iwae", "../x", "\0", "ü", "-"])
values = st.one_of(
    numbers,
    st.sampled_from(
        [
            *('"', "[", "{", "[]", "{}", "null", "true", "[1,", '{"a": 1}', "[[1]]", '"1"'),
            *("[" * 2_000, '{"a":' * 2_000, "[" * 60 + "]" * 60, "[NaN]", "Infinity"),
            *("__import__('os').system('touch attacked')", "$(touch attacked)", "; touch attacked"),
            *("../../x", "/dev/zero", "/dev/null", "x" * 10_000),
        ]
    ),
)
keys = st.sampled_from(
    [
        *("latent_size", "recurrent_units", "hidden_units", "likelihood", "bound", "dropout"),
        *("recurrent_cell", "activation", "prior", "posterior", "kl_weight", "kl_warmup_steps"),
        *("free_nats", "max_norm", "min_scale", "seed", "dtype", "name", "initialization"),
        *("stateful_batch_size", "embedding_size", "trainable", "self", "kwargs", "__class__", ""),
        *("min_words", "max_words", "fonts", "points_per_letter", "num_writers", "sampling_rate"),
        *("frame_size", "sequence_length", "validation_fraction", "group", "max_seconds"),
    ]
)
pairs = st.tuples(keys, values).map("=".join) | values
paths = st.sampled_from(
    ["{tmp}/missing", "{tmp}", "{tmp}/file", "", "{tmp}/file/below", "{run}", "/dev/null", "\0"]
    + ["{lite}", "{tmp}/texts", "{tmp}/empty", "/proc/none", "/proc/self/mem", "x" * 300]
)
outs = paths.map(
    lambda p: p if p.startswith("{") and p != "{run}" else "{tmp}/out"
) | st.sampled_from(
    ["{tmp}/a.svg", "{tmp}/a.npz", "{tmp}/file/b.svg", "{tmp}/a.tiff", "{tmp}/new/deep/a.png"]
)
flag = st.just(None)

DATA = {"--data-dir": paths, "--data": pairs}
COMMANDS = {
    "train": (
        st.sampled_from(["demo", "handwriting", "char", "speech", "dmeo", "", "../demo"]),
        {
            **DATA,
            "--out": outs,
            "--from": paths,
            "--dataset": st.sampled_from(["strokes", "text_file", "synthetic_handwriting"]) | words,
            "--model": pairs,
            "--normalization": words,
            "--matmul-precision": words,
            "--strategy": words,
            "--resume": flag,
            "--overwrite": flag,
            "--strict": flag,
            **dict.fromkeys(
                [
                    *("--epochs", "--batch-size", "--chunk-steps", "--num-buckets", "--num-train"),
                    *("--num-validation", "--seed", "--checkpoint-every"),
                ],
                integers,
            ),
            **dict.fromkeys(["--learning-rate", "--weight-decay"], numbers),
        },
    ),
    "evaluate": (
        paths,
        {
            **DATA,
            "--split": words,
            "--bound": words,
            "--resampling": words,
            "--dataset": words,
            **dict.fromkeys(["--samples", "--repeats", "--seed"], integers),
        },
    ),
    "analyze": (
        paths,
        {**DATA, "--out": outs, "--num": integers, "--seed": integers, "--beside": paths},
    ),
    "generate": (
        st.sampled_from(["{run}", "{lite}"]) | paths,
        {
            "--out": outs,
            "--prime": paths,
            **dict.fromkeys(["--num", "--steps", "--seed"], integers),
            **dict.fromkeys(["--temperature", "--latent-temperature", "--pen-bias"], numbers),
        },
    ),
    "export": (
        paths,
        {"--out": outs, "--quantize": words, "--max-steps": integers, "--serving": words},
    ),
    "verify": (
        paths,
        {**DATA, "--run": paths, "--sequences": integers, "--split": words, "--json": outs},
    ),
    "data info": (words | st.sampled_from(["iam_ondb", "strokes"]), {}),
    "data prepare": (
        st.sampled_from(["text_file", "strokes", "audio_folder", "midi_folder", "iam_ondb"])
        | words,
        {**DATA, "--strict": flag},
    ),
}
# Commands that compute when they are not refused take seconds.
CASES = {"train": 25, "generate": 60, "evaluate": 20, "analyze": 15, "export": 40, "verify": 20}


@st.composite
def command_lines(draw, command):
    argument, options = COMMANDS[command]
    line = [*command.split(), draw(argument)]
    chosen = draw(st.lists(st.sampled_from(sorted(options)), max_size=4)) if options else []
    if "--out" in options:
        chosen = ["--out", *chosen]
    for option in chosen:
        value = draw(options[option])
        line += [option] if value is None else [option, value]
    return line


@pytest.fixture
def quick(whole_run, monkeypatch):
    """Training, analysis and conversion return at once; the model is loaded once."""
    loaded = run.load(whole_run)
    whole = str(whole_run / "model.keras")
    load = saving.load_model
    monkeypatch.setattr(
        saving, "load_model", lambda path: loaded.model if str(path) == whole else load(path)
    )
    row = {"epoch": 1, **{f"val_{name}": 0.0 for name in ("elbo", "iwae", "fivo", "nll", "kl")}}
    monkeypatch.setattr(run, "_fit", lambda *arguments: [row])
    summary = {"kl": 0.0, "active_dimensions": 0, "dimensions": 1}
    monkeypatch.setattr("vrnn_tf.tasks.analysis.analyze", lambda *arguments: summary)
    monkeypatch.setattr(
        "vrnn_tf.tasks.analysis.compare_samples", lambda *arguments, **options: None
    )
    report = {"passed": True, "operators": {}, "rows": []}
    monkeypatch.setattr("vrnn_tf.export.verify.verify", lambda *arguments: report)
    monkeypatch.setattr("vrnn_tf.export.verify.table", lambda report: [{"file": "a"}])
    names = ("inference_model", "signatures", "write_saved_model", "write_tflite", "write_serving")
    for name in names:
        monkeypatch.setattr(f"vrnn_tf.export.exporter.{name}", _nothing)
    monkeypatch.setattr("vrnn_tf.export.metadata.build", lambda *arguments: {})


class _Nothing:
    def save(self, path):
        path.touch()


def _nothing(*arguments):
    return _Nothing()


@pytest.mark.parametrize("command", COMMANDS)
def test_command_lines(command, whole_run, whole_export, quick, tmp_path, monkeypatch):
    place = {"run": whole_run, "lite": whole_export / "model.tflite", "tmp": tmp_path}
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "records"))
    monkeypatch.setattr("tensorflow_datasets.core.constants.DATA_DIR", str(tmp_path / "records"))

    def forbidden(*arguments):
        raise ValueError("no network in tests")

    monkeypatch.setattr("vrnn_tf.train.datasets.sources.download._fetch", forbidden)
    (tmp_path / "file").write_bytes(b"\0\1")
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    for i in range(3):
        (tmp_path / "texts" / f"{i}.txt").write_text(f"x,y,pen\n{i},2,0\n3,4,1\n")
    before = {whole_run: snapshot(whole_run.parent), tmp_path: snapshot(tmp_path)}

    @settings(patient, max_examples=CASES.get(command, 40))
    @given(command_lines(command))
    def check(line):
        filled = [
            text.format(**place)
            if text.startswith("{") and "}" in text and ":" not in text
            else text
            for text in line
        ]
        vrnn(*filled)

    check()
    assert snapshot(whole_run.parent) == before[whole_run]
    after = snapshot(tmp_path)
    changed = {
        path
        for path in {*after, *before[tmp_path]}
        if after.get(path) != before[tmp_path].get(path)
    }
    allowed = (
        "out/",
        "missing/",
        "empty/",
        "records/",
        "texts/",
        "new/",
        "a.",
        "missing",
        "home/runs/",
    )
    assert all(path.startswith(allowed) for path in changed), changed


def test_options_that_look_like_code_stay_texts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in ("__import__('os').system('touch attacked')", "$(touch attacked)", "`touch x`"):
        code, message = vrnn("train", "demo", "--out", "run", "--data", f"fonts={value}")
        assert code == 2 and json.dumps(value)[1:5] in message
    assert not list(tmp_path.iterdir())
