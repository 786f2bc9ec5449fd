"""Renders the sections of this house's docstrings that griffe's Google style does not have.

"Call arguments" become a list as "Args" do. An "Example" becomes highlighted code. Sections of
prose get a bold title. Arguments that share a description ("mean, std: ...") are listed one by one.
"""

from __future__ import annotations

import re
import textwrap
from typing import Any

import griffe

PROSE = ("Output shape", "Masking", "Differences", "References")
_BLOCK = r"((?:[ ]+.*\n|\n)+)"  # indented lines and the blank lines between them
_PROSE = re.compile(rf"^({'|'.join(PROSE)}):\n{_BLOCK}", re.MULTILINE)
_LISTED = re.compile(rf"^(Args|Attributes|Call arguments):\n{_BLOCK}", re.MULTILINE)
_SHARED = re.compile(r"^ {4}((?:\w+, )+\w+)(:.*\n(?: {5,}.*\n|\n(?= {5}))*)", re.MULTILINE)
# An example that is not indented goes on to the end of the docstring.
_EXAMPLE = re.compile(r"^Example:\n\n(>>> .*)\Z", re.MULTILINE | re.DOTALL)


def in_google_style(docstring: str) -> str:
    """A docstring of this house in terms of griffe's Google style."""
    text = docstring.rstrip() + "\n"
    text = _LISTED.sub(lambda section: f"{section[1]}:\n{_SHARED.sub(_apart, section[2])}", text)
    text = re.sub(r"^Call arguments:$", "Other args: Call arguments:", text, flags=re.MULTILINE)
    text = _EXAMPLE.sub(lambda section: "Example:\n" + textwrap.indent(section[1], "    "), text)
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
    text = _PROSE.sub(lambda section: f"**{section[1]}:**\n\n{textwrap.dedent(section[2])}", text)
    return text.rstrip()


def _apart(item: re.Match[str]) -> str:
    return "".join(f"    {name}{item[2]}" for name in item[1].split(", "))


class HouseSections(griffe.Extension):
    """Rewrites every docstring that griffe loads."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrites the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = in_google_style(obj.docstring.value)
