"""The pages of docs/reference show every public name; each has a docstring, each class an example.

`:::` on a page names an object or a module. A module stands for the names in its `__all__` or,
without one, for the functions and classes that it defines.
"""

import ast
import functools
import importlib
import inspect
import itertools
import pkgutil
import re
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
SHOWN = [path for page in PAGES for path in re.findall(r"^::: (\S+)$", page.read_text(), re.M)]
FRONT_DOORS = ("vrnn_tf", "vrnn_tf.export")  # whose names stand on a page one by one
# Keras calls these; the docstring of the class says what they take. mkdocs.yml leaves them out too.
CALLED_BY_KERAS = re.compile(r"build|call|get_config|from_config|\w+_build_config|compute_\w+")
PROPERTIES = (property, functools.cached_property)
# Functions make these; a user only reads them.
RESULTS = ("Estimate", "Evaluation", "Run", "Splits")


@functools.cache
def public_names() -> dict[str, object]:
    """`{path: object}` of all that the pages show, modules and their names included."""
    names = {}
    for path in SHOWN:
        names[path] = value = pkgutil.resolve_name(path)
        if isinstance(value, ModuleType):
            names |= {f"{path}.{name}": getattr(value, name) for name in names_of(value)}
    return names


def names_of(module: ModuleType) -> list[str]:
    return getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def members(cls: type) -> dict[str, object]:
    """The public methods and properties that a class defines or overrides."""
    return {
        name: getattr(cls, name)
        for name, value in vars(cls).items()
        if not name.startswith("_")
        and not CALLED_BY_KERAS.fullmatch(name)
        and (
            inspect.isfunction(value) or isinstance(value, (*PROPERTIES, classmethod, staticmethod))
        )
    }


def constants(package: Path) -> set[str]:
    """The constants of a package that have a docstring: a string on the line after them."""
    names = set()
    for path in package.rglob("*.py"):
        statements = ast.parse(path.read_text()).body
        for statement, following in itertools.pairwise(statements):
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                names |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    return names


def has_docstring(path: str, value: object) -> bool:
    if inspect.isclass(value):
        docstring = value.__doc__ or ""  # not that of a base, nor the signature of a dataclass
        return bool(docstring) and not docstring.startswith(f"{value.__name__}(")
    if inspect.isroutine(value) or isinstance(value, (ModuleType, *PROPERTIES)):
        return bool(inspect.getdoc(value))
    module = importlib.import_module(path.rpartition(".")[0])
    return path.rpartition(".")[2] in constants(Path(str(module.__file__)).parent)


def test_every_public_name_is_shown():
    names = public_names()
    missing = [
        f"{front_door}.{name}"
        for front_door in FRONT_DOORS
        for name in importlib.import_module(front_door).__all__
        if f"{front_door}.{name}" not in names and not name.startswith("__")
    ]
    assert not missing, f"No page of docs/reference shows {missing}."


def test_no_public_name_is_hidden_by_a_module_of_that_name():
    """The reference is read from sources, where `package.name` is then the module."""
    hidden = [
        path
        for path, value in public_names().items()
        if not isinstance(value, ModuleType) and path in sys.modules
    ]
    assert not hidden, f"Rename the module or the name: {hidden}."


def test_every_public_name_has_a_docstring():
    names = dict(public_names())
    for path, value in public_names().items():
        if inspect.isclass(value):
            names |= {f"{path}.{name}": member for name, member in members(value).items()}
    missing = [path for path, value in names.items() if not has_docstring(path, value)]
    assert not missing, f"These public names have no docstring: {missing}."


def test_every_public_class_has_an_example():
    """Pytest runs it: --doctest-modules is on for the folders that hold the package."""
    missing = []
    for path, value in public_names().items():
        if inspect.isclass(value) and value.__name__ not in RESULTS:
            folder = Path(inspect.getfile(value)).relative_to(ROOT).parts[0]
            example = value.__doc__ or ""
            runs = folder in ("vrnn_tf", "train", "export") and "doctest: +SKIP" not in example
            if not (runs and ">>> " in example):
                missing.append(path)
    assert not missing, f"These public classes have no example in their docstring: {missing}."
