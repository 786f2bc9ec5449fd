"""What metadata.json says, and how damage to it is explained."""

import json

import numpy as np
import pytest

from tiny_exports import MAX_STEPS, NORMALIZATION
from vrnn_tf.export import metadata


def test_the_metadata_says_how_to_use_the_files(directory, model):
    read = metadata.read(directory / "metadata.json")
    assert read["max_steps"] == MAX_STEPS
    assert read["event_size"] == 3
    assert read["end_mark"] == [2, 2.0]
    assert read["normalization"] == NORMALIZATION
    assert read["units"] == "pixels"
    assert read["extra"] == {"alphabet": "abc"}
    assert read["options"]["temperature"] == {"default": 1.0, "range": [0.0, 100.0]}
    assert read["signatures"]["generate"]["outputs"] == [
        {"name": "x", "dtype": "float32", "shape": ["B", MAX_STEPS, 3]},
        {"name": "length", "dtype": "int32", "shape": ["B"]},
    ]
    sizes = {weight.path: np.prod(weight.shape) for weight in model.trainable_weights}
    assert read["parameter_bytes"] == 4 * sum(sizes.values())
    assert "saved_model/1/saved_model.pb" in read["files"]
    assert {"vrnn_tf", "tensorflow", "keras"} <= set(read["versions"])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "other", r"must have 'format': 'vrnn_tf.export'. Received 'other'"),
        ("format_version", 99, r"has format_version 99; this vrnn_tf reads 1"),
        ("max_steps", "12", r"'max_steps' in .* must be a positive integer. Received '12'"),
        ("max_steps", None, r"'max_steps' in .* The key is missing"),
        ("event_size", True, r"'event_size' in .* must be a positive integer"),
        ("end_mark", [1], r"'end_mark' in .* must be null or \[feature, value\]"),
        ("options", {"temperature": 1.0}, r"'options' in .* must be an object of"),
        ("signatures", {"generate": {}}, r"'signatures' in .* must be an object of"),
        ("normalization", {"mean": [0.0] * 3}, r"'normalization' in .* has name, mean and std"),
        ("normalization", {"name": "paper", "mean": 0, "std": 1}, r"must be lists of numbers"),
        ("normalization", {**NORMALIZATION, "std": [1.0, 0.0, 1.0]}, r"must be a number > 0"),
        ("normalization", {"name": "none", "mean": [0.0], "std": [1.0]}, r"each of 3 features"),
        ("files", {"model.tflite": "abc"}, r"'files' in .* must be"),
    ],
)
def test_bad_metadata_is_explained(directory, tmp_path, key, value, message):
    read = json.loads((directory / "metadata.json").read_text())
    read[key] = value
    if value is None:
        del read[key]
    path = metadata.write(read, tmp_path)
    with pytest.raises(ValueError, match=message):
        metadata.read(path)


def test_missing_metadata_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"Cannot read .*metadata.json"):
        metadata.read(tmp_path / "metadata.json")
