"""Nottingham: British and American folk tunes, melody and chords."""

from __future__ import annotations

from .builders.pianoroll import MatBuilder, mat_downloads, mat_layout


class Nottingham(MatBuilder):
    """The Nottingham tunes of arXiv:1206.6392. A step is an eighth note.

    The authors of the paper say that every tune is transposed to C major or C minor.
    """

    SUMMARY = "Nottingham: 1,037 folk tunes with chords (694 + 173 + 170), an eighth note a step"
    LICENSE = (
        "The repository that holds the file: MIT. The tunes are from the Nottingham Music Database "
        "of Eric Foxley."
    )
    FILE = "Nottingham.mat"
    DOWNLOADS = mat_downloads(
        FILE, "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea"
    )
    LAYOUT = mat_layout(FILE)
