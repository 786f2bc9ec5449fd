"""What a file makes a process hold."""

import numpy as np
import pytest

import tiny_models
from vrnn_tf.export import LiteModel, export, footprint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not footprint.is_available(), reason="needs /proc/self/smaps"),
]
STEPS = 20
INPUTS = {"seed": 0, "steps": STEPS, "temperature": 1, "latent_temperature": 1, "pen_bias": 0}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    model = tiny_models.make(tiny_models.STROKES, recurrent_units=600)  # 6 MB of weights
    normalization = {"name": "none", "mean": [0.0] * 3, "std": [1.0] * 3}
    folder = tmp_path_factory.mktemp("footprint") / "out"
    export(model, folder, STEPS, normalization, "pixels", quantize=("none",))
    return folder / "model.tflite"


def test_builtin_kernels_and_a_weight_cache_spare_copies_of_the_weights(path):
    held = {k: footprint.measure(path, "generate", INPUTS, k) for k in footprint.KERNELS}
    size = path.stat().st_size
    assert size > 5e6
    assert held["XNNPACK"] > 2.5 * size  # the file, and a copy of its weights for two functions
    for kernels in ("builtin kernels", "XNNPACK, weight cache"):
        assert size < held[kernels] < 2.5 * size


def test_both_kernels_draw_the_same(path):
    default, frugal = (LiteModel(path, kernels=kernels) for kernels in ("xnnpack", "builtin"))
    for a, b in zip(default.generate(3, seed=1), frugal.generate(3, seed=1), strict=True):
        np.testing.assert_allclose(a[:10], b[:10], atol=1e-4)  # rounding grows as it writes


def test_what_does_not_run_is_explained(path, tmp_path):
    with pytest.raises(ValueError, match=r"`kernels` must be one of"):
        footprint.measure(path, "generate", INPUTS, "gpu")
    with pytest.raises(ValueError, match=r"`kernels` must be one of"):
        LiteModel(path, kernels="gpu")
    with pytest.raises(ValueError, match=r"does not run with builtin kernels: KeyError: 'gen'"):
        footprint.measure(path, "gen", INPUTS, "builtin kernels")
