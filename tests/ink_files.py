"""Files of handwriting for tests, and what the data set `strokes` reads in them."""

import warnings
from pathlib import Path

import numpy as np

from vrnn_tf.train import datasets
from vrnn_tf.train.datasets.builders.options import Configuration
from vrnn_tf.train.datasets.builders.report import SkippedFileWarning

StrokeFiles = datasets.get("strokes")
POINTS = [(10, 20), (13, 16), (13, 26), (40, 20), (50, 21), (49, 20)]
PEN = [0, 0, 1, 1, 0, 1]
# the offsets of POINTS as they are; y is negated where the file has y down
X = [[3, -4, 0], [0, 10, 1], [27, -6, 1], [10, 1, 0], [-1, -1, 1]]
ROWS = np.array(X, np.int16)
ORIGIN = np.zeros((1, 3), np.int16)
TIMED = [
    (0, 0, 0, 0.0),
    (10, 0, 0, 1.0),
    (10, 20, 1, 3.0),
    (50, 50, 1, 9.0),
    (60, 50, 1, 9.5),
]  # x, y, pen, seconds


def flipped(x):
    return [[dx, -dy, pen] for dx, dy, pen in x]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def savez(path, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def table(header="x,y,pen", rows=None, delimiter=","):
    if rows is None:
        rows = [(x, y, pen) for (x, y), pen in zip(POINTS, PEN, strict=True)]
    return "\n".join([header, *(delimiter.join(map(str, row)) for row in rows)]) + "\n"


def inkml(body, head=""):
    return f'<ink xmlns="http://www.w3.org/2003/InkML">{head}{body}</ink>'


def trace(text, **attributes):
    named = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<trace{named}>{text}</trace>"


TRACES = trace("10 20, 13 16, 13 26") + trace("40 20") + trace("50 21, 49 20")


def contents(source, unused, **options):
    """Reads a file or a folder without keeping records: `{file/name: x, or the reason}`."""
    configuration = Configuration(
        name="test", version=StrokeFiles.VERSION, options=StrokeFiles.Options(**options)
    )
    builder = StrokeFiles(data_dir=unused, config=configuration)
    builder.note(skipped={"count": 0, "files": {}})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkippedFileWarning)
        splits = builder.splits(source)
    sequences = {}
    for item in (item for items in splits.values() for item in items):
        for name, record in builder.read(item):
            place = f"{item.name}/{name}" if name else item.name
            assert place not in sequences
            sequences[place] = record["x"].tolist()
    for place, reason in builder.info.metadata["skipped"]["files"].items():
        sequences[Path(place).name] = reason
    return sequences


def in_order(sequences):
    return [sequences[name] for name in sorted(sequences)]


def one(read, path, **options):
    """Reads a file with one sequence, beside others from which validation can be carved."""
    rows = [(i, *row) for i in range(2) for row in TIMED]
    other = write(path.parent / "zz.csv", table("sequence,x,y,pen,t", rows))
    sequences = read(path.parent, **options)
    other.unlink()
    (x,) = [x for name, x in sequences.items() if not name.startswith("zz.csv")]
    return x


def channels(*names, intermittent=()):
    def element(name):
        return (
            "<channel "
            + " ".join(
                f'{key}="{value}"'
                for key, value in zip(("name", "units"), name.split(":"), strict=False)
            )
            + "/>"
        )

    inner = "".join(map(element, intermittent))
    extra = f"<intermittentChannels>{inner}</intermittentChannels>" if inner else ""
    listed = "".join(map(element, names))
    return f"<definitions><traceFormat>{listed}{extra}</traceFormat></definitions>"


def records(builder, split):
    return sorted(
        (r["text"].decode(), r["writer"].decode(), r["x"].tolist()) for r in builder.records(split)
    )
