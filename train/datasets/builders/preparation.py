"""Opens a builder and lets tfds prepare its records; tells people why that failed."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import absl.logging
import tensorflow_datasets as tfds

from . import workers
from .options import Configuration


def open_builder(cls: Any, configuration: Configuration, prepared_dir: str | Path | None) -> Any:
    """Makes the builder of a data set, which reads what tfds finds of earlier preparations.

    Args:
        cls: a subclass of `Builder`.
        configuration: the configuration that it gets.
        prepared_dir: the folder of prepared records; None for that of tfds.

    Raises:
        ValueError: if the records there are damaged; names their folder.
    """
    try:
        return cls(data_dir=prepared_dir, config=configuration)
    except Exception as error:  # whatever tfds raises
        raise ValueError(
            f"The prepared records of {cls.name} cannot be opened: {error}. Delete the folder "
            f"{cls.name}/{configuration.name} in {prepared_dir or tfds.core.constants.DATA_DIR}; "
            "it is made again from the files."
        ) from None


def write_records(builder: Any, source: Path | None, pipeline: Any) -> None:
    """Reads the files and writes the records in place of those that are there.

    Args:
        builder: the builder.
        source: the folder or the file of the user; None to download.
        pipeline: the options of a Beam pipeline; None to read in this process.

    Raises:
        ValueError: if the files cannot be read, or the records cannot be kept.
    """
    download = tfds.download.DownloadConfig(
        manual_dir=None if source is None else str(source),
        download_mode=tfds.download.GenerateMode.REUSE_CACHE_IF_EXISTS,  # replaces the records
        beam_options=pipeline,
    )
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # tfds prints unknown sizes
            builder.download_and_prepare(download_config=download)
    except Exception as error:
        reason = " ".join(str(error).split())
        if "[while running" in reason:  # Beam adds this to the error of a worker
            raise ValueError(workers.describe_failure(builder.name, str(error))) from None
        if not isinstance(error, (OSError, RuntimeError)):
            raise
        # tfds raises RuntimeError for a full disk.
        raise ValueError(
            f"The records of {builder.name} cannot be kept in {builder._data_dir_root}: "
            f"{reason}. Make room, or choose another folder with --prepared-dir."
        ) from None


@contextlib.contextmanager
def quiet_tfds() -> Iterator[None]:
    """Silences tfds, which warns of every configuration that it was not told of beforehand."""
    verbosity = absl.logging.get_verbosity()
    absl.logging.set_verbosity(absl.logging.ERROR)
    try:
        yield
    finally:
        absl.logging.set_verbosity(verbosity)
