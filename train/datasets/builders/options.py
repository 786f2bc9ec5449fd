"""What a user chooses, and how prepared records are told apart by it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from vrnn_tf.validation import check_choice


@dataclasses.dataclass(frozen=True)
class NoOptions:
    """There is nothing to choose."""


def loading(default: Any) -> Any:
    """A field of `Options` that matters when records are loaded, not when they are prepared."""
    return dataclasses.field(default=default, metadata={"when": "loading"})


@dataclasses.dataclass(eq=False, kw_only=True)
class Configuration(tfds.core.BuilderConfig):
    """Where the files are and what the user chose; its name keeps prepared variants apart."""

    source: Path | None = None
    fingerprint: str | None = None
    options: Any = None
    strict: bool = False


def make_options(cls: Any, given: Mapping[str, Any]) -> Any:
    """An instance of `cls.Options`.

    Raises:
        ValueError: if a name is unknown (lists the known ones) or a value is out of range.
    """
    known = [field.name for field in dataclasses.fields(cls.Options)]
    for name in given:
        if not known:
            raise ValueError(f"{cls.name} has no options. Received {name!r}.")
        check_choice(f"option of {cls.name}", name, known)
    return cls.Options(**given)


def prepared_options(options: Any) -> dict[str, Any]:
    return {
        field.name: getattr(options, field.name)
        for field in dataclasses.fields(options)
        if field.metadata.get("when") != "loading"
    }
