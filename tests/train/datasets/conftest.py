"""A folder of the data set of numbers, and a function that prepares it."""

import functools

import pytest
from number_files import GOOD, Numbers, write


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "data", a=GOOD, b=GOOD)


@pytest.fixture
def prepare(tmp_path):
    return functools.partial(Numbers.prepare, prepared_dir=tmp_path / "prepared")
