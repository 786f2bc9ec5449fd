"""What a published package carries, and where it puts it."""

import re
import runpy
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import setuptools

import vrnn_tf

ROOT = Path(__file__).parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())


def package(folder: Path) -> str:
    """The installed name of a folder of the checkout: train/ and export/ go inside vrnn_tf."""
    name = ".".join(folder.relative_to(ROOT).parts)
    return name if name.startswith("vrnn_tf") else f"vrnn_tf.{name}"


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "vrnn_tf" / "py.typed").is_file()
    assert SETTINGS["tool"]["setuptools"]["package-data"]["vrnn_tf"] == ["py.typed"]


def test_every_folder_of_modules_is_installed(monkeypatch):
    given = {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(setuptools, "setup", given.update)
    runpy.run_path("setup.py")
    folders = {
        path.parent for top in ("vrnn_tf", "train", "export") for path in (ROOT / top).rglob("*.py")
    }
    assert sorted(given["packages"]) == sorted(map(package, folders))


def test_there_is_one_version():
    cited = re.findall(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited == [vrnn_tf.__version__]
    assert "version" not in SETTINGS["project"]
    assert SETTINGS["project"]["dynamic"] == ["version"]
    assert SETTINGS["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "vrnn_tf.__version__"}


def run(*command: str | Path, folder: Path) -> str:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory) -> Path:
    """A folder with the source distribution and, built from it, the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, folder=folder)
    return folder


@pytest.mark.slow
def test_the_metadata_and_the_readme_can_be_published(distributions):
    files = sorted(distributions.iterdir())
    assert [path.suffix for path in files] == [".whl", ".gz"]
    run(sys.executable, "-m", "twine", "check", "--strict", *files, folder=distributions)


@pytest.mark.slow
def test_the_source_distribution_holds_sources_and_documentation_alone(distributions):
    (archive,) = distributions.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert {"LICENSE", "README.md", "CITATION.cff", "mkdocs.yml", "docs/theory.md"} <= names
    assert {"vrnn_tf/py.typed", "train/run.py", "export/__init__.py"} <= names
    assert not [name for name in names if name.startswith(("tests", "examples", ".ci", "site"))]


@pytest.mark.slow
def test_the_wheel_works_where_it_is_installed(distributions, tmp_path):
    """In an environment of its own, which only borrows the dependencies of this one."""
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        tops = {name.partition("/")[0] for name in files.namelist()}
    assert tops == {"vrnn_tf", f"vrnn_tf-{vrnn_tf.__version__}.dist-info"}
    run(sys.executable, "-m", "venv", tmp_path / "venv", folder=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel, folder=tmp_path)
    # Appended to the path: what the environment holds itself comes first.
    home = run(
        python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=tmp_path
    )
    borrowed = "\n".join({sysconfig.get_path("purelib"), *filter(in_site_packages, sys.path)})
    (Path(home.strip()) / "borrowed.pth").write_text(borrowed)
    code = """
import importlib.util
import vrnn_tf, vrnn_tf.export, vrnn_tf.train.datasets
assert all(module.__file__.startswith(HOME) for module in (vrnn_tf, vrnn_tf.export, vrnn_tf.train))
assert importlib.util.find_spec("train") is importlib.util.find_spec("export") is None
vrnn_tf.VRNN, vrnn_tf.export.export, vrnn_tf.export.LiteModel
"""
    run(python, "-c", f"HOME = {home.strip()!r}\n{code}", folder=tmp_path)
    assert "Usage" in run(python, "-m", "vrnn_tf.cli", "--help", folder=tmp_path)


def in_site_packages(path: str) -> bool:
    return path.endswith("site-packages")
