"""A likelihood from outside of the package does all that the built-in ones do."""

from unittest import mock

import keras
import numpy as np
import pytest
import scipy.stats
import soundfile

from vrnn_tf import likelihoods
from vrnn_tf.distributions import tfd
from vrnn_tf.export import export, verify
from vrnn_tf.likelihoods.likelihood import _REGISTRY
from vrnn_tf.packing import Packing
from vrnn_tf.train import run
from vrnn_tf.train.config import TrainConfig

ops = keras.ops
MAX_STEPS = 4


class Laplace(likelihoods.Likelihood):
    """Independent Laplace variables: heavier tails than a Gaussian's."""

    description = "samples"
    media = ("audio",)
    example_arguments = "'event_size': 200"
    scale_names = ("raw_scale",)

    def __init__(self, event_size: int):
        super().__init__(
            event_size, Packing({"loc": event_size, "raw_scale": event_size}), event_size
        )

    def parameters(self, raw):
        slices = self.packing.unpack(raw)
        return {"loc": slices["loc"], "scale": ops.softplus(slices["raw_scale"]) + 1e-4}

    def distribution(self, raw):
        return tfd.Independent(tfd.Laplace(**self.parameters(raw)), 1)

    def _sample(self, parameters, noise, temperature):
        centred = noise - 0.5
        quantile = -ops.sign(centred) * ops.log(1.0 - 2.0 * ops.abs(centred))
        return parameters["loc"] + temperature * parameters["scale"] * quantile

    def get_config(self):
        return {"event_size": self.event_size}


@pytest.fixture(scope="module", autouse=True)
def registered():
    """Registers the likelihood for these tests alone."""
    with mock.patch.dict(_REGISTRY):
        likelihoods.register("laplace")(Laplace)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with recordings of tones and a run on them."""
    folder = tmp_path_factory.mktemp("laplace")
    (folder / "data").mkdir()
    random = np.random.default_rng(0)
    for i in range(10):
        wave = 0.3 * np.sin(np.arange(800) / (3 + i)) + random.laplace(0, 0.02, 800)
        soundfile.write(folder / "data" / f"{i}.wav", wave, 8_000)
    config = TrainConfig(
        preset="speech",
        model={
            "likelihood": {"name": "laplace"},
            "latent_size": 2,
            "recurrent_units": 4,
            "hidden_units": 3,
        },
        dataset="audio_folder",
        dataset_options={"sampling_rate": 8_000, "frame_size": 40, "validation_fraction": 0.3},
        data_dir=str(folder / "data"),
        prepared_dir=str(folder / "prepared"),
        batch_size=4,
        num_buckets=1,
        epochs=1,
    )
    summary = run.train(config, folder / "run", verbose=0)
    assert np.isfinite(summary["after"]["val_elbo"])
    return folder


def test_it_is_known_by_its_name():
    assert "laplace" in likelihoods.describing("audio")
    likelihood = likelihoods.get({"name": "laplace", "event_size": 2})
    raw, x = np.array([[0.1, 2.0, -1.0, 0.5]], "float32"), np.array([[0.3, 1.0]], "float32")
    scale = np.logaddexp(0.0, raw[0, 2:]) + 1e-4
    expected = scipy.stats.laplace.logpdf(x[0], raw[0, :2], scale).sum()
    np.testing.assert_allclose(likelihood.log_prob(raw, x), [expected], rtol=1e-5)


def test_its_run_is_read_and_evaluated(folder):
    loaded = run.load(folder / "run")
    assert isinstance(loaded.model.likelihood, Laplace)
    assert loaded.model.likelihood.event_size == 40
    evaluation = run.evaluate(folder / "run", split="validation", repeats=1)
    assert np.isfinite(evaluation["nats_per_sequence"]["mean"])
    assert evaluation["raw"] is not None
    (sample,) = loaded.model.generate(1, 5, seed=3)
    assert sample.shape == (5, 40)
    path = loaded.medium.save(folder / "made.wav", [loaded.normalization.invert(sample)])
    assert path.stat().st_size > 0


@pytest.mark.slow
def test_its_exported_files_agree_with_keras(folder):
    loaded = run.load(folder / "run")
    directory = export(
        loaded.model,
        folder / "export",
        MAX_STEPS,
        loaded.normalization.to_dict(),
        loaded.medium.units,
        quantize=("none",),
    )
    report = verify.verify(directory)
    assert report["passed"], report["rows"]
