"""Pictures of pen sequences, as SVG or PNG.

A sequence is `x [T, 3]` with columns (dx, dy, pen): offsets in any unit with y up, and a pen flag
that is 1 on the last point of a stroke and may be 2 on that of the whole line. A PNG needs
matplotlib.
"""

import dataclasses
import io
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from vrnn_tf import files
from vrnn_tf.validation import check_integer, check_number

_PEN_UP = 0.5  # from this value of pen on, the pen lifts after the row's point
_END_OF_LINE = 1.5  # from this value of pen on, the rows that follow are padding
_ROW_GAP = 0.25  # row heights, between rows and around the picture
_MAX_PIXELS = 20_000  # a side; the PNG renderer fails beyond about 2 ** 15


def to_polylines(x: np.ndarray) -> list[np.ndarray]:
    """Turns pen offsets into absolute strokes.

    Args:
        x: `[T, 3]`, columns (dx, dy, pen), y up. The pen starts down, at the origin. It lifts after
            the point of a row with `pen >= 0.5`; rows after a pen of 2 (end of line) are ignored.

    Returns:
        For each stroke an array `[n, 2]` of absolute (x, y), in the unit of `x`. A dot has
        `n == 1`. The last stroke may lack its pen lift. There are no strokes if `T == 0`.

    Raises:
        ValueError: if `x` is not `[T, 3]` or not finite.
    """
    x = _check_sequence(x)
    if not len(x):
        return []
    ends = np.flatnonzero(x[:, 2] >= _END_OF_LINE)
    if ends.size:
        x = x[: ends[0] + 1]
    points = np.concatenate([np.zeros((1, 2)), np.cumsum(x[:, :2], axis=0)])
    lifts = np.flatnonzero(x[:, 2] >= _PEN_UP) + 2  # + 1 for the origin, + 1 to cut after the point
    return [stroke for stroke in np.split(points, lifts) if len(stroke)]


def to_svg(
    lines: np.ndarray | Sequence[np.ndarray], *, width: int = 900, stroke_width: float = 0.03
) -> str:
    """Draws one or several sequences, stacked from top to bottom, as an SVG document.

    Args:
        lines: one sequence `[T, 3]`, or several. Each has a row of its own; that of an empty
            sequence is blank.
        width: the width of the picture in pixels, at least 1. The picture is narrower if it would
            be too high otherwise.
        stroke_width: the breadth of the pen, as a fraction of the median row height, above 0.

    Returns:
        The document. Both axes have one scale, which is the same for all sequences.

    Raises:
        ValueError: if a sequence is not `[T, 3]` or not finite, or an option is out of its range.
    """
    layout = _lay_out(lines, width, stroke_width)
    paths = "\n".join(f'<path d="{_path_data(stroke)}"/>' for stroke in layout.strokes)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'width="{layout.width * layout.scale:.0f}" height="{layout.height * layout.scale:.0f}" '
        f'viewBox="0 0 {layout.width:.6g} {layout.height:.6g}">\n'
        '<rect width="100%" height="100%" fill="white"/>\n'
        f'<g fill="none" stroke="black" stroke-width="{layout.pen:.6g}" '
        f'stroke-linecap="round" stroke-linejoin="round">\n{paths}\n</g>\n</svg>\n'
    )


def save(
    path: str | os.PathLike,
    lines: np.ndarray | Sequence[np.ndarray],
    *,
    width: int = 900,
    stroke_width: float = 0.03,
) -> pathlib.Path:
    """Draws sequences into a file, in the layout of `to_svg`.

    The file appears complete or not at all: it is written beside `path` and then moved there.

    Args:
        path: the file to write. It ends in `.svg` or `.png`.
        lines: one sequence `[T, 3]`, or several; see `to_svg`.
        width: the width of the picture in pixels; see `to_svg`.
        stroke_width: the breadth of the pen, as a fraction of the median row height.

    Returns:
        `path`.

    Raises:
        ValueError: if `path` has another suffix, and for the reasons of `to_svg`.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() == ".svg":
        data = to_svg(lines, width=width, stroke_width=stroke_width).encode()
    elif path.suffix.lower() == ".png":
        data = _render_png(_lay_out(lines, width, stroke_width))
    else:
        raise ValueError(
            f"`path` must end in .svg or .png. Received {str(path)!r}. Rename the file."
        )
    with files.atomic(path) as temporary:
        temporary.write_bytes(data)
    return path


@dataclasses.dataclass(frozen=True)
class _Layout:
    """Strokes on a page. Its top left corner is the origin, y is down, the unit is the data's.

    Attributes:
        strokes: polylines `[n, 2]`.
        width: the width of the page.
        height: the height of the page.
        pen: the breadth of the pen.
        scale: pixels a unit.
    """

    strokes: list[np.ndarray]
    width: float
    height: float
    pen: float
    scale: float


def _lay_out(lines: np.ndarray | Sequence[np.ndarray], width: int, stroke_width: float) -> _Layout:
    check_integer("width", width, minimum=1)
    check_number("stroke_width", stroke_width, minimum=0.0, strict=True)
    if getattr(lines, "ndim", None) == 2:  # one array or tensor, not a list of them
        lines = [np.asarray(lines)]
    rows = [to_polylines(x) for x in lines]
    boxes = [_bounding_box(row) for row in rows]
    extents = [high - low for row, (low, high) in zip(rows, boxes, strict=True) if row]
    typical = _typical_height(extents)
    gap = _ROW_GAP * typical
    top, strokes = gap, []
    for row, (low, high) in zip(rows, boxes, strict=True):
        corner = np.array([low[0], high[1]])
        strokes += [(stroke - corner) * (1.0, -1.0) + (gap, top) for stroke in row]
        top += gap + (high[1] - low[1] if row else typical)
    page_width = max([extent[0] for extent in extents], default=typical) + 2.0 * gap
    page_height = max(top, 2.0 * gap)
    scale = min(width / page_width, _MAX_PIXELS / page_height)
    return _Layout(strokes, page_width, page_height, stroke_width * typical, scale)


def _bounding_box(strokes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    points = np.concatenate([*strokes, np.zeros((0 if strokes else 1, 2))])
    return points.min(axis=0), points.max(axis=0)


def _typical_height(extents: list[np.ndarray]) -> float:
    """Returns the median height, or the median width if all rows are flat, or 1 without ink."""
    for axis in (1, 0):
        sizes = [extent[axis] for extent in extents if extent[axis] > 0]
        if sizes:
            return float(np.median(sizes))
    return 1.0


def _path_data(stroke: np.ndarray) -> str:
    head, *rest = (f"{x:.6g} {y:.6g}" for x, y in stroke)
    return f"M{head}L{' '.join(rest or [head])}"  # the round cap of a line to itself is a dot


def _render_png(layout: _Layout) -> bytes:
    from matplotlib.collections import EllipseCollection, LineCollection
    from matplotlib.figure import Figure

    dpi = 100
    size = (layout.width * layout.scale / dpi, layout.height * layout.scale / dpi)
    figure = Figure(figsize=size, dpi=dpi, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, layout.width), ylim=(layout.height, 0))
    axes.set_axis_off()
    pen = layout.pen * layout.scale * 72 / dpi  # points
    lines = [stroke for stroke in layout.strokes if np.ptp(stroke, axis=0).any()]
    dots = [stroke[0] for stroke in layout.strokes if not np.ptp(stroke, axis=0).any()]
    axes.add_collection(
        LineCollection(lines, colors="black", linewidths=pen, capstyle="round", joinstyle="round"),
        autolim=False,
    )
    if dots:  # the renderer drops lines without length
        axes.add_collection(
            EllipseCollection(
                pen, pen, 0, units="points", offsets=dots, transOffset=axes.transData, color="black"
            ),
            autolim=False,
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def _check_sequence(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != 3:
        raise ValueError(
            f"A sequence must be [T, 3] (dx, dy, pen). Received shape {x.shape}. "
            "Pass one line, or a list of lines, without its batch axis."
        )
    bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if bad.size:
        raise ValueError(
            f"A sequence must be finite. Received {x[bad[0]]} in row {bad[0]}. "
            "Cut the sequence before that row, or find out what made the row."
        )
    return x
