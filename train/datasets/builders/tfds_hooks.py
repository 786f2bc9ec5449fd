"""What tfds calls while it prepares the records of a `Builder`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from ..sources.download import download
from . import reading, workers
from .options import Configuration
from .preparation import quiet_tfds
from .reading import Item
from .report import Report, printable


class TfdsHooks(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """The private half of `Builder`, which declares everything that is used here."""

    def __init_subclass__(cls, skip_registration: bool = False, **kwargs):
        if "LAYOUT" in vars(cls):
            cls.MANUAL_DOWNLOAD_INSTRUCTIONS = cls.LAYOUT
        # tfds takes a name once. In the checkout a module can also be imported as `train`.
        is_installed = cls.__module__.startswith("vrnn_tf.")
        super().__init_subclass__(skip_registration or not is_installed, **kwargs)

    def __init__(self, **kwargs):
        with quiet_tfds():
            super().__init__(**kwargs)
        self._uses_beam = False
        self._report_paths: list[Path] = []  # one for each split that workers read
        self._counts: Counter[str] = Counter()  # what `read` counts, all files together

    @property
    def _configuration(self) -> Configuration | None:
        config = self.builder_config
        return config if isinstance(config, Configuration) else None

    # --- what tfds calls --------------------------------------------------------------------------

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

    def _download_and_prepare(self, dl_manager, download_config) -> None:
        super()._download_and_prepare(dl_manager, download_config)
        self.note(**self.counted(self._counts))

    def _split_generators(self, dl_manager):
        configuration = self._configuration or Configuration(name="default")
        self.info.metadata.clear()  # it may hold the facts of an earlier preparation
        self.note(skipped={"count": 0, "files": {}}, fingerprint=configuration.fingerprint)
        self._counts.clear()
        folder = configuration.source
        if folder is None:
            folder = self._download() if self.DOWNLOADS else Path(dl_manager.manual_dir)
        splits = {
            name: self._drop_doubles(name, files) for name, files in self.splits(folder).items()
        }
        if not splits.get("train"):
            raise ValueError(f"{folder} holds no training data of {self.name}. {self.help()}")
        if self._uses_beam:
            return self._split_workers(splits)
        return {name: self._generate_examples(name, items) for name, items in splits.items()}

    def _split_workers(self, splits: Mapping[str, Sequence[Item]]) -> dict[str, Any]:
        for name, items in splits.items():
            # Reads up to the first sound record: if there is none, the error comes from here and
            # not from each worker.
            any(not isinstance(result, Report) for result in self._read_here(name, items))
        self._report_paths = [Path(self.data_dir) / f"{name}.report.json" for name in splits]
        return {
            name: workers.read_files(self.read, items, path)
            for (name, items), path in zip(splits.items(), self._report_paths, strict=True)
        }

    def _process_pipeline_result(self, pipeline_result) -> None:
        """Takes in the reports of the workers of Beam."""
        for path in self._report_paths:
            self._account_for(Report.from_file(path))
            path.unlink()

    def _generate_examples(self, split: str, items: Sequence[Item]):
        for result in self._read_here(split, items):
            if isinstance(result, Report):
                self._account_for(result)
            else:
                yield result

    # --- the parts of it --------------------------------------------------------------------------

    def _download(self) -> Path:
        """Fetches `DOWNLOADS` into a folder beside the records, and returns that folder."""
        folder = Path(self._data_dir_root) / "downloads" / self.name
        download(self.DOWNLOADS, folder)
        return folder

    def _drop_doubles(self, split: str, items: Iterable[Item]) -> list[Item]:
        """The files without those whose name an earlier file has; they are reported."""
        first: dict[str, Item] = {}
        for item in items:
            if first.setdefault(printable(item.name), item) is not item:
                self.skip(item.path, "", ValueError(f"the {split} split has another {item.name}"))
        return list(first.values())

    def _read_here(self, split: str, items: Sequence[Item]):
        return reading.read_files(self.read, items, f"the {split} split of {self.name}")

    def _account_for(self, report: Report) -> None:
        """Keeps a report with the records, and warns of what it holds."""
        is_strict = self._configuration is not None and self._configuration.strict
        report.add_to(self.info.metadata["skipped"], is_strict)
        self._counts.update(report.counts)
