"""What a user can choose, and the configuration that keeps prepared variants apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from vrnn_tf.validation import check_choice


@dataclasses.dataclass(frozen=True)
class NoOptions:
    """This data set has no options."""


def loading(default: Any) -> Any:
    """A field of `Options` that matters when records are loaded, not when they are prepared."""
    return dataclasses.field(default=default, metadata={"when": "loading"})


def make_options(cls: Any, values: Mapping[str, Any]) -> Any:
    """Makes an instance of `cls.Options`.

    Raises:
        ValueError: if a name is unknown (lists the valid names) or a value is out of range.
    """
    names = [field.name for field in dataclasses.fields(cls.Options)]
    for name in values:
        if not names:
            raise ValueError(f"{cls.name} has no options. Received {name!r}.")
        check_choice(f"option of {cls.name}", name, names)
    return cls.Options(**values)


def prepared_options(options: Any) -> dict[str, Any]:
    """The options that matter when records are prepared."""
    return {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(options)
        if field.metadata.get("when") != "loading"
    }


@dataclasses.dataclass(eq=False, kw_only=True)
class Configuration(tfds.core.BuilderConfig):
    """Where the files are and what the user chose. Each name has prepared records of its own.

    Attributes:
        source: the folder or the file of the user; None to download.
        fingerprint: changes when the files change; None if there are no files to compare with.
        options: an instance of the `Options` of the data set.
        strict: whether a malformed file stops the preparation.
    """

    source: Path | None = None
    fingerprint: str | None = None
    options: Any = None
    strict: bool = False
