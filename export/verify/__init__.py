"""Checks that an export is one model: Keras, SavedModel and TFLite compute the same."""

from .checks import table, verify

__all__ = ["table", "verify"]
