"""Imports only point down: the floors of the house, read from the sources."""

import ast
import graphlib
import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest

import vrnn_tf

ROOT = pathlib.Path(__file__).parents[1]

# Modules of one floor do not import each other, unless an exception says so. What happens inside of
# a folder is its own affair, but it has no circles. "vrnn_tf" is the package's front,
# `vrnn_tf/__init__.py`.
FLOORS = {
    "distributions": 0,
    "files": 0,
    "normalization": 0,
    "packing": 0,
    "presets": 0,
    "replicas": 0,
    "rng": 0,
    "validation": 0,
    "likelihoods": 1,
    "media": 1,
    "core": 2,
    "loop": 3,
    "bounds": 4,
    "model": 5,
    "tasks": 6,
    "vrnn_tf": 7,
    "export": 8,
    "train": 8,
    "cli": 9,
}
ON_THE_SAME_FLOOR = {
    ("normalization", "validation"),
    ("presets", "validation"),
}
WITHOUT_TENSORFLOW = [
    "vrnn_tf",
    "vrnn_tf.cli",
    "vrnn_tf.media",
    "vrnn_tf.media.drawing",
    "vrnn_tf.presets",
    "vrnn_tf.validation",
]


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


def test_the_page_on_architecture_numbers_the_floors_alike():
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| (\d) \| (.*?) \|", page, re.M)
    floors = {}
    for number, cell in rows:
        name = re.match(r"`(?:vrnn_tf/)?(\w+)(?:/|\.py)", cell)
        floors[name[1] if name else "modules"] = int(number)
    floors["vrnn_tf"] = floors.pop("__init__")
    assert floors.pop("modules") == 0
    assert floors == {name: floor for name, floor in FLOORS.items() if floor}


def test_the_page_on_architecture_names_files_that_exist():
    page = (ROOT / "docs" / "architecture.md").read_text()
    names = set(re.findall(r"\b(\w+\.py)\b", page)) - {"test_imports.py"}
    assert len(names) > 30
    assert not names - {path.name for path, _ in SOURCES.values()}


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


def modules_imported(name):
    """The modules of the package that a module of it imports when it is loaded."""
    path, is_package = SOURCES[name]
    tree = ast.parse(path.read_text())
    eager = ast.Module([node for node in tree.body if not _is_lazy(node)], [])
    for imported in imported_names(ast.unparse(eager), name, is_package):
        while imported and imported not in SOURCES:
            imported = imported.rpartition(".")[0]
        if imported and imported != name:
            yield imported


def _is_lazy(node):
    """Whether a top-level statement imports nothing when the module is loaded."""
    for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    return for_types or isinstance(node, ast.FunctionDef)


def test_modules_have_no_circles():
    graph = {name: set(modules_imported(name)) for name in SOURCES}
    for name, (_, is_package) in SOURCES.items():
        if is_package:  # a front opens what lies in it, and what lies in it may name the package
            for other in SOURCES:
                if other.startswith(name + "."):
                    graph[other].discard(name)
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(
    ("statement", "name", "wrong"),
    [
        ("from vrnn_tf.model.vrnn import VRNN", "vrnn_tf.rng", "model"),
        (
            "def late():\n    from vrnn_tf import core, rng",
            "vrnn_tf.likelihoods.likelihood",
            "core",
        ),
        ("import vrnn_tf.media", "vrnn_tf.likelihoods.likelihood", "media"),
        ("from ..model import generation", "vrnn_tf.core.cell", "model"),
        ("from vrnn_tf import VRNN", "vrnn_tf.model.generation", "vrnn_tf"),
        ("from vrnn_tf.train import run", "vrnn_tf.model.vrnn", "train"),
        ("from ..export.verify import check", "vrnn_tf.train.run", "export"),
        ("import vrnn_tf.train.config", "vrnn_tf.export.verify", "train"),
        ("from vrnn_tf import cli", "vrnn_tf.train.run", "cli"),
        ("from train.datasets import load", "vrnn_tf.cli.app", "train.datasets.load"),
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
