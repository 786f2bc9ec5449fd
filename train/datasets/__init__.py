"""Data sets in raw units, one file each."""
