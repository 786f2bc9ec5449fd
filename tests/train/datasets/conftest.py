"""The data sets that these tests prepare, and what they read in files of handwriting."""

import functools

import pytest

from ink_files import contents
from number_files import GOOD, Numbers, write


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "data", a=GOOD, b=GOOD)


@pytest.fixture
def prepare(tmp_path):
    return functools.partial(Numbers.prepare, prepared_dir=tmp_path / "prepared")


@pytest.fixture
def read(tmp_path):
    return functools.partial(contents, unused=tmp_path / "unused")


@pytest.fixture
def prepare_corpus(tmp_path):
    def run(cls, folder=tmp_path / "d", **arguments):
        return cls.prepare(folder, prepared_dir=tmp_path / "prepared", **arguments)

    return run
