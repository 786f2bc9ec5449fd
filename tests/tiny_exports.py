"""A model of a few units that writes strokes, and the arguments that export it in a second."""

import tiny_models

MAX_STEPS = 12
NORMALIZATION = {"name": "paper", "mean": [8.0, 7.0, 0.0], "std": [50.0, 40.0, 1.0]}
ARGUMENTS = {"max_steps": MAX_STEPS, "normalization": NORMALIZATION, "units": "pixels"}


def make_model(**arguments):
    """A model that can end its sequences. A kernel of 1024 entries or more is quantised."""
    strokes = {**tiny_models.STROKES, "end_of_sequence": True}
    return tiny_models.make(strokes, recurrent_units=32, **arguments)
