"""The SavedModel runs through the C API, without Python TensorFlow."""

import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from serving_requests import (
    NAME,
    NAMES,
    WRONG_SHAPES,
    arrays_for,
    assert_close,
    one,
    signature_defs,
)

pytestmark = pytest.mark.slow  # a model is exported and served

ROOT = pathlib.Path(__file__).parents[3]


def through_c(saved_model, requests, folder):
    """The answers of tests/c_api.py to `[(signature name, inputs)]`: arrays, or a message."""
    definitions, translated = signature_defs(saved_model), []
    for name, inputs in requests:
        tensors = {key: tensor.name for key, tensor in definitions[name].inputs.items()}
        given = {
            tensors[key]: [str(np.asarray(array).dtype), np.asarray(array).tolist()]
            for key, array in inputs.items()
        }
        outputs = [tensor.name for tensor in definitions[name].outputs.values()]
        translated.append({"inputs": given, "outputs": outputs})
    paths = [folder / "requests.json", folder / "answers.json"]
    paths[0].write_text(json.dumps(translated))
    libraries = os.path.dirname(tf.__file__)
    command = [sys.executable, ROOT / "tests" / "c_api.py", libraries, saved_model, *paths]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(paths[1].read_text())
    assert report["modules"] == []
    for (name, _), answer in zip(requests, report["answers"], strict=True):
        if "error" in answer:
            yield answer["error"]
        else:
            outputs = answer["outputs"]
            yield {key: np.array(outputs[t.name]) for key, t in definitions[name].outputs.items()}


def test_the_c_api_runs_it_without_python_tensorflow(served, functions, tmp_path):
    requests = [(name, arrays_for(name)) for name in NAMES]
    wrong = [(name, {**arrays_for(name, 1), **bad}) for name, bad in WRONG_SHAPES.values()]
    wrong.append(("generate", {**one(), "seed": np.zeros(1, "float32")}))
    nobody = {key: array[:0] for key, array in one().items()}
    answers = list(
        through_c(served / NAME / "1", [*requests, *wrong, ("generate", nobody)], tmp_path)
    )
    for (name, arrays), answer in zip(requests, answers, strict=False):
        assert_close(answer, functions[name](**arrays))
    for case, answer in zip([*WRONG_SHAPES, "a dtype"], answers[len(requests) : -1], strict=True):
        assert isinstance(answer, str), case
        expected = r"not compatible with expected shape|as many rows as each other|to be int32 but"
        assert re.search(expected, answer), (case, answer)
    assert len(answers[-1]["length"]) == 0
