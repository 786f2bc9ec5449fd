"""Data sets in raw units, one file each.

`get(name)` gives the class in the file called `name`. It has class attributes for people (`KIND`,
`SUMMARY`, `CITATION`, `LICENSE`, `HOMEPAGE`, `LAYOUT`), frozen `Options`, and `load`. A data set
that reads files is a tfds builder, see `builders.builder.Builder`.

Every file of this folder is a data set. What they share is in the folders: `builders` holds what
they subclass, `sources` finds, unpacks and fetches their files, and `formats` reads them.
`synthesis` makes the built-in handwriting.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from vrnn_tf.media import Medium
from vrnn_tf.validation import check_choice

CLASSES = {
    "synthetic_handwriting": "BuiltInHandwriting",
    "iam_ondb": "IamOndb",
    "omniglot_strokes": "OmniglotStrokes",
    "strokes": "StrokeFiles",
    "timit": "Timit",
    "blizzard2013": "Blizzard2013",
    "speech_accent_archive": "SpeechAccentArchive",
    "onomatopoeia": "Onomatopoeia",
    "spoken_digit": "SpokenDigit",
    "audio_folder": "AudioFolder",
    "jsb_chorales": "JsbChorales",
    "nottingham": "Nottingham",
    "musedata": "Musedata",
    "piano_midi": "PianoMidi",
    "midi_folder": "MidiFolder",
    "tiny_shakespeare": "TinyShakespeare",
    "text_file": "TextFile",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Splits:
    """The sequences `[T_i, D]` of a data set in raw units.

    A split is a list, or a `store.Store` if it does not fit in memory.

    Attributes:
        train: sequences to train on.
        validation: sequences to choose a model by.
        test: sequences to report on; empty if the data set has none.
        medium: what the numbers mean.
        facts: JSON-able notes of the preparation, for example what was skipped.
    """

    train: Sequence[np.ndarray]
    validation: Sequence[np.ndarray]
    test: Sequence[np.ndarray]
    medium: Medium
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)


def names() -> list[str]:
    """The names of all data sets."""
    return list(CLASSES)


def get(name: str) -> Any:
    """The class of the data set called `name`.

    Raises:
        ValueError: if there is no such data set; lists the valid names.
    """
    check_choice("dataset", name, CLASSES)
    return getattr(importlib.import_module(f".{name}", __name__), CLASSES[name])
