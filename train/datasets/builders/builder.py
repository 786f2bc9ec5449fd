"""The tfds builder of all data sets that are read from files.

A builder reads the files of a user or of a distributor once and checks them. It keeps the sound
records as TFRecords in raw units, each with its text, writer or title if they are known. It skips a
malformed file or sequence with a `SkippedFileWarning` and counts it. With `strict` it stops there.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from vrnn_tf.media import Medium

from ... import store
from .. import Splits
from ..sources.archives import unpack_once
from ..sources.fingerprint import digest, fingerprint
from ..sources.folders import find_missing, is_archive, visible_files
from . import workers
from .options import Configuration, NoOptions, make_options, prepared_options
from .preparation import open_builder, write_records
from .reading import Item, Record
from .report import DataWarning, Report
from .tfds_hooks import TfdsHooks


class Builder(TfdsHooks, skip_registration=True):
    """A data set that is read from files; see the module.

    A subclass sets the class attributes and overrides `splits`, `read`, `features`, `sequences` and
    `medium`. Data sets of one kind share a parent, which overrides the last three (see `pen`,
    `audio`, `pianoroll`, `text`).

    Attributes:
        KIND: the kind of its medium, see `vrnn_tf.media`.
        SUMMARY: one line for people.
        LAYOUT: what to fetch, where to put it, and what the folder then looks like.
        DOWNLOADS: `{file name: (url, sha256)}` of files that can be fetched without signing a
            licence.
        SUFFIXES: the suffixes of the files that it reads, in lower case. Other files in the folder
            do not matter.
        Options: a frozen dataclass of the user's choices, each with its default.

    Example:

    `PenBuilder` shows a whole data set. Every data set of the package can be asked what it is.

    >>> from vrnn_tf.train import datasets
    >>> chorales = datasets.get("jsb_chorales")
    >>> chorales.KIND, chorales.SUFFIXES
    ('pianoroll', ('.mat',))
    """

    VERSION = tfds.core.Version("1.0.0")
    KIND: ClassVar[str]
    SUMMARY: ClassVar[str]
    CITATION: ClassVar[str] = ""
    LICENSE: ClassVar[str] = ""
    HOMEPAGE: ClassVar[str] = ""
    LAYOUT: ClassVar[str]
    DOWNLOADS: ClassVar[Mapping[str, tuple[str, str]]] = {}
    SUFFIXES: ClassVar[tuple[str, ...]]
    Options: ClassVar[type] = NoOptions

    # --- what a subclass overrides ----------------------------------------------------------------

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        """The files of each split ("train", "validation", "test"), in any order.

        Args:
            folder: the folder that `LAYOUT` describes. Call `unpack` if it may hold archives.

        Raises:
            ValueError: if something is missing; names it and adds `help()`.
        """
        raise NotImplementedError

    def read(self, item: Item) -> Iterable[tuple[str, Record | ValueError | Counter[str]]]:
        """Yields `(name in the file, record)`.

        In place of a record it can yield a ValueError, which is counted as skipped, or a `Counter`,
        which is summed up for `counted`. With Beam a worker reads. It has the `item`, but no
        attribute that `splits` set on the builder.

        Raises:
            Exception: of any kind, if the file as a whole cannot be read.
        """
        raise NotImplementedError

    def features(self) -> dict[str, Any]:
        """The tfds features of a record."""
        raise NotImplementedError

    def sequences(self, record: Mapping[str, Any]) -> list[np.ndarray]:
        """The training sequences `[T, D]` of one record, in raw units."""
        raise NotImplementedError

    def medium(self) -> Medium:
        """What the numbers of `sequences` mean."""
        raise NotImplementedError

    def counted(self, counts: Counter[str]) -> dict[str, Any]:
        """JSON-able facts made from everything that `read` counted.

        Raises:
            ValueError: if a data set of this kind cannot have these counts.
        """
        return dict(counts)

    # --- use --------------------------------------------------------------------------------------

    @classmethod
    def prepare(
        cls,
        data_dir: str | Path | None = None,
        prepared_dir: str | Path | None = None,
        strict: bool = False,
        beam: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Builder:
        """Returns the builder. It reads the files first, unless it has read the same files before.

        Args:
            data_dir: the folder that `LAYOUT` describes, or one that holds it under the name of the
                data set. None: download, if that is possible.
            prepared_dir: where the records are kept; `$TFDS_DATA_DIR` or ~/tensorflow_datasets if
                None.
            strict: whether a malformed file stops the preparation.
            beam: the options of an Apache Beam pipeline whose workers read the files, for example
                `{"direct_num_workers": 8, "direct_running_mode": "multi_processing"}`. All workers
                must see the files and `prepared_dir`. The records are the same.
            **options: the fields of `Options`.

        Raises:
            ValueError: if an option is unknown, a file is missing, or nothing could be read.
        """
        choices = make_options(cls, options)
        pipeline = None if beam is None else workers.pipeline_options(beam)
        source = cls._find(data_dir)
        configuration = Configuration(
            name=digest(prepared_options(choices), None if source is None else str(source)),
            version=cls.VERSION,
            source=source,
            fingerprint=None if source is None else fingerprint(source, cls.SUFFIXES),
            options=choices,
            strict=strict,
        )
        builder = open_builder(cls, configuration, prepared_dir)
        if not builder._is_current():
            if source is not None and not source.exists():
                raise ValueError(f"{source} does not exist. {cls.help()}")
            builder._uses_beam = pipeline is not None
            write_records(builder, source, pipeline)
        return builder

    @classmethod
    def load(
        cls,
        num_train: int | None = None,
        num_validation: int | None = None,
        seed: int = 0,
        test: bool = False,
        data_dir: str | Path | None = None,
        prepared_dir: str | Path | None = None,
        strict: bool = False,
        memory: float = math.inf,
        **options: Any,
    ) -> Splits:
        """Prepares the records if needed, and returns the sequences of the splits.

        Args:
            num_train: how many sequences of the training split to take at most; None for all. The
                records are stored in an order that is random and always the same.
            num_validation: the same for validation.
            seed: not used, for nothing is drawn.
            test: whether to read the test split too.
            memory: how many bytes a split may take. The sequences of a larger split stay on disk,
                beside the records.
            data_dir, prepared_dir, strict, options: the arguments of `prepare`.
        """
        builder = cls.prepare(data_dir, prepared_dir, strict, **options)

        def read(split: str, limit: int | None = None) -> Sequence[np.ndarray]:
            name = f"sequences-{split}-{digest(dataclasses.asdict(builder.options), limit)}"
            folder = Path(builder.data_dir) / name
            return store.collect(builder.all_sequences(split, limit), memory, folder)

        return Splits(
            train=read("train", num_train),
            validation=read("validation", num_validation),
            test=read("test") if test else [],
            medium=builder.medium(),
            facts=builder.facts(),
        )

    @property
    def options(self) -> Any:
        """The instance of `Options` that the user chose."""
        return self.Options() if self._configuration is None else self._configuration.options

    def records(self, split: str) -> Iterator[dict[str, Any]]:
        """Yields the records of a split, always in the same order; none if there is no such split.

        Raises:
            ValueError: if the records are damaged.
        """
        if split not in self.info.splits:
            return
        import tensorflow as tf

        in_order = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
        try:
            yield from tfds.as_numpy(self.as_dataset(split=split, read_config=in_order))
        except tf.errors.OpError as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(
                f"The prepared records in {self.data_dir} are damaged: {reason}. Delete that "
                "folder; it is made again from the files."
            ) from None

    def all_sequences(self, split: str, limit: int | None = None) -> Iterator[np.ndarray]:
        """Yields the sequences of a split, at most `limit` of them."""
        count = too_short = 0
        for record in self.records(split):
            sequences = self.sequences(record)
            too_short += not sequences
            for x in sequences:
                if limit is not None and count >= limit:
                    return
                yield x
                count += 1
        if too_short:
            message = (
                f"{too_short} records of the {split} split of {self.name} are too short for a step"
            )
            warnings.warn(message, DataWarning, stacklevel=2)

    def facts(self) -> dict[str, Any]:
        """JSON-able facts: the number of records of each split, what was skipped, all `note`s."""
        counts = {name: split.num_examples for name, split in self.info.splits.items()}
        return {"records": counts, **(self.info.metadata or {})}

    @classmethod
    def needs(cls) -> str:
        """What a user has to bring, for people."""
        return "download or files" if cls.DOWNLOADS else "files"

    @classmethod
    def help(cls) -> str:
        """A sentence that ends an error about missing files."""
        return f"`vrnn data info {cls.name}` shows what to fetch and where to put it."

    # --- what a subclass may call in `splits` -----------------------------------------------------

    def note(self, **facts: Any) -> None:
        """Keeps JSON-able facts with the prepared records."""
        self.info.metadata.update(facts)

    def skip(self, path: Path, name: str, error: Exception) -> None:
        """Reports a file, or the sequence called `name` in it, as malformed."""
        report = Report()
        report.skip(0, path, name, error)
        self._account_for(report)

    def unpack(self, folder: Path, *needed: str, suffixes: Collection[str] = ()) -> Path:
        """Returns the folder that holds what is needed: `folder`, or that of its unpacked archives.

        Archives beside the needed files are not opened. A warning says so.

        Args:
            folder: the folder of the user. Nothing is written to it.
            *needed: names of files or folders directly below it.
            suffixes: if given, a file at any depth must have one of them.

        Raises:
            ValueError: if something is in neither; names it and adds `help()`.
        """
        archives = sorted(p for p in visible_files(folder, recursive=False) if is_archive(p))
        missing = find_missing(folder, needed, suffixes)
        if not missing:
            if archives:
                names = [path.name for path in archives]
                message = f"archives beside the data are not read: {names}"
                self.note(not_read=message)
                warnings.warn(f"{folder}: {message}", DataWarning, stacklevel=2)
            return folder
        if archives:
            unpacked = unpack_once(archives, Path(self._data_dir_root) / ".extracted" / self.name)
            missing = find_missing(unpacked, needed, suffixes)
            if not missing:
                return unpacked
        raise ValueError(
            f"{missing} is missing in {folder}{' and in its archives' if archives else ''}. "
            f"{self.help()}"
        )

    @classmethod
    def _find(cls, data_dir: str | Path | None) -> Path | None:
        """The user's folder, absolute; None to download."""
        if data_dir is None:
            if cls.DOWNLOADS:
                return None
            raise ValueError(f"{cls.name} needs --data-dir. {cls.help()}")
        folder = Path(data_dir).expanduser().resolve()
        return folder / cls.name if (folder / cls.name).is_dir() else folder

    def _is_current(self) -> bool:
        """Whether the records exist and the files have not changed since they were read."""
        if not Path(self.data_dir).is_dir():
            return False
        facts = self.info.metadata or {}
        configuration = self._configuration or Configuration(name="")
        if configuration.strict and facts.get("skipped", {}).get("count"):
            return False  # reads again, to stop at the malformed file
        return configuration.fingerprint in (None, facts.get("fingerprint"))
