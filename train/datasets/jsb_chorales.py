"""JSB Chorales: four-part harmony by J. S. Bach."""

from __future__ import annotations

from .builders.pianoroll import MatBuilder, mat_downloads, mat_layout


class JsbChorales(MatBuilder):
    """The JSB chorales of arXiv:1206.6392. A step is a quarter note.

    The authors of the paper say that every chorale is transposed to C major or C minor. The rolls
    stand about an octave above the range of the voices, and are kept as they are.
    """

    SUMMARY = "JSB Chorales: 382 chorales by J. S. Bach (229 + 76 + 77), a quarter note a step"
    LICENSE = "The repository that holds the file: MIT. The music is in the public domain."
    FILE = "JSB_Chorales.mat"
    STEPS_PER_BEAT = 1
    DOWNLOADS = mat_downloads(
        FILE, "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4"
    )
    LAYOUT = mat_layout(FILE)
