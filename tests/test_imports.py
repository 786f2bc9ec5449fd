"""Imports only point down: the floors of the house, read from the sources."""

import ast
import importlib.util
import pathlib
import subprocess
import sys

import pytest

import vrnn_tf

ROOT = pathlib.Path(__file__).parents[1]

# A module imports what lies on strictly lower floors. "train" and "export" are whole packages: what
# happens inside one is its own affair. "vrnn_tf" is the package's front, `vrnn_tf/__init__.py`.
FLOORS = {
    "drawing": 0,
    "files": 0,
    "media": 0,
    "normalization": 0,
    "packing": 0,
    "presets": 0,
    "replicas": 0,
    "rng": 0,
    "scan": 0,
    "distributions": 0,
    "validation": 0,
    "likelihoods": 1,
    "networks": 1,
    "bounds": 2,
    "cell": 2,
    "generation": 3,
    "recurrence": 3,
    "models": 4,
    "analysis": 5,
    "evaluation": 5,
    "saving": 5,
    "vrnn_tf": 6,
    "export": 7,
    "train": 7,
    "cli": 8,
}
ON_THE_SAME_FLOOR = {
    ("drawing", "files"),
    ("drawing", "validation"),
    ("media", "drawing"),
    ("media", "files"),
    ("media", "validation"),
    ("normalization", "validation"),
    ("presets", "validation"),
}
WITHOUT_TENSORFLOW = ["vrnn_tf", "vrnn_tf.drawing", "vrnn_tf.presets", "vrnn_tf.validation"]
if (ROOT / "vrnn_tf" / "cli.py").exists():
    WITHOUT_TENSORFLOW.append("vrnn_tf.cli")


def sources():
    """`{dotted name: (path, whether it is a package)}` of every module that is installed."""
    found = {}
    for folder, package in (("vrnn_tf", ""), ("train", "train"), ("export", "export")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            parts = tuple(part for part in ("vrnn_tf", package, *parts) if part != "__init__")
            found[".".join(filter(None, parts))] = (path, path.name == "__init__.py")
    return found


SOURCES = sources()


def imported_names(text, name, is_package):
    """Every dotted name that a source imports, wherever the statement stands."""
    package = name if is_package else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(relative, package) if node.level else node.module
            yield from (f"{base}.{alias.name}" for alias in node.names)


def unit(name):
    """The row of FLOORS that a dotted name belongs to, or None if it is somebody else's."""
    first, *rest = name.split(".")
    if first in ("train", "export"):  # the folder's name, not the installed one
        return name
    if first != "vrnn_tf":
        return None
    is_module = rest and (f"vrnn_tf.{rest[0]}" in SOURCES or rest[0] in FLOORS)
    return rest[0] if is_module else "vrnn_tf"


def imported_units(text, name, is_package):
    units = {unit(imported) for imported in imported_names(text, name, is_package)}
    return units - {None, unit(name)}


def is_allowed(importer, imported):
    if FLOORS.get(imported, 99) < FLOORS[importer]:
        return True
    return (importer, imported) in ON_THE_SAME_FLOOR


def test_every_module_has_a_floor():
    missing = {unit(name) for name in SOURCES} - set(FLOORS)
    assert not missing, f"Give {sorted(missing)} a floor in FLOORS."


@pytest.mark.parametrize("name", SOURCES)
def test_imports_point_down(name):
    path, is_package = SOURCES[name]
    imported = imported_units(path.read_text(), name, is_package)
    wrong = sorted(other for other in imported if not is_allowed(unit(name), other))
    assert not wrong, f"{name} must not import {wrong}."


def test_the_exceptions_are_needed():
    used = {
        (unit(name), other)
        for name, (path, is_package) in SOURCES.items()
        for other in imported_units(path.read_text(), name, is_package)
    }
    assert used >= ON_THE_SAME_FLOOR
    assert all(FLOORS[importer] == FLOORS[imported] for importer, imported in ON_THE_SAME_FLOOR)


@pytest.mark.parametrize(
    ("statement", "name", "wrong"),
    [
        ("from vrnn_tf.models import VRNN", "vrnn_tf.rng", "models"),
        ("def late():\n    from vrnn_tf import cell, rng", "vrnn_tf.networks", "cell"),
        ("import vrnn_tf.likelihoods", "vrnn_tf.networks", "likelihoods"),
        ("from . import generation", "vrnn_tf.cell", "generation"),
        ("from vrnn_tf import VRNN", "vrnn_tf.generation", "vrnn_tf"),
        ("from vrnn_tf.train import run", "vrnn_tf.models", "train"),
        ("from ..export.verify import check", "vrnn_tf.train.run", "export"),
        ("import vrnn_tf.train.config", "vrnn_tf.export.verify", "train"),
        ("from vrnn_tf import cli", "vrnn_tf.train.run", "cli"),
        ("from train.datasets import load", "vrnn_tf.cli", "train.datasets.load"),
    ],
)
def test_upward_imports_are_seen(statement, name, wrong):
    (imported,) = {
        other
        for other in imported_units(statement, name, is_package=False)
        if not is_allowed(unit(name), other)
    }
    assert imported == wrong


def test_the_front_opens_every_name_when_it_is_asked_for():
    for name in vrnn_tf.__all__:
        assert getattr(vrnn_tf, name) is not None
    with pytest.raises(AttributeError, match="module 'vrnn_tf' has no attribute 'VRMM'"):
        _ = vrnn_tf.VRMM


@pytest.mark.parametrize("name", WITHOUT_TENSORFLOW)
def test_import_does_not_load_tensorflow(name):
    code = f"import sys, {name}; print(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "tests"
    )
    loaded = set(process.stdout.split())
    assert "vrnn_tf" in loaded
    assert not loaded & {"tensorflow", "keras", "tensorflow_probability", "jax"}
