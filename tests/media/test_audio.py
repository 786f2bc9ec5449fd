"""Sound as files that other programs read."""

import wave

import numpy as np
import soundfile

from vrnn_tf import media

MEDIUM = media.Audio(8000, 40)
TONE = (0.5 * np.sin(np.arange(4000) / 7)).reshape(100, 40).astype(np.float32)


def test_a_wav_holds_the_samples_in_order(tmp_path):
    path = MEDIUM.save(tmp_path / "a.wav", [TONE])
    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (1, 2, 8000, TONE.size)  # mono, 16 bits
        integers = np.frombuffer(file.readframes(TONE.size), "<i2")
    np.testing.assert_allclose(integers / 32768, TONE.reshape(-1), atol=1 / 32768)
    samples, rate = soundfile.read(path)
    assert rate == 8000
    np.testing.assert_allclose(samples, TONE.reshape(-1), atol=1 / 32768)


def test_sounds_are_half_a_second_apart_and_do_not_wrap_around(tmp_path):
    medium = media.Audio(1000, 2)
    loud = np.array([[1.0, -1.0], [3.0, -3.0]])
    samples, _ = soundfile.read(medium.save(tmp_path / "a.wav", [loud, 0.5 * loud]))
    first, silence, second = np.split(samples, [4, 504])
    np.testing.assert_allclose(first, [1, -1, 1, -1], atol=1e-4)
    assert not silence.any()
    np.testing.assert_allclose(second, [0.5, -0.5, 1, -1], atol=1e-4)
