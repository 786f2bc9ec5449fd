"""A SavedModel is loaded only if it does nothing but compute."""

import pytest
import tensorflow as tf

from vrnn_tf.export.verify.loading import load_saved_model


@pytest.mark.parametrize(
    ("reach", "operation"),
    [
        (lambda path: tf.io.write_file(path, "x"), "WriteFile"),
        (lambda path: next(iter(tf.data.TextLineDataset(path))), "TextLineDataset"),
        *(
            pytest.param(reach, operation, marks=pytest.mark.slow)
            for reach, operation in (
                (lambda path: tf.io.read_file(path), "ReadFile"),
                (lambda path: tf.numpy_function(lambda: 1.0, [], tf.float32), "PyFunc"),
                (lambda path: tf.print(path), "PrintV2"),
                (lambda path: tf.raw_ops.SummaryWriter(), "SummaryWriter"),
            )
        ),
    ],
)
def test_a_saved_model_that_does_more_than_compute_is_not_loaded(reach, operation, tmp_path):
    class Reaching(tf.Module):
        @tf.function(input_signature=[])
        def reach(self):
            reach(str(tmp_path / "written"))

    tf.saved_model.save(Reaching(), str(tmp_path / "model"))
    with pytest.raises(ValueError, match=f"it uses .*{operation}"):
        load_saved_model(tmp_path / "model")
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is not a SavedModel that can be loaded"):
        load_saved_model(tmp_path / "model")
    assert not (tmp_path / "written").exists()
