"""examples/android: every name that the Kotlin sources use exists in an exported file."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import tiny_models
from vrnn_tf.export import LiteModel, export, exporter

pytestmark = pytest.mark.slow  # they export a model

PROJECT = Path(__file__).parents[2] / "examples" / "android"
SOURCES = {path.name: path.read_text() for path in sorted(PROJECT.rglob("*.kt"))}
NAMES = SOURCES["Names.kt"]
MAX_STEPS = 7
NORMALIZATION = {"name": "paper", "mean": [8.0, 7.0, 0.0], "std": [50.0, 40.0, 1.0]}


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    model = tiny_models.make_case("end_of_sequence")
    folder = tmp_path_factory.mktemp("android") / "out"
    with pytest.MonkeyPatch.context() as patch:  # its seconds go to what is not used here
        patch.setattr(exporter, "write_saved_model", lambda model, signatures, path: path)
        export(model, folder, MAX_STEPS, NORMALIZATION, "pixels", quantize=("none",))
    return LiteModel(folder / "model.tflite")


def names(text):
    """`{kind: {constant: name}}` of the objects inside of `Names`."""
    constant = r'const val (\w+) = "([^"]*)"'
    objects = re.findall(r"object (\w+) \{([^{}]*)\}", text)
    return {kind: dict(re.findall(constant, body)) for kind, body in objects}


def tensors(details):
    return {name: (tuple(d["shape"]), np.dtype(d["dtype"]).name) for name, d in details.items()}


def problems(text, lite):
    """What the names in a source say and the exported file does not."""
    found = names(text)
    generate = lite.signature("generate")
    inputs, outputs = map(tensors, (generate.get_input_details(), generate.get_output_details()))
    row, metadata = ((1,), "int32"), lite.metadata
    sequence = ((1, metadata["max_steps"], metadata["event_size"]), "float32")
    options = metadata["options"]
    # What stands in the file for each kind of name, and what the sources take it for.
    expected = {
        "File": {path.name: None for path in lite.path.parent.iterdir()},
        "Signature": dict.fromkeys(lite.metadata["signatures"]),
        "IntInput": {name: None for name, tensor in inputs.items() if tensor == row},
        "Option": {n: None for n in options if inputs.get(n) == ((1,), "float32")},
        "FloatOutput": {name: None for name, tensor in outputs.items() if tensor == sequence},
        "IntOutput": {name: None for name, tensor in outputs.items() if tensor == row},
        "Key": metadata,
        "OptionKey": options["temperature"],
        "NormalizationKey": metadata["normalization"],
    }
    wrong = [f"no names of the kind {kind}" for kind in expected if not found.get(kind)]
    wrong += [f"{kind} is not checked" for kind in found if kind not in expected]
    wrong += [
        f"{kind}: {name}"
        for kind, constants in found.items()
        for name in constants.values()
        if name not in expected.get(kind, {})
    ]
    # `generate` gets every input and has every output: these, and the options of the metadata.
    used = {kind: set(constants.values()) for kind, constants in found.items()}
    if used.get("IntInput", set()) | set(options) != set(inputs):
        wrong.append(f"the inputs are {sorted(inputs)}")
    if used.get("FloatOutput", set()) | used.get("IntOutput", set()) != set(outputs):
        wrong.append(f"the outputs are {sorted(outputs)}")
    return wrong


def test_every_name_is_in_the_exported_file(lite):
    assert problems(NAMES, lite) == []


@pytest.mark.parametrize("name", [n for kind in names(NAMES).values() for n in kind.values()])
def test_a_misspelt_name_is_seen(lite, name):
    assert problems(NAMES.replace(f'"{name}"', f'"{name}_"'), lite)


def test_missing_names_are_seen(lite):
    assert len(problems("", lite)) > 5


def test_names_are_used_and_stand_nowhere_else(lite):
    others = {name: text for name, text in SOURCES.items() if name != "Names.kt"}
    assert len(others) == 3
    text = "\n".join(others.values())
    uses = set(re.findall(r"Names\.(\w+)\.(\w+)", text))
    known = {(kind, constant) for kind, some in names(NAMES).items() for constant in some}
    assert uses == known
    generate = lite.metadata["signatures"]["generate"]
    in_the_file = {tensor["name"] for side in generate.values() for tensor in side}
    in_the_file |= {"model.tflite", "metadata.json", *lite.metadata, *lite.metadata["signatures"]}
    assert not set(re.findall(r'"([^"]*)"', text)) & in_the_file


def test_rows_are_what_the_view_takes_them_for(lite):
    view = SOURCES["HandwritingView.kt"]
    assert re.search(rf"const val ROW = {lite.event_size}\b", view)
    feature, value = lite.metadata["end_mark"]
    assert f"rows[ROW * before + {feature}] >= PEN_UP" in view
    assert value >= float(re.search(r"const val PEN_UP = ([\d.]+)f", view)[1])


def test_the_project_is_of_one_piece():
    build = (PROJECT / "build.gradle.kts").read_text()
    assert re.search(r'implementation\("com\.google\.ai\.edge\.litert:litert:2\.[\d.]+"\)', build)
    (package,) = {re.match(r"package ([\w.]+)\n", text)[1] for text in SOURCES.values()}
    assert f'namespace = "{package}"' in build
    for path in PROJECT.rglob("*.kt"):
        assert path.parent.relative_to(PROJECT) == Path("src/main/kotlin", *package.split("."))
    manifest = ET.parse(PROJECT / "src" / "main" / "AndroidManifest.xml")
    android = "{http://schemas.android.com/apk/res/android}"
    activity = manifest.find("application/activity").get(f"{android}name").removeprefix(".")
    assert re.search(rf"^class {activity} : Activity\(\)", SOURCES[f"{activity}.kt"], re.MULTILINE)


def test_the_readme_says_what_is_not_checked():
    assert "not compiled here" in (PROJECT / "README.md").read_text()


def test_the_syntax_is_that_of_kotlin(tmp_path):
    packages = ["tree-sitter>=0.25", "tree-sitter-kotlin>=1.1"]
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", tmp_path, *packages]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:  # CI has to have everything
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no tree-sitter: {done.stderr}")
    code = (
        "import sys, pathlib, tree_sitter, tree_sitter_kotlin as kotlin;"
        "parser = tree_sitter.Parser(tree_sitter.Language(kotlin.language()));"
        "assert parser.parse(b'fun f( {').root_node.has_error;"
        "paths = map(pathlib.Path, sys.argv[1:]);"
        "print(*(p.name for p in paths if parser.parse(p.read_bytes()).root_node.has_error))"
    )
    paths = [*PROJECT.rglob("*.kt"), *PROJECT.glob("*.kts")]
    done = subprocess.run(
        [sys.executable, "-c", code, *paths],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr
