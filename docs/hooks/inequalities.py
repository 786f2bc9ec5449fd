"""Leaves inequalities such as "z_<t and x_>t" alone, which Python-Markdown takes for an HTML tag.

A repository page follows CommonMark, where only what is written as a tag is one; so does the site.
"""

from __future__ import annotations

import markdown
from markdown.inlinepatterns import HtmlInlineProcessor
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority

_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+)"""
_ATTRIBUTE = rf"\s+[a-zA-Z_:][\w.:-]*(?:\s*=\s*{_VALUE})?"
_TAG = rf"(</?[a-zA-Z][a-zA-Z0-9-]*(?:{_ATTRIBUTE})*\s*/?>|<!--.*?-->)"


class CommonMarkTags(markdown.Extension):
    """Replaces Python-Markdown's pattern of inline HTML by that of CommonMark."""

    def extendMarkdown(self, md: markdown.Markdown) -> None:
        """Registers the pattern at the priority of the one that it replaces."""
        md.inlinePatterns.deregister("html")
        md.inlinePatterns.register(HtmlInlineProcessor(_TAG, md), "html", 90)


@event_priority(100)  # before mkdocstrings takes the list for docstrings
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the extension to those of mkdocs.yml."""
    config.markdown_extensions.append(CommonMarkTags())
    return config
