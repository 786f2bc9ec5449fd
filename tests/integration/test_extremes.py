"""Data and settings that break numbers: a run finishes, or says where and keeps its best."""

import dataclasses

import keras
import numpy as np
import pytest

from tiny_runs import Killed, kill_at
from vrnn_tf import VRNN
from vrnn_tf.media import Strokes
from vrnn_tf.train import callbacks, checkpoints, plan, run
from vrnn_tf.train.config import TrainConfig

CONFIG = TrainConfig(
    preset="handwriting",
    model={"latent_size": 2, "recurrent_units": 6, "hidden_units": 5},
    dataset="strokes",
    batch_size=4,
    num_buckets=2,
    epochs=2,
    checkpoint_every=2,
)


def pen(steps, seed=0, scale=1.0):
    """One sequence `[T, 3]` of offsets; the pen lifts now and then."""
    random = np.random.default_rng(seed)
    lifted = random.random((steps, 1)) < 0.1
    return np.hstack([scale * random.normal(size=(steps, 2)), lifted]).astype("float32")


def some(number=12, **options):
    return [pen(10 + seed, seed, **options) for seed in range(number)]


def train(tmp_path, sequences, resume=False, **changes):
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    Strokes().save(data / "lines.npz", sequences)
    where = {"data_dir": str(data), "prepared_dir": str(tmp_path / "prepared")}
    config = dataclasses.replace(CONFIG, **where, **changes)
    return run.train(config, tmp_path / "run", resume=resume, verbose=0)


def assert_kept(folder):
    """Checks that every model on disk is finite and can be loaded; returns their number."""
    models = [*folder.glob("model.keras"), *folder.glob("checkpoints/*/model.keras")]
    for path in models:
        assert not callbacks.non_finite_weights(keras.saving.load_model(path)), path
    return len(models)


@pytest.fixture
def exploding(monkeypatch):
    """Puts numbers into a run's data that no reader lets through."""
    load = plan.load_splits
    spoiled = {"sequences": 1, "value": 1e30}

    def load_and_spoil(*arguments, **options):
        splits = load(*arguments, **options)
        for x in splits.train[: spoiled["sequences"]]:
            x[2, 0] = spoiled["value"]
        return splits

    monkeypatch.setattr(plan, "load_splits", load_and_spoil)
    return spoiled


def constant():
    return [np.tile(np.array([[1.0, 0.0, 0.0]], "float32"), (12, 1)) for _ in range(12)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sequences", "changes"),
    [
        (some(scale=1e-12), {"normalization": "scalar"}),
        ([pen(1, seed) for seed in range(12)], {}),
        ([pen(1), pen(2_000, 1), *some(6)], {}),
        ([*some(), pen(20_000)], {"chunk_steps": 200, "epochs": 1}),
        (constant(), {"normalization": "scalar", "learning_rate": 0.1, "epochs": 20}),
        (constant(), {"normalization": "none", "learning_rate": 0.1, "epochs": 20}),
    ],
    ids=["tiny", "one-step", "long", "very-long", "constant", "constant-raw"],
)
def test_a_run_finishes(sequences, changes, tmp_path):
    summary = train(tmp_path, sequences, **changes)
    assert np.isfinite(list(summary["after"].values())).all()
    assert assert_kept(tmp_path / "run") >= 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 10.0, "clip_norm": 1.0}, r"epoch 1, batch [1-4]: .*vrnn\w*/.* more"),
        ({"learning_rate": 1e30, "clip_norm": 1e30}, r"epoch 1, batch [1-4]: .*vrnn\w*/"),
    ],
    ids=["fast", "far-too-fast"],
)
def test_or_it_says_where_it_stopped(changes, message, tmp_path):
    with pytest.raises(callbacks.NonFiniteError, match=message):
        train(tmp_path, some(), **changes)
    assert_kept(tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("value", [1e4, 1e12])
def test_an_outlier_does_not_stop_it(value, tmp_path, exploding):
    exploding["value"] = value
    summary = train(tmp_path, some(), normalization="scalar")
    assert np.isfinite(list(summary["after"].values())).all()
    assert assert_kept(tmp_path / "run") == 3


@pytest.mark.slow
def test_data_that_explode_stop_it(tmp_path, exploding):
    with pytest.raises(callbacks.NonFiniteError, match="epoch 1, batch [1-4]: .* is not finite"):
        train(tmp_path, some(), normalization="none")
    assert_kept(tmp_path / "run")


@pytest.mark.slow
def test_a_feature_that_never_varies_is_told(tmp_path):
    with pytest.raises(ValueError, match="`std` must be a number > 0"):
        train(tmp_path, constant(), normalization="per_dimension")


@pytest.mark.slow
def test_a_run_that_explodes_later_keeps_the_weights_before(tmp_path, monkeypatch):
    """The second epoch meets weights that something has spoiled."""
    spoiled = []

    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                weight = self.model.trainable_weights[0]
                weight.assign(weight * np.nan)
                spoiled.append(weight.path)

    original = callbacks.SampleDrawer
    monkeypatch.setattr(callbacks, "SampleDrawer", lambda *a: Spoil() if a else original(*a))
    with pytest.raises(callbacks.NonFiniteError, match="epoch 2, batch 1") as caught:
        train(tmp_path, some())
    assert spoiled[0] in str(caught.value)  # the tensor is named
    assert assert_kept(tmp_path / "run") >= 2
    assert checkpoints.newest(tmp_path / "run")[1].epoch == 1


def batches(sequences, leave_out=()):
    x = np.stack([s[:10] for s in sequences]).reshape(-1, 4, 10, 3)
    return [batch for i, batch in enumerate(x) if i not in leave_out]


def fit(data, **arguments):
    model = VRNN("bivariate_gmm", latent_size=0, recurrent_units=4, hidden_units=3, **arguments)
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=1.0))
    history: dict[str, list[float]] = {}
    for batch in data:
        for name, values in model.fit(batch, batch_size=4, verbose=0).history.items():
            history.setdefault(name, []).extend(values)
    return model, history


def test_a_bad_batch_can_be_skipped_and_is_counted():
    """The weights are those of a training that never met it."""
    sequences = some(16)
    sequences[5][3, 0] = 1e30
    model, history = fit(batches(sequences), skip_non_finite=True)
    same, _ = fit(batches(sequences, leave_out=[1]), skip_non_finite=True)
    assert history["skipped"] == [0.0, 1.0, 0.0, 0.0]
    assert np.isfinite(history["loss"]).all() and np.isfinite(history["elbo"]).all()
    for a, b in zip(model.trainable_weights, same.trainable_weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    assert model.optimizer.iterations == 3
    spoiled, _ = fit(batches(sequences))
    assert callbacks.non_finite_weights(spoiled)


@pytest.mark.slow
@pytest.mark.parametrize("bound", ["elbo", "iwae", "fivo"])
@pytest.mark.parametrize("chunks", [False, True])
def test_whatever_is_maximised_a_bad_batch_spoils_nothing(bound, chunks):
    """It spoils no weight, no slot of the optimizer, no state and no particle."""
    x = np.stack([pen(40, seed) for seed in range(4)])
    x[2, 13, 0] = 1e30
    parts = [x[:, start : start + 10] for start in range(0, 40, 10)]
    first = [np.full(4, start == 0, "int32") for start in range(4)]
    data = [
        {"x": part, "reset": reset} if chunks else part
        for part, reset in zip(parts, first, strict=True)
    ]
    model = VRNN(
        "bivariate_gmm",
        latent_size=2,
        recurrent_units=4,
        hidden_units=3,
        bound={"name": bound, "num_samples": 1 if bound == "elbo" else 3},
        stateful_batch_size=4 if chunks else None,
        skip_non_finite=True,
    )
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=1.0))
    before = [weight.numpy() for weight in model.trainable_weights]
    skipped = []
    for batch in data:
        history = model.fit(batch, batch_size=4, shuffle=False, verbose=0).history
        assert np.isfinite([history["loss"], history[bound]]).all()
        skipped += history["skipped"]
    assert skipped == [0.0, 1.0, 0.0, 0.0]
    assert model.optimizer.iterations == 3
    assert not callbacks.non_finite_weights(model)
    for variable in (*model.weights, *model.optimizer.variables):
        assert np.isfinite(np.asarray(variable)).all(), variable.path
    moved = zip(before, model.trainable_weights, strict=True)
    assert all(np.abs(old - new).max() > 0.0 for old, new in moved)


@pytest.mark.slow
def test_a_run_that_skips_counts(tmp_path, exploding):
    model = {**CONFIG.model, "skip_non_finite": True}
    summary = train(tmp_path, some(), model=model, normalization="none")
    assert summary["skipped"] == 2  # a batch in each epoch
    assert np.isfinite(list(summary["after"].values())).all()
    assert assert_kept(tmp_path / "run") == 3


@pytest.mark.slow
def test_a_resumed_epoch_may_have_skipped_more_batches_than_it_has_left(
    tmp_path, exploding, monkeypatch
):
    exploding["sequences"] = 6
    changes = {
        "model": {**CONFIG.model, "skip_non_finite": True},
        "normalization": "none",
        "batch_size": 1,
        "epochs": 1,
    }
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_at(patch, 9)
        train(tmp_path, some(), **changes)
    progress = checkpoints.newest(tmp_path / "run")[1]
    summary = train(tmp_path, some(), resume=True, **changes)
    steps = checkpoints.newest(tmp_path / "run")[1].step
    assert summary["skipped"] == 6 and progress.step == 8 and 8 < steps <= 8 + 6


@pytest.mark.slow
def test_a_run_whose_batches_are_all_bad_stops(tmp_path, exploding):
    exploding["sequences"] = 100
    model = {**CONFIG.model, "skip_non_finite": True}
    with pytest.raises(callbacks.NonFiniteError, match="all its batches"):
        train(tmp_path, some(), model=model, normalization="none")
