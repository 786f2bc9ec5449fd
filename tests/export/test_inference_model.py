"""The float32 copy of a model that is exported."""

import keras
import numpy as np
import pytest

import tiny_models
from vrnn_tf.export.inference_model import inference_model


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float32"])
def test_the_inference_model_is_float32_with_the_same_weights(policy):
    model = tiny_models.make(stateful_batch_size=2, dtype=policy)
    copy = inference_model(model)
    assert {layer.dtype_policy.name for layer in copy._flatten_layers()} == {"float32"}
    assert copy.stateful_batch_size is None
    for a, b in zip(model.trainable_weights, copy.trainable_weights, strict=True):
        assert a is not b
        np.testing.assert_array_equal(a, b)


def test_the_inference_model_ignores_the_global_policy():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = tiny_models.make()
        copy = inference_model(model)
        assert keras.config.dtype_policy().name == "mixed_float16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.dtype_policy.name for layer in copy._flatten_layers()} == {"float32"}
    np.testing.assert_array_equal(model.trainable_weights[0], copy.trainable_weights[0])


def test_what_cannot_be_exported_is_refused():
    with pytest.raises(TypeError, match=r"must be a vrnn_tf.VRNN. Received a Sequential"):
        inference_model(keras.Sequential())
    model = tiny_models.make()
    weight = model.trainable_weights[-1]
    weight.assign(np.nan * weight)
    with pytest.raises(ValueError, match=r"holds NaN or infinity. Export an earlier checkpoint"):
        inference_model(model)
