"""Readers of file formats. They know nothing of data sets."""
