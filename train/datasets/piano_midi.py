"""Piano-midi.de: classical piano music."""

from __future__ import annotations

from .builders.pianoroll import MatBuilder, mat_downloads, mat_layout


class PianoMidi(MatBuilder):
    """The Piano-midi.de pieces of arXiv:1206.6392. A step is an eighth note.

    The authors of the paper say that every piece is transposed to C major or C minor.
    """

    SUMMARY = "Piano-midi.de: 124 classical piano pieces (87 + 12 + 25), an eighth note a step"
    LICENSE = (
        "The repository that holds the file: MIT. The pieces are from piano-midi.de, which "
        "has a copyright page."
    )
    FILE = "Piano_midi.mat"
    DOWNLOADS = mat_downloads(
        FILE, "990a8a71d5764a7eaa3e78d9e5023d1470380fe2db3a1448265a97a24c8b1c34"
    )
    LAYOUT = mat_layout(FILE)
