"""What the tfds builders of this folder have in common.

A builder reads files of a user or of a distributor once, checks them, and keeps what is sound as
TFRecords in raw units, each with what is known about it. A file or a sequence that is malformed is
skipped with a `SkippedFileWarning` and counted, or stops the preparation (`strict`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import math
import sys
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import absl.logging
import numpy as np
import tensorflow_datasets as tfds

from vrnn_tf.media import Medium

from ... import store
from .. import Splits
from ..sources.archives import unpack_once
from ..sources.download import download
from ..sources.fingerprint import digest, fingerprint
from ..sources.folders import find_missing, is_archive, visible_files
from . import workers
from .options import Configuration, NoOptions, make_options, prepared_options
from .reading import Item, Record, read_file
from .report import REPORTED, DataWarning, Report, SkippedFileWarning, printable


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """A data set read from files; see the module.

    A subclass sets the class attributes and overrides `splits`, `read`, `features`, `sequences` and
    `medium`; those of one kind share a parent (`pen`, `audio`, `pianoroll`, `text`).

    Attributes:
        KIND: of its medium, see `vrnn_tf.media`.
        SUMMARY: one line for people.
        LAYOUT: what to fetch, where to put it, and what the folder then looks like.
        DOWNLOADS: `{file name: (url, sha256)}` of what can be fetched without a licence to sign.
        SUFFIXES: of the files it reads, lower case; others in the folder do not matter.
        Options: frozen dataclass of what a user can choose, each with its default.
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

    def __init_subclass__(cls, skip_registration: bool = False, **kwargs):
        if "LAYOUT" in vars(cls):
            cls.MANUAL_DOWNLOAD_INSTRUCTIONS = cls.LAYOUT
        # tfds knows a name once; from the checkout this file can also be imported as `train`.
        known_by_its_name = cls.__module__.startswith("vrnn_tf.")
        super().__init_subclass__(skip_registration or not known_by_its_name, **kwargs)

    def __init__(self, **kwargs):
        with quiet_tfds():
            super().__init__(**kwargs)
        self._uses_beam = False
        self._reports: list[Path] = []  # of the workers
        self._counts: Counter[str] = Counter()  # of what `read` counts

    # --- what a subclass says --------------------------------------------------------------------

    def splits(self, folder: Path) -> dict[str, list[Item]]:
        """The files of each split ("train", "validation", "test"), in any order.

        Args:
            folder: what `LAYOUT` describes, archives unpacked if `unpack` was called.

        Raises:
            ValueError: if something is missing; names it and adds `help()`.
        """
        raise NotImplementedError

    def read(self, item: Item) -> Iterable[tuple[str, Record | ValueError | Counter[str]]]:
        """Yields `(name in the file, record)`.

        In place of a record can be an error, which is counted as skipped, or a `Counter` of what
        the facts shall count. With Beam it is a worker that reads: nothing that `splits` left in
        the builder is there but what `item` holds.

        Raises:
            Exception: of any kind, if the file as a whole cannot be read.
        """
        raise NotImplementedError

    def features(self) -> dict[str, Any]:
        """The tfds features of a record."""
        raise NotImplementedError

    def sequences(self, record: Mapping[str, Any]) -> list[np.ndarray]:
        """The training sequences `[T, D]`, raw units, of one record."""
        raise NotImplementedError

    def medium(self) -> Medium:
        """What the numbers of `sequences` mean."""
        raise NotImplementedError

    def counted(self, counts: Counter[str]) -> dict[str, Any]:
        """JSON-able facts from what `read` counted, all files together.

        Raises:
            ValueError: if they cannot be of a data set of this kind.
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
        """Reads the files, unless that was done before and they are the same; returns the builder.

        Args:
            data_dir: the folder that `LAYOUT` describes, or one that holds it under the name of the
                data set. None: download, if that is possible.
            prepared_dir: for the records; `$TFDS_DATA_DIR` or ~/tensorflow_datasets if None.
            strict: whether a malformed file stops the preparation.
            beam: read with the workers of an Apache Beam pipeline that has these options, for
                example `{"direct_num_workers": 8, "direct_running_mode": "multi_processing"}`. All
                workers must see the files and `prepared_dir`. The records are the same.
            **options: of `Options`.

        Raises:
            ValueError: if an option is unknown, a file is missing, or nothing could be read.
        """
        chosen = make_options(cls, options)
        pipeline = None if beam is None else workers.pipeline_options(beam)
        source = cls._find(data_dir)
        configuration = Configuration(
            name=digest(prepared_options(chosen), None if source is None else str(source)),
            version=cls.VERSION,
            source=source,
            fingerprint=None if source is None else fingerprint(source, cls.SUFFIXES),
            options=chosen,
            strict=strict,
        )
        try:
            builder = cls(data_dir=prepared_dir, config=configuration)
        except Exception as error:  # tfds reads what it finds there
            raise ValueError(
                f"The prepared records of {cls.name} cannot be opened: {error}. Delete the folder "
                f"{cls.name}/{configuration.name} in {prepared_dir or tfds.core.constants.DATA_DIR}"
                "; it is made again from the files."
            ) from None
        if not builder._is_current():
            if source is not None and not source.exists():
                raise ValueError(f"{source} does not exist. {cls.help()}")
            mode = tfds.download.GenerateMode.REUSE_CACHE_IF_EXISTS  # replaces the records
            download = tfds.download.DownloadConfig(
                manual_dir=None if source is None else str(source),
                download_mode=mode,
                beam_options=pipeline,
            )
            builder._uses_beam = pipeline is not None
            if not sys.stderr.isatty():
                tfds.disable_progress_bar()
            try:
                with contextlib.redirect_stdout(io.StringIO()):  # tfds prints unknown sizes
                    builder.download_and_prepare(download_config=download)
            except Exception as error:
                reason = " ".join(str(error).split())
                if "[while running" in reason:  # what Beam adds to the error of a worker
                    raise ValueError(workers.describe_failure(cls.name, str(error))) from None
                if not isinstance(error, (OSError, RuntimeError)):
                    raise
                # tfds says RuntimeError for a full disk.
                raise ValueError(
                    f"The records of {cls.name} cannot be kept in {builder._data_dir_root}: "
                    f"{reason}. Make room, or choose another folder with --prepared-dir."
                ) from None
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
        """Prepares if needed, and reads the splits.

        Args:
            num_train: at most so many sequences of the training split (they are stored in an order
                that is random and always the same); None for all.
            num_validation: the same for validation.
            seed: not used: nothing here is drawn.
            test: whether to read the test split too.
            memory: bytes that a split may take; of a larger one sequences stay on disk, beside the
                records.
            data_dir, prepared_dir, strict, options: of `prepare`.
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
        """An instance of `Options`."""
        return self.Options() if self._configuration is None else self._configuration.options

    def records(self, split: str) -> Iterator[dict[str, Any]]:
        """The records of a split, always in the same order; none if there is no such split.

        Raises:
            ValueError: if the records are damaged.
        """
        if split not in self.info.splits:
            return
        import tensorflow as tf

        order = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
        try:
            yield from tfds.as_numpy(self.as_dataset(split=split, read_config=order))
        except tf.errors.OpError as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(
                f"The prepared records in {self.data_dir} are damaged: {reason}. Delete that "
                "folder; it is made again from the files."
            ) from None

    def all_sequences(self, split: str, limit: int | None = None) -> Iterator[np.ndarray]:
        """The sequences of a split, at most `limit`."""
        count = empty = 0
        for record in self.records(split):
            found = self.sequences(record)
            empty += not found
            for x in found:
                if limit is not None and count >= limit:
                    return
                yield x
                count += 1
        if empty:
            told = f"{empty} records of the {split} split of {self.name} are too short for a step"
            warnings.warn(told, DataWarning, stacklevel=2)

    def facts(self) -> dict[str, Any]:
        """JSON-able: how many records each split has, what was skipped, and what `note` kept."""
        counts = {name: split.num_examples for name, split in self.info.splits.items()}
        return {"records": counts, **(self.info.metadata or {})}

    def note(self, **facts: Any) -> None:
        """Keeps JSON-able facts with the prepared records; for `splits` and `read`."""
        self.info.metadata.update(facts)

    def unpack(self, folder: Path, *needed: str, suffixes: Collection[str] = ()) -> Path:
        """`folder`, or where its archives were unpacked if they, and not it, hold what is needed.

        Archives that lie beside what is needed are not opened; a warning says so.

        Args:
            folder: that of the user; never written to.
            *needed: names of files or folders directly below it.
            suffixes: there must be a file at any depth with one of them, if they are given.

        Raises:
            ValueError: if something is in neither; names it and says where help is.
        """
        archives = sorted(p for p in visible_files(folder, recursive=False) if is_archive(p))
        missing = find_missing(folder, needed, suffixes)
        if not missing:
            if archives:
                told = f"archives beside the data are not read: {[p.name for p in archives]}"
                self.note(not_read=told)
                warnings.warn(f"{folder}: {told}", DataWarning, stacklevel=2)
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
    def help(cls) -> str:
        """A sentence that ends an error about missing files."""
        return f"`vrnn data info {cls.name}` shows what to fetch and where to put it."

    # --- tfds -------------------------------------------------------------------------------------

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.SUMMARY,
            features=tfds.features.FeaturesDict(self.features()),
            homepage=self.HOMEPAGE or None,
            citation=self.CITATION,
            license=self.LICENSE,
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager):
        configuration = self._configuration or Configuration(name="default")
        source = configuration.source
        self.info.metadata.clear()  # of an earlier preparation
        self.note(skipped={"count": 0, "files": {}}, fingerprint=configuration.fingerprint)
        self._counts.clear()
        if source is None and self.DOWNLOADS:
            source = self._download()
        folder = Path(dl_manager.manual_dir) if source is None else source
        splits = {name: self._once(name, items) for name, items in self.splits(folder).items()}
        if not splits.get("train"):
            raise ValueError(f"{folder} holds no training data of {self.name}. {self.help()}")
        if not self._uses_beam:
            return {name: self._generate_examples(name, items) for name, items in splits.items()}
        for name, items in splits.items():  # now, and not each worker in words of its own
            any(not isinstance(found, Report) for found in self._read_here(name, items))
        self._reports = [Path(self.data_dir) / f"{name}.report.json" for name in splits]
        return {
            name: workers.read_files(self.read, items, path)
            for (name, items), path in zip(splits.items(), self._reports, strict=True)
        }

    def _once(self, split: str, items: Iterable[Item]) -> list[Item]:
        """The files without those whose name an earlier one has."""
        first: dict[str, Item] = {}
        for item in items:
            if first.setdefault(printable(item.name), item) is not item:
                self._skip(item.path, "", ValueError(f"the {split} split has another {item.name}"))
        return list(first.values())

    def _generate_examples(self, split: str, items: Sequence[Item]):
        """Reads the files here, one after the other."""
        for found in self._read_here(split, items):
            if isinstance(found, Report):
                self._account(found)
            else:
                yield found

    def _read_here(
        self, split: str, items: Sequence[Item]
    ) -> Iterator[tuple[str, Record] | Report]:
        """What `read_file` finds in the files of a split, of which one record must be sound."""
        sound, report = False, Report()
        for number, item in enumerate(items):
            for found in read_file(self.read, number, item):
                if isinstance(found, Report):
                    report = Report.joined((report, found))
                else:
                    sound = True
                yield found
        if not sound:
            first = f" The first: {': '.join(report.reasons[0][1:])}" if report.reasons else ""
            raise ValueError(
                f"None of the {len(items)} files of the {split} split of {self.name} could be "
                f"read: mend them, or remove them so that others take their place.{first}"
            )

    def _process_pipeline_result(self, pipeline_result) -> None:
        """Takes in what the workers of Beam found."""
        for path in self._reports:
            self._account(Report.from_file(path))
            path.unlink()

    def _download_and_prepare(self, dl_manager, download_config) -> None:
        super()._download_and_prepare(dl_manager, download_config)
        self.note(**self.counted(self._counts))

    def _skip(self, path: Path, name: str, error: Exception) -> None:
        report = Report()
        report.skip(0, path, name, error)
        self._account(report)

    def _account(self, report: Report) -> None:
        """Keeps with the records what was found beside them, and warns of it."""
        skipped = self.info.metadata["skipped"]
        for _, where, reason in report.reasons:
            if self._configuration is not None and self._configuration.strict:
                raise ValueError(f"{where} is malformed: {reason}")
            if len(skipped["files"]) < REPORTED:
                skipped["files"][where] = reason
                warnings.warn(f"skipped {where}: {reason}", SkippedFileWarning, stacklevel=2)
        skipped["count"] += report.skipped
        self._counts.update(report.counts)

    @property
    def _configuration(self) -> Configuration | None:
        config = self.builder_config
        return config if isinstance(config, Configuration) else None

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
        """Whether the records are there, and the files have not changed since they were read."""
        if not Path(self.data_dir).is_dir():
            return False
        before, now = self.info.metadata or {}, self._configuration or Configuration(name="")
        if now.strict and before.get("skipped", {}).get("count"):
            return False  # reads again to stop at what was skipped
        return now.fingerprint in (None, before.get("fingerprint"))

    def _download(self) -> Path:
        """Fetches `DOWNLOADS` into a folder of the prepared data, checked; returns the folder."""
        folder = Path(self._data_dir_root) / "downloads" / self.name
        download(self.DOWNLOADS, folder)
        return folder


@contextlib.contextmanager
def quiet_tfds() -> Iterator[None]:
    """tfds warns of every configuration that it does not know beforehand."""
    verbosity = absl.logging.get_verbosity()
    absl.logging.set_verbosity(absl.logging.ERROR)
    try:
        yield
    finally:
        absl.logging.set_verbosity(verbosity)
