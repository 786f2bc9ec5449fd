"""Readers of file formats, which know nothing of data sets."""
