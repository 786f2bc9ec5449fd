"""The PyTorch models compute our loss and our gradient."""

import numpy as np
import pytest

import reference
import tiny_models
from benchmarks import cases
from vrnn_tf import VRNN


@pytest.mark.parametrize("name", cases.TINY_MODELS)
def test_pytorch_computes_our_loss_and_our_gradient(name):
    torch = pytest.importorskip("torch")
    import tensorflow as tf

    from benchmarks import pytorch_vrnn

    ours = VRNN(**cases.TINY_MODELS[name])
    reference.randomize_weights(ours)
    x = cases.observations(cases.tiny(name))
    noise = tiny_models.posterior_noise(ours, *x.shape[:2])
    with tf.GradientTape() as tape:
        ours({"x": x})
        loss = tf.add_n(ours.losses)
    gradient = tf.linalg.global_norm(tape.gradient(loss, ours.trainable_variables))
    time_major = [np.ascontiguousarray(a.swapaxes(0, 1), "float32") for a in (x, noise)]
    for make in (pytorch_vrnn.VRNN, pytorch_vrnn.HoistedVRNN):
        theirs = make(cases.TINY_MODELS[name])
        pytorch_vrnn.copy_weights(ours, theirs)
        their_loss = theirs(*map(torch.from_numpy, time_major))
        their_loss.backward()
        trained = [part for part in theirs.parameters() if part.requires_grad]
        norm = torch.sqrt(sum(part.grad.square().sum() for part in trained))
        assert sum(part.numel() for part in trained) == ours.count_params() - 1  # training_calls
        np.testing.assert_allclose(their_loss.item(), float(loss), rtol=1e-5)
        np.testing.assert_allclose(norm.item(), float(gradient), rtol=1e-4)
