"""Reading the files of a data set by the workers of Apache Beam."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .reading import Item, Read, read_file
from .report import Report


def pipeline_options(given: Mapping[str, Any]) -> Any:
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


def describe_failure(name: str, error: str) -> str:
    """For people; what a worker said last is what went wrong."""
    said = [line.strip() for line in error.splitlines() if line.strip()] or ["no reason given"]
    return (
        f"The workers of Beam could not read {name}: {said[-1]}. All of them must see the files "
        "and --prepared-dir, and have vrnn_tf installed."
    )
