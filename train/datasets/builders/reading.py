"""Reading the files of a data set, in this process or by the workers of Apache Beam.

Whoever reads a file yields its records, and then a `Report` of what else was found there. Reports
add up in any order, so that many workers find what one process finds.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vrnn_tf import files

REPORTED = 100  # of what is skipped is listed by name

Record = dict[str, Any]
Read = Callable[["Item"], Iterable[tuple[str, Record | ValueError | Counter[str]]]]


class Item(NamedTuple):
    """A file to read.

    Attributes:
        path: of the file.
        name: unique in the split; the same wherever the files lie.
        details: whatever `Builder.read` needs beside the path.
    """

    path: Path
    name: str
    details: Any = None


@dataclasses.dataclass
class Report:
    """What was found in files beside their records.

    Attributes:
        skipped: how many files and sequences were malformed.
        reasons: `(number of the file, where, why)` of the first `REPORTED` of them.
        counts: of whatever is counted.
    """

    skipped: int = 0
    reasons: list[tuple[int, str, str]] = dataclasses.field(default_factory=list)
    counts: Counter[str] = dataclasses.field(default_factory=Counter)

    def skip(self, number: int, path: Path, name: str, error: Exception) -> None:
        """Notes what is malformed: a file, or what has a name in it."""
        where = plain(f"{path} ({name})" if name else str(path))
        reason = plain(" ".join(str(error).split()) or type(error).__name__)
        self.skipped += 1
        self.reasons = [*self.reasons, (number, where, reason)][:REPORTED]

    @classmethod
    def joined(cls, reports: Iterable[Report]) -> Report:
        """The report of all files together."""
        total = cls()
        for report in reports:
            total.skipped += report.skipped
            found = total.reasons + report.reasons
            total.reasons = sorted(found, key=lambda reason: reason[0])[:REPORTED]
            total.counts.update(report.counts)
        return total

    def write(self, path: Path) -> None:
        """Writes the report as JSON."""
        files.write_json(path, vars(self))

    @classmethod
    def from_file(cls, path: Path) -> Report:
        """The report that `write` wrote."""
        content = files.read_json(path)
        reasons = [(number, where, why) for number, where, why in content["reasons"]]
        return cls(content["skipped"], reasons, Counter(content["counts"]))


def read_file(read: Read, number: int, item: Item) -> Iterator[tuple[str, Record] | Report]:
    """Yields `(key, record)` of what is sound in a file, and last the `Report`.

    Args:
        read: `Builder.read`.
        number: of the file in its split.
        item: the file.
    """
    report, keys = Report(), set()
    try:
        found = list(read(item))
    except Exception as error:  # whatever a parser raises on a damaged file
        report.skip(number, item.path, "", error)
        found = []
    for name, record in found:
        if isinstance(record, Counter):
            report.counts.update(record)
            continue
        key = plain(f"{item.name}/{name}" if name else item.name)
        if key in keys:
            record = ValueError(f"the file has another {name}")
        if isinstance(record, ValueError):
            report.skip(number, item.path, name, record)
            continue
        keys.add(key)
        yield key, {k: plain(v) if isinstance(v, str) else v for k, v in record.items()}
    yield report


def plain(name: str) -> str:
    """The name of a file as text: bytes that are not UTF-8 are written out."""
    return name.encode("utf-8", "backslashreplace").decode()


# --- Beam -----------------------------------------------------------------------------------------


def beam_options(given: Mapping[str, Any]) -> Any:
    """Options of a pipeline; the runner is Beam's own on this machine if none is named.

    Raises:
        ValueError: if apache-beam is not installed, or does not know an option or its value.
    """
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
        from apache_beam.runners.runner import create_runner
    except ImportError:
        raise ValueError(
            "Reading with Beam needs apache-beam, which is not installed: "
            "`pip install 'vrnn_tf[beam]'`."
        ) from None
    unknown = sorted(given.keys() - PipelineOptions([]).get_all_options().keys())
    if unknown:
        raise ValueError(
            f"Beam has no options {unknown}. Options are, for example, runner, direct_num_workers "
            "and direct_running_mode."
        )
    # Beam's "DirectRunner" would first try to download another one.
    chosen = {"runner": "FnApiRunner", **given}
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options = PipelineOptions.from_dictionary(chosen)
            options.get_all_options()
            create_runner(str(chosen["runner"]))
    except SystemExit:  # of argparse
        reason = said.getvalue().rpartition("error: ")[2].strip()
        raise ValueError(f"Beam does not take {dict(given)}: {reason}.") from None
    except Exception as error:  # whatever a runner is not
        reason = " ".join(str(error).split()).rstrip(".")
        raise ValueError(f"Beam does not take {dict(given)}: {reason}.") from None
    return options


def read_files(read: Read, items: Sequence[Item], path: Path) -> Any:
    """A `beam.PTransform` that gives `(key, record)` of the files and writes their `Report`.

    Args:
        read: `Builder.read`; its builder is sent to the workers.
        items: the files, which all workers must see.
        path: for the report, in a folder that all workers see.
    """
    import apache_beam as beam

    def read_one(numbered: tuple[int, Item]) -> Iterator[Any]:
        for found in read_file(read, *numbered):
            is_report = isinstance(found, Report)
            yield beam.pvalue.TaggedOutput("report", found) if is_report else found

    @beam.ptransform_fn
    def read_all(pipeline):
        numbered = pipeline | beam.Create(list(enumerate(items))) | beam.Reshuffle()
        found = numbered | beam.FlatMap(read_one).with_outputs("report", main="records")
        joined = found.report | beam.CombineGlobally(Report.joined)
        _ = joined | "WriteReport" >> beam.Map(Report.write, path)
        return found.records

    return read_all()
