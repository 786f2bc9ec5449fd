"""Reads the files of a data set with the workers of Apache Beam."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .reading import Item, Read, read_file
from .report import Report


def pipeline_options(options: Mapping[str, Any]) -> Any:
    """Makes the options of a pipeline. The default runner is Beam's own, on this machine.

    Raises:
        ValueError: if apache-beam is not installed, or does not know an option or its value.
    """
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError:
        raise ValueError(
            "Reading with Beam needs apache-beam, which is not installed: "
            "`pip install 'vrnn_tf[beam]'`."
        ) from None
    unknown = sorted(options.keys() - PipelineOptions([]).get_all_options().keys())
    if unknown:
        raise ValueError(
            f"Beam has no options {unknown}. Options are, for example, runner, direct_num_workers "
            "and direct_running_mode."
        )
    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages):
            # Beam's "DirectRunner" would first try to download another one.
            return _parse({"runner": "FnApiRunner", **options})
    except SystemExit:  # argparse exits
        reason = messages.getvalue().rpartition("error: ")[2].strip()
    except Exception as error:  # whatever Beam raises for an unknown runner
        reason = " ".join(str(error).split()).rstrip(".")
    raise ValueError(f"Beam does not take {dict(options)}: {reason}.")


def _parse(options: Mapping[str, Any]) -> Any:
    """Beam's options, all of them checked, the runner too."""
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.runner import create_runner

    parsed = PipelineOptions.from_dictionary(options)
    parsed.get_all_options()
    create_runner(str(options["runner"]))
    return parsed


def read_files(read: Read, items: Sequence[Item], path: Path) -> Any:
    """Makes a `beam.PTransform` that gives `(key, record)` and writes the joined `Report`.

    Args:
        read: `Builder.read`; its builder is sent to the workers.
        items: the files, which all workers must see.
        path: where the report is written, in a folder that all workers see.
    """
    import apache_beam as beam

    def read_one(numbered: tuple[int, Item]) -> Iterator[Any]:
        for result in read_file(read, *numbered):
            is_report = isinstance(result, Report)
            yield beam.pvalue.TaggedOutput("report", result) if is_report else result

    @beam.ptransform_fn
    def read_all(pipeline):
        numbered = pipeline | beam.Create(list(enumerate(items))) | beam.Reshuffle()
        outputs = numbered | beam.FlatMap(read_one).with_outputs("report", main="records")
        joined = outputs.report | beam.CombineGlobally(Report.joined)
        _ = joined | "WriteReport" >> beam.Map(Report.write, path)
        return outputs.records

    return read_all()


def describe_failure(name: str, error: str) -> str:
    """A message for people about workers that failed. Beam's last line is the reason."""
    lines = [line.strip() for line in error.splitlines() if line.strip()] or ["no reason given"]
    return (
        f"The workers of Beam could not read {name}: {lines[-1]}. All of them must see the files "
        "and --prepared-dir, and have vrnn_tf installed."
    )
