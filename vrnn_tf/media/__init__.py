"""What the numbers of a sequence mean to people: strokes, sound, piano rolls or text."""

from vrnn_tf.media.medium import (
    MAX_RATE,
    Audio,
    Medium,
    PianoRoll,
    Strokes,
    Text,
    check_suffix,
    from_dict,
    kinds,
    likelihoods,
    save_figure,
)

__all__ = [
    "MAX_RATE",
    "Audio",
    "Medium",
    "PianoRoll",
    "Strokes",
    "Text",
    "check_suffix",
    "from_dict",
    "kinds",
    "likelihoods",
    "save_figure",
]
