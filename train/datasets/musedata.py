"""MuseData: orchestral and piano classical music."""

from __future__ import annotations

from .builders.pianoroll import MatBuilder, mat_downloads, mat_layout


class Musedata(MatBuilder):
    """The MuseData pieces of arXiv:1206.6392. A step is an eighth note.

    The authors of the paper say that every piece is transposed to C major or C minor.
    """

    SUMMARY = "MuseData: 783 classical pieces (524 + 135 + 124), an eighth note a step"
    LICENSE = (
        "The repository that holds the file: MIT. The scores are from the MuseData library, which "
        "has another licence agreement."
    )
    FILE = "MuseData.mat"
    DOWNLOADS = mat_downloads(
        FILE, "e8d9eb422ec3833c25f43a9f854d4ee0b9118a20b45f2c183395cdc30ffa14ff"
    )
    LAYOUT = mat_layout(FILE)
