"""examples/native: the C program draws what Python draws, here and on arm64."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tiny_models
from vrnn_tf.export import LiteModel, export, exporter
from vrnn_tf.export.inference_model import inference_model
from vrnn_tf.export.signatures import signatures
from vrnn_tf.export.tflite import write_tflite
from vrnn_tf.media import drawing

pytestmark = pytest.mark.slow

SOURCES = Path(__file__).parents[2] / "examples" / "native"
MAX_STEPS = 40
NORMALIZATION = {"name": "paper", "mean": [8.0, -7.0, 0.0], "std": [50.0, 40.0, 1.0]}
ARGUMENTS = {"max_steps": MAX_STEPS, "normalization": NORMALIZATION, "units": "pixels"}
ENDLESS = {"pen_bias": -100.0}  # without pen lifts a line never ends by itself
# What LiteRT's runtime writes of its own accord once a model is compiled.
COMPILED = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
ARM64_PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64")
# qemu shows its host's; XNNPACK finds no ARM core in that and crashes.
ARM64_CPUINFO = """processor : 0
BogoMIPS : 50.00
Features : fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp
CPU implementer : 0x41
CPU architecture: 8
CPU variant : 0x1
CPU part : 0xd05
CPU revision : 0
"""


def require(found, what):
    """`found`, if there is any; CI has to have everything, elsewhere the test is skipped."""
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{what} is missing")
    return found


def command(name, *others):
    found = [path for path in map(shutil.which, (name, *others)) if path]
    return require(found, f"the program {name}")[0]


def build(folder, library, **variables):
    arguments = {"CC": command("gcc"), **variables, "BUILD": folder, "LITERT": library}
    arguments = [f"{key}={value}" for key, value in arguments.items()]
    subprocess.run([command("make"), "-C", SOURCES, *arguments], check=True)
    return [str(folder / "handwriting")]


@pytest.fixture(scope="module")
def library():
    """The folder of this machine's libLiteRt.so."""
    folder = Path(importlib.util.find_spec("ai_edge_litert").origin).parent
    require((folder / "libLiteRt.so").exists(), "libLiteRt.so of ai-edge-litert")
    return folder


@pytest.fixture(scope="module")
def program(library, tmp_path_factory):
    return build(tmp_path_factory.mktemp("native"), library)


@pytest.fixture(scope="module")
def model():
    return tiny_models.make_case("end_of_sequence", recurrent_units=32)


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:  # its seconds go to what is not used here
        patch.setattr(exporter, "write_saved_model", lambda model, signatures, path: path)
        folder = tmp_path_factory.mktemp("export") / "out"
        return export(model, folder, **ARGUMENTS)


@pytest.fixture(scope="module", params=["model.tflite", "model_int8.tflite"])
def lite(request, exported):
    return LiteModel(exported / request.param)


def run(program, path, out, **inputs):
    flags = [text for name, value in inputs.items() for text in (f"--{name}", str(value))]
    arguments = [*program, str(path), "--out", str(out), *flags]
    return subprocess.run(arguments, capture_output=True, text=True)


def strokes(program, lite, out, **inputs):
    """What the program writes, as [T, 3] in normalised units."""
    done = run(program, lite.path, out, **inputs)
    assert done.returncode == 0, done.stderr
    header, *rows = out.read_text().splitlines()
    assert header == "dx,dy,pen"
    assert done.stdout.startswith(f"{out}: {len(rows)} steps in ")
    raw = np.array([row.split(",") for row in rows], "float32").reshape(-1, 3)
    return lite.to_normalized(raw)


CASES = {
    "nothing given": {},
    "endless": ENDLESS,
    "negative seed": {"seed": -3, **ENDLESS},
    "largest seed": {"seed": 2**31 - 1, **ENDLESS},
    "seed beyond int32": {"seed": 2**32 + 5, **ENDLESS},
    "few steps": {"seed": 1, "steps": 7, **ENDLESS},
    "no steps": {"seed": 1, "steps": 0},
    "cool": {"seed": 2, "temperature": 0.3, **ENDLESS},
    "no noise": {"seed": 2, "temperature": 0, "latent_temperature": 0, **ENDLESS},
    "every option": {"seed": 3, "temperature": 0.8, "latent_temperature": 1.5, "pen_bias": -2.5},
}


def python_strokes(lite, seed=0, steps=MAX_STEPS, **options):
    return lite.generate(seed=seed, num_steps=steps, **options)[0]


@pytest.mark.parametrize("inputs", CASES.values(), ids=CASES)
def test_it_draws_what_python_draws(program, lite, tmp_path, inputs):
    expected = python_strokes(lite, **inputs)
    found = strokes(program, lite, tmp_path / "line.csv", **inputs)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_lines_end_by_themselves_or_are_as_long_as_they_can_be(program, lite, tmp_path):
    found = [strokes(program, lite, tmp_path / "line.csv", seed=seed) for seed in range(5)]
    assert any(len(line) < MAX_STEPS and line[-1, 2] == 2 for line in found)
    assert len(strokes(program, lite, tmp_path / "line.csv", steps=10**9, **ENDLESS)) == MAX_STEPS


def numbers(text):
    return np.array(re.findall(r"-?[\d.]+(?:e[-+]\d+)?", text), float)


def picture(document):
    """The size of an SVG document, and its paths as [n, 2]."""
    root = ET.fromstring(document)
    namespace = {"svg": "http://www.w3.org/2000/svg"}
    paths = [numbers(p.get("d")).reshape(-1, 2) for p in root.findall(".//svg:path", namespace)]
    pen = root.find("svg:g", namespace).get("stroke-width")
    return numbers(
        " ".join([root.get("width"), root.get("height"), root.get("viewBox"), pen])
    ), paths


def without_repetition(path):
    """A path without points of no length, which do not show but where there is nothing else."""
    keep = [i == 0 or bool((path[i] != path[i - 1]).any()) for i in range(len(path))]
    return path[keep]


@pytest.mark.parametrize("inputs", [{}, {"seed": 4}, {"seed": 5, "pen_bias": -2.5}, {"steps": 0}])
def test_the_picture_is_that_of_python(program, lite, tmp_path, inputs):
    out = tmp_path / "line.svg"
    done = run(program, lite.path, out, **inputs)
    assert done.returncode == 0, done.stderr
    line = lite.to_raw(python_strokes(lite, **inputs))
    expected_size, expected = picture(drawing.to_svg(line))
    size, found = picture(out.read_text())
    np.testing.assert_allclose(size, expected_size, rtol=1e-4)
    assert len(found) == len(expected) == len(drawing.to_polylines(line))
    for a, b in zip(found, expected, strict=True):
        a, b = without_repetition(a), without_repetition(b)
        np.testing.assert_allclose(a, b, atol=1e-4 * size[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"usage: handwriting MODEL.tflite \[--out FILE\]"),
        (["--help"], r"usage: handwriting"),
        (["MODEL", "--seed"], r"usage: handwriting"),
        (["none.tflite"], r"cannot read none.tflite"),
        (["."], r"cannot read \."),
        (["half.tflite"], r"half.tflite is no TFLite file, or not a whole one"),
        (["text.tflite"], r"text.tflite is no TFLite file, or not a whole one"),
        (["MODEL", "--seed", "x"], r"--seed must be a number. Received 'x'"),
        (["MODEL", "--seed", ""], r"--seed must be a number. Received ''"),
        (["MODEL", "--seed", "1.5"], r"--seed must be a number. Received '1.5'"),
        (["MODEL", "--seed", "9" * 30], r"--seed must be a number"),
        (["MODEL", "--steps", "-1"], r"--steps must be from 0 to 2147483647. Received -1"),
        (["MODEL", "--temperature", "warm"], r"--temperature must be a number. Received 'warm'"),
        (["MODEL", "--temprature", "1"], r"the arguments are.*--seed .*--temperature"),
        (["MODEL", "--seed", "1", "--seed", "2"], r"each at most once"),
        (["MODEL", "seed", "1"], r"the arguments are"),
        (["MODEL", "--out", "none/line.svg"], r"cannot write none/line.svg: No such file"),
        (["init.tflite"], r"init.tflite has no signature `generate`"),
        (["features/model.tflite"], r"writes no pen strokes: x must be \[1, T, 3\]"),
        (["alone/model.tflite"], r"cannot read alone/metadata.json"),
        (["cut/model.tflite"], r"cut/metadata.json lacks the \"std\" of dx, dy and pen"),
    ],
)
def test_errors_are_one_line(program, bad_files, arguments, message):
    arguments = ["model.tflite" if text == "MODEL" else text for text in arguments]
    done = subprocess.run([*program, *arguments], cwd=bad_files, capture_output=True, text=True)
    assert done.returncode == 2
    assert re.fullmatch(rf"handwriting: .*{message}.*\n", done.stderr), done.stderr
    assert not done.stdout
    assert not list(bad_files.rglob("*.svg"))


@pytest.fixture(scope="module")
def bad_files(model, exported, tmp_path_factory):
    """A folder with a good model and several bad ones."""
    folder = shutil.copytree(exported, tmp_path_factory.mktemp("bad") / "files")
    content = (folder / "model.tflite").read_bytes()
    (folder / "half.tflite").write_bytes(content[: len(content) // 2])
    (folder / "text.tflite").write_text("hello")
    copy = inference_model(model)
    init = [s for s in signatures(copy, MAX_STEPS) if s.name == "init"]
    write_tflite(copy, init, folder / "init.tflite")
    for name in ("features", "alone", "cut"):
        (folder / name).mkdir()
    other = inference_model(tiny_models.make())
    generate = [s for s in signatures(other, MAX_STEPS) if s.name == "generate"]
    write_tflite(other, generate, folder / "features" / "model.tflite")
    for name in ("alone", "cut"):
        shutil.copy(folder / "model.tflite", folder / name)
    metadata = (folder / "metadata.json").read_text()
    (folder / "cut" / "metadata.json").write_text(metadata[: metadata.index('"std"')])
    return folder


def test_sanitizers_find_nothing(library, bad_files, tmp_path):
    flags = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
    program = build(tmp_path, library, CFLAGS=flags)
    out = tmp_path / "line.svg"
    done = run(program, bad_files / "model.tflite", out, seed=1, **ENDLESS)
    assert (done.returncode, done.stderr) == (0, COMPILED)
    for arguments in ([], ["half.tflite"], ["init.tflite"], ["cut/model.tflite"]):
        done = subprocess.run([*program, *arguments], cwd=bad_files, capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1, done.stderr


@pytest.fixture(scope="module")
def arm64_library(tmp_path_factory):
    """The folder of libLiteRt.so for arm64, from the wheel of the installed version."""
    folder = tmp_path_factory.mktemp("wheel")
    version = importlib.metadata.version("ai-edge-litert")
    platforms = [text for name in ARM64_PLATFORMS for text in ("--platform", name)]
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
    wanted = ["--only-binary=:all:", *platforms, f"ai-edge-litert=={version}"]
    done = subprocess.run([*download, *wanted], capture_output=True, text=True)
    require(done.returncode == 0, f"the arm64 wheel of ai-edge-litert {version}\n{done.stderr}\nIt")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract("ai_edge_litert/libLiteRt.so", folder)).parent


@pytest.fixture(scope="module")
def arm64_program(arm64_library, tmp_path_factory):
    compiler, emulator = (
        command("aarch64-linux-gnu-gcc"),
        command("qemu-aarch64", "qemu-aarch64-static"),
    )
    folder = tmp_path_factory.mktemp("arm64")
    built = build(folder, arm64_library, CC=compiler)
    # The file's place, not the compiler's -print-sysroot, which is / where both are packaged.
    asked = [compiler, "-print-file-name=libstdc++.so.6"]
    cpp = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    require(cpp.is_absolute(), "libstdc++ for arm64")
    (folder / "root" / "proc").mkdir(parents=True)
    (folder / "root" / "lib").symlink_to(cpp.resolve().parent)
    (folder / "root" / "proc" / "cpuinfo").write_text(ARM64_CPUINFO)
    return [emulator, "-L", str(folder / "root"), *built]


@pytest.mark.parametrize(
    "inputs", [{"seed": 7, **ENDLESS}, {"seed": 8, "temperature": 0.5, "steps": 20}]
)
def test_arm64_draws_what_python_draws(arm64_program, lite, tmp_path, inputs):
    expected = python_strokes(lite, **inputs)
    found = strokes(arm64_program, lite, tmp_path / "line.csv", **inputs)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-4)
