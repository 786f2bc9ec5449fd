"""What the hooks of the site do to docstrings, pages and links."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import markdown
import pytest

ROOT = Path(__file__).parents[2]


def hook(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "hooks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sections_of_the_house_become_those_of_griffe():
    docstring = """Scales x.

Args:
    mean, std: arrays `[D]`,
        one number a feature.
    name: a word.

Call arguments:
    x: `[B, T, D]`.

Masking:
    None.

    At all.

Example:

>>> Scale(0, 1)
Scale"""
    expected = """Scales x.

Args:
    mean: arrays `[D]`,
        one number a feature.
    std: arrays `[D]`,
        one number a feature.
    name: a word.

Other args: Call arguments:
    x: `[B, T, D]`.

**Masking:**

None.

At all.

Examples:
    >>> Scale(0, 1)
    Scale"""
    assert hook("docstrings").in_google_style(docstring) == expected


def test_an_indented_example_stays():
    docstring = "One.\n\nExample:\n    >>> 1\n    1\n\nRaises:\n    ValueError: never."
    rendered = docstring.replace("Example:", "Examples:")
    assert hook("docstrings").in_google_style(docstring) == rendered


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("z_<t is drawn, x_>t is not", "z_&lt;t is drawn, x_&gt;t is not"),
        ('a <b class="c">word</b>', 'a <b class="c">word</b>'),
    ],
)
def test_an_inequality_is_no_tag(text, html):
    tags = hook("inequalities").CommonMarkTags()
    assert markdown.markdown(text, extensions=[tags]) == f"<p>{html}</p>"


@pytest.mark.slow
def test_what_leads_nowhere_stops_the_build(tmp_path):
    """In a copy of the checkout, to which broken links and a lost page are added."""
    names = ("*.md", "*.yml", "docs", "vrnn_tf", "train", "export", "examples", "benchmarks")
    for path in (path for name in names for path in ROOT.glob(name)):
        if path.is_dir():
            unwanted = shutil.ignore_patterns("node_modules", "__pycache__")
            shutil.copytree(path, tmp_path / path.name, ignore=unwanted)
        else:
            shutil.copy(path, tmp_path)
    (tmp_path / "docs" / "lost.md").write_text("# Lost\n")
    with (tmp_path / "docs" / "theory.md").open("a") as page:
        page.write("\n[a](../examples/nothing.c) [b](../GLOSSARY.md#nothing)\n")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    for message in ("'examples/nothing.c' is not found", "'#nothing'", "- docs/lost.md"):
        assert message in result.stderr
