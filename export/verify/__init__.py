"""Checks that an export is one model: Keras = SavedModel = TFLite, builtins only, small and fast.

Generation feeds its output back, and its rounding errors with it. A trained model may amplify them
tenfold in thirty steps. Then two correct runtimes draw visibly different ends of a sequence. So
does a single runtime that runs once with three rows and once with one. Verification therefore
judges three things: every single step from the states that Keras had before it; that the loop is
nothing but these steps; and the first steps of free-running sequences. It only reports how far
whole sequences agree.

Quantised files draw other sequences by design. Verification judges them by the bound that they give
to the same data. Data that the model has not seen serve best, such as the validation split of its
run.
"""

from .report import table
from .verification import verify

__all__ = ["table", "verify"]
