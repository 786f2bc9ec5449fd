"""One model and its export, made once for all tests that only read them."""

import shutil

import pytest

import tiny_exports
from vrnn_tf.export import LiteModel, export


@pytest.fixture(scope="session")
def model():
    return tiny_exports.make_model()


@pytest.fixture(scope="session")
def directory(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "out"
    return export(model, folder, extra_metadata={"alphabet": "abc"}, **tiny_exports.ARGUMENTS)


@pytest.fixture
def copy(directory, tmp_path):
    return shutil.copytree(directory, tmp_path / "copy")


@pytest.fixture
def lite(directory):
    return LiteModel(directory / "model.tflite")
