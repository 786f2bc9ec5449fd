"""Properties of the built-in handwriting: reproducible, well formed, and moved as hands move."""

import dataclasses
import functools

import numpy as np
import pytest

from vrnn_tf.media import drawing
from vrnn_tf.train import datasets
from vrnn_tf.train.datasets import synthetic_handwriting
from vrnn_tf.train.datasets.formats import offsets
from vrnn_tf.train.datasets.synthesis import fonts, layout, motion
from vrnn_tf.train.datasets.synthetic_handwriting import SyntheticHandwriting

NUM_LINES = 200


@functools.cache
def lines(**options):
    return tuple(SyntheticHandwriting(**options).lines(0, NUM_LINES))


def strokes_of(line):
    """Absolute strokes in whiteboard units; the first point of the line is at the origin."""
    return drawing.to_polylines(line.x)


def num_letters(line):
    return sum(char.isalpha() for char in line.text)


def assert_same_line(actual, expected):
    np.testing.assert_array_equal(actual.x, expected.x)
    assert (actual.text, actual.writer) == (expected.text, expected.writer)


def test_random_access_equals_streaming():
    data = SyntheticHandwriting(seed=3)
    streamed = list(data.lines(0, 8))
    for index in (7, 0, 5):
        assert_same_line(SyntheticHandwriting(seed=3).line(index), streamed[index])
    for offset, line in enumerate(data.lines(4, 6)):
        assert_same_line(line, streamed[4 + offset])


def test_lines_and_seeds_differ():
    first, second = (SyntheticHandwriting(seed=seed) for seed in (0, 1))
    shapes = {first.line(i).x.tobytes() for i in range(20)}
    shapes |= {second.line(i).x.tobytes() for i in range(20)}
    assert len(shapes) == 40


def test_every_writer_writes():
    assert {line.writer for line in lines(num_writers=4)} == {0, 1, 2, 3}


def test_format():
    for line in lines():
        assert line.x.dtype == np.float32 and line.x.ndim == 2 and line.x.shape[1] == 3
        assert np.isfinite(line.x).all()
        assert set(np.unique(line.x[:, 2])) <= {0.0, 1.0}
        assert line.x[-1, 2] == 1.0


def test_offsets_and_pen_describe_the_same_strokes():
    strokes = [np.array([[5.0, 1.0], [6.0, 2.0], [8.0, 2.0]]), np.array([[9.0, 9.0], [9.0, 8.0]])]
    x = offsets.strokes_to_rows(strokes)
    np.testing.assert_array_equal(x[:, 2], [0, 1, 0, 1])
    for drawn, stroke in zip(drawing.to_polylines(x), strokes, strict=True):
        np.testing.assert_array_equal(drawn + strokes[0][0], stroke)


def test_words_and_punctuation():
    data = SyntheticHandwriting(min_words=2, max_words=5)
    counts = set()
    for line in data.lines(0, 100):
        words = line.text.split(" ")
        counts.add(len(words))
        assert all(word.rstrip(",.").isalpha() for word in words)
        assert all(word.islower() for word in words[1:])
    assert counts == {2, 3, 4, 5}


@pytest.mark.parametrize("font", fonts.FONTS)
@pytest.mark.parametrize("points_per_letter", [10.0, 16.0, 24.0])
def test_points_per_letter_is_the_sampling_rate(font, points_per_letter):
    written = lines(fonts=(font,), points_per_letter=points_per_letter)
    points = sum(len(line.x) for line in written)
    assert points / sum(map(num_letters, written)) == pytest.approx(points_per_letter, rel=0.12)


def test_script_joins_letters_and_print_does_not():
    def strokes_a_letter(font):
        written = lines(fonts=(font,))
        return sum(line.x[:, 2].sum() for line in written) / sum(map(num_letters, written))

    assert 0.3 < strokes_a_letter("scripts") < 0.9  # i, j, t and x take a second stroke
    assert 1.2 < strokes_a_letter("rowmans") < 2.0


def test_dots_are_counted_as_strokes():
    hand = dataclasses.replace(
        synthetic_handwriting._draw_hand(0, 0, ("scripts",)), joining=1.0, letter_spacing=0.0
    )
    rng = np.random.default_rng(0)
    for word, count in {"noun": 1, "nine": 2, "juice": 3, "taxi": 4}.items():
        assert len(layout.lay_out(word, hand, rng)) == count, word


def test_offsets_are_in_whiteboard_units():
    within = np.concatenate([line.x[1:][line.x[:-1, 2] == 0] for line in lines()])
    length = np.hypot(within[:, 0], within[:, 1])
    assert 10 < np.percentile(length, 25) < np.percentile(length, 75) < 60
    heights = []
    for line in lines(fonts=("rowmans",)):
        hand = synthetic_handwriting._draw_hand(0, line.writer, ("rowmans",))
        if line.text[0] in "aceomnrsuvwxz":  # x-high letters
            heights.append(np.ptp(strokes_of(line)[0][:, 1]) / hand.size)
    assert np.mean(heights) == pytest.approx(layout.X_HEIGHT, rel=0.1)


def test_lines_run_to_the_right_within_a_band():
    for line in lines():
        strokes = strokes_of(line)
        points = np.concatenate(strokes)
        width, height = np.ptp(points, axis=0)
        assert 40 * num_letters(line) < width < 350 * num_letters(line)
        # Capital, x-height and descender make about 3.7 x-heights; size and drift the rest.
        assert height < 7.0 * layout.X_HEIGHT
        assert points[: len(points) // 10, 0].mean() < points[-len(points) // 10 :, 0].mean()


def speeds_and_turns(stroke):
    offsets = np.diff(stroke, axis=0)
    speed = np.hypot(*offsets.T)
    heading = np.unwrap(np.arctan2(offsets[:, 1], offsets[:, 0]))
    return speed, np.abs(np.diff(heading))


def test_pen_starts_and_stops_slowly():
    ends, middles = [], []
    for line in lines():
        for stroke in strokes_of(line)[1:]:
            speed = speeds_and_turns(stroke)[0]
            if len(speed) >= 12:
                ends += [speed[0], speed[-1]]
                middles.append(speed[4:-4].mean())
    assert np.mean(ends) < 0.6 * np.mean(middles)


def test_pen_slows_in_bends():
    speeds, curvatures = [], []
    for line in lines(points_per_letter=48.0, num_writers=8):
        for stroke in strokes_of(line)[1:]:
            speed, turn = speeds_and_turns(stroke)
            if len(speed) >= 60:
                between = 0.5 * (speed[1:] + speed[:-1])
                speeds.append(between[12:-12])
                curvatures.append(turn[12:-12] / between[12:-12])
    speed, curvature = np.concatenate(speeds), np.concatenate(curvatures)
    bent = curvature > 0.5 / layout.X_HEIGHT  # straight parts are capped
    slope = np.polyfit(np.log(curvature[bent]), np.log(speed[bent]), 1)[0]
    assert -0.5 < slope < -0.2  # the law says -1/3


def test_motion_obeys_the_law_on_a_circle():
    hand = synthetic_handwriting._draw_hand(0, 0, ("scripts",))
    hand = dataclasses.replace(hand, tremor=0.0, roundness=0.07)
    speeds = []
    for radius in (0.5, 4.0):
        angle = np.linspace(0.0, 6.0 * np.pi, 2000)
        circle = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        points = motion.write(circle, hand, 0.05, np.random.default_rng(0))
        speeds.append(np.median(np.hypot(*np.diff(points, axis=0).T)))
    assert speeds[1] / speeds[0] == pytest.approx(8.0 ** (1.0 / 3.0), rel=0.05)


def test_rounding_keeps_the_ends_and_the_shape():
    corner = np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    path = motion._resample(corner)
    rounded = motion._smooth(path, 3.0)
    np.testing.assert_allclose(rounded[[0, -1]], corner[[0, -1]], atol=1e-12)
    distance = np.hypot(*(rounded - path).T)
    assert 0.02 < distance.max() < 0.2


def test_writers_differ_more_than_their_lines():
    def size_of_letters(line):
        return np.median(np.abs(np.diff(np.concatenate(strokes_of(line))[:, 1])))

    by_writer = {}
    for line in lines(num_writers=8, fonts=("scripts",), max_words=4):
        by_writer.setdefault(line.writer, []).append(size_of_letters(line))
    assert len(by_writer) == 8
    within = np.mean([np.var(sizes) for sizes in by_writer.values()])
    across = np.var([np.mean(sizes) for sizes in by_writer.values()])
    assert across > within


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "`seed` must be an integer >= 0. Received -1"),
        ({"num_writers": 0}, "`num_writers` must be an integer >= 1"),
        ({"min_words": 1.5}, "`min_words` must be an integer"),
        ({"min_words": 3, "max_words": 2}, "`max_words` must be an integer >= 3"),
        ({"max_words": 10**9}, "`max_words` must be at most 1000"),
        ({"points_per_letter": 1e300}, "`points_per_letter` must be at most 1000"),
        ({"points_per_letter": 0.0}, "`points_per_letter` must be a number >= 4"),
        ({"points_per_letter": float("nan")}, "`points_per_letter` must be a number >= 4"),
        ({"fonts": ()}, "`fonts` must be a non-empty tuple"),
        ({"fonts": "scripts"}, "`fonts` must be a non-empty tuple"),
        ({"fonts": ("scripts", "comic")}, "'scripts', 'rowmans'.*Received 'comic'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SyntheticHandwriting(**options)


def test_bad_indices_are_refused():
    data = SyntheticHandwriting()
    with pytest.raises(ValueError, match="`index` must be an integer >= 0. Received -1"):
        data.line(-1)
    with pytest.raises(ValueError, match="`stop` must be an integer >= 5. Received 4"):
        data.lines(5, 4)


@pytest.mark.parametrize("name", ["folder", "num_train", "words"])
def test_other_options_are_refused(name):
    with pytest.raises(ValueError, match=f"option of synthetic_handwriting.*Received '{name}'"):
        datasets.get("synthetic_handwriting").prepare(**{name: 3})
