"""TFLite files as flatbuffers."""

from vrnn_tf.export import flatbuffer


def test_compaction_keeps_only_what_is_needed(directory):
    content = (directory / "model.tflite").read_bytes()
    assert flatbuffer.compact(content) == content
    assert content.count(b"TensorArray") == 0
