"""The table of `vrnn evaluate`."""

from vrnn_tf.cli.evaluate import evaluation_rows

UNITS = ("nats_per_sequence", "nats_per_step", "bits_per_dimension")


def estimate(mean, noise_error=0.25):
    return {"mean": mean, "standard_error": 0.5, "noise_error": noise_error}


def result(raw_mean, differences=None):
    figures = {name: estimate(1.0) for name in UNITS}
    raw = {name: estimate(raw_mean) for name in UNITS}
    return {**figures, "raw": raw, "difference_to": differences or {}}


def test_each_unit_has_a_row_in_normalised_and_raw_units_of_x():
    rows = evaluation_rows(result(2.0))
    assert [(row["unit"], row["units of x"], row["mean"]) for row in rows] == [
        ("nats per sequence", "normalised", "1.0000"),
        ("nats per step", "normalised", "1.0000"),
        ("bits per dimension", "normalised", "1.0000"),
        ("nats per sequence", "raw", "2.0000"),
        ("nats per step", "raw", "2.0000"),
        ("bits per dimension", "raw", "2.0000"),
    ]
    assert {row["standard error"] for row in rows} == {"0.5000"}
    assert {row["noise error"] for row in rows} == {"0.2500"}


def test_raw_units_are_left_out_where_they_change_nothing():
    assert [row["units of x"] for row in evaluation_rows(result(1.0))] == ["normalised"] * 3


def test_differences_to_other_runs_stand_below():
    difference = {"bound": "iwae-5", **estimate(-3.0, None)}
    row = evaluation_rows(result(1.0, {"runs/other": difference}))[-1]
    assert row == {
        "unit": "nats per sequence above runs/other, iwae-5",
        "units of x": "either",
        "mean": "-3.0000",
        "standard error": "0.5000",
        "noise error": "not measured",
    }
