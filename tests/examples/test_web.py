"""The page of examples/web in headless Chromium, against the Python interpreter of the same file.

Needs Chromium, the package playwright and `npm ci` in examples/web. Without them the tests are
skipped; where the environment says CI they fail.
"""

import functools
import hashlib
import http.server
import importlib.util
import json
import os
import re
import shutil
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import tiny_models
from vrnn_tf.export import LiteModel, export, exporter
from vrnn_tf.media import drawing

pytestmark = pytest.mark.slow

WEB = Path(__file__).parents[2] / "examples" / "web"
MAX_STEPS = 60
NORMALIZATION = {"name": "paper", "mean": [8.0, 7.0, 0.0], "std": [50.0, 40.0, 1.0]}
TOLERANCE = 1e-3
WAIT = 60_000  # milliseconds; the first start of a runtime of 9 MB on a busy machine
READY = "main:is([data-state=writing], [data-state=done])"
DESKTOP = {"viewport": {"width": 1200, "height": 900}}
PHONE = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 3,
    "is_mobile": True,
    "has_touch": True,
}
STILL = {**DESKTOP, "reduced_motion": "reduce"}
LISTEN = "window.written = []; addEventListener('written', (e) => written.push(e.detail), true);"
# Places on the sheet in shares of its width and height: a word and a dash above it.
DRAWN = [
    [(0.1, 0.6), (0.15, 0.4), (0.2, 0.62), (0.25, 0.38), (0.3, 0.6), (0.35, 0.45), (0.4, 0.6)],
    [(0.2, 0.3), (0.3, 0.28)],
]


def require(found, reason):
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="module")
def chromium():
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    require(path, "needs Chromium: apt-get install chromium")
    require(importlib.util.find_spec("playwright"), "needs playwright: pip install playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


def export_lite(model, folder, max_steps):
    """An export without the SavedModel, which takes seconds and is not the point."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporter, "write_saved_model", lambda model, signatures, path: path)
        return export(model, folder, max_steps, NORMALIZATION, "pixels", quantize=("none",))


def set_last_biases(model, values):
    bias = [w for w in model.decoder.trainable_weights if w.path.endswith("bias")][-1]
    bias.assign(np.concatenate([bias.numpy()[: -len(values)], values]))


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """An export whose sequences end by themselves, some of them before T_max."""
    strokes = {**tiny_models.STROKES, "end_of_sequence": True}
    model = tiny_models.make(strokes, recurrent_units=8)
    set_last_biases(model, [-1.5, -1.5])  # log odds of a lift, and of the end at a lift
    return export_lite(model, tmp_path_factory.mktemp("web") / "export", MAX_STEPS)


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    """An export whose sequences are as long as they are asked to be."""
    model = tiny_models.make(tiny_models.STROKES, recurrent_cell="gru")
    set_last_biases(model, [2.0])  # log odds of a lift
    return export_lite(model, tmp_path_factory.mktemp("web") / "endless", 15)


@pytest.fixture(scope="module")
def lite(directory):
    return LiteModel(directory / "model.tflite")


class Server:
    """A folder at an address, until it is closed."""

    def __init__(self, folder):
        handler = functools.partial(_Handler, directory=folder)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.folder, self.url = folder, f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def copyfile(self, source, outputfile):
        """Sends what lies below "slow" in pieces."""
        if not self.path.startswith("/slow/"):
            return super().copyfile(source, outputfile)
        while piece := source.read(8192):
            outputfile.write(piece)
            time.sleep(0.15)


@pytest.fixture(scope="module")
def site(directory, tmp_path_factory):
    """The page as it would be deployed, and a model beside it."""
    built = (WEB / "vendor" / "litert" / "manifest.json").exists()
    require(built, "needs LiteRT.js: npm ci --prefix examples/web")
    folder = tmp_path_factory.mktemp("site") / "web"
    shutil.copytree(WEB, folder, ignore=shutil.ignore_patterns("node_modules", "model"))
    (folder / "model").mkdir()
    for name in ("metadata.json", "model.tflite"):
        shutil.copy(directory / name, folder / "model")
    return folder


@pytest.fixture
def server(site):
    server = Server(site)
    yield server
    server.close()


@pytest.fixture
def open_page(chromium, server):
    """A function that opens the page; at the end nobody may have complained."""
    contexts, complaints = [], []

    def open_page(options=STILL, query="", script="", quiet=False):
        context = chromium.new_context(**options)
        contexts.append(context)
        context.add_init_script(LISTEN + script)
        page = context.new_page()
        if not quiet:
            page.on("console", lambda m: m.type == "error" and complaints.append(m.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("requestfailed", lambda request: complaints.append(request.url))
        page.goto(server.url + query)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def wait(page, selector=READY):
    page.wait_for_selector(selector, timeout=WAIT)
    assert page.inner_text("#error") == ""


def write(page, **values):
    """Sets fields, presses Enter and gives what the page says that it wrote."""
    for name, value in values.items():
        page.fill(f"#{name}", str(value))
    count = page.evaluate("written.length")
    page.press("#seed", "Enter")
    return written(page, count)


def written(page, index=0):
    page.wait_for_function("count => written.length > count", arg=index, timeout=WAIT)
    detail = page.evaluate(
        """index => {
          const { prefix, lines, ...rest } = written[index];
          return { ...rest, prefix: prefix && [...prefix], lines: lines.map((l) => [...l]) };
        }""",
        index,
    )
    detail["lines"] = [np.reshape(line, (-1, 3)) for line in detail["lines"]]
    detail["prefix"] = detail["prefix"] and np.reshape(detail["prefix"], (-1, 3))
    return detail


def draw(page, strokes=DRAWN):
    """Draws with the mouse; gives the strokes in pixels, y down."""
    page.check("input[value=continue]", force=True)
    box = page.locator("#sheet").bounding_box()
    drawn = []
    for stroke in strokes:
        places = np.array(stroke) * (box["width"], box["height"]) + (box["x"], box["y"])
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        page.mouse.up()
        drawn.append(places)
    return drawn


def ink(page):
    """Width, height and amount of what is on the sheet, in pixels of the canvas."""
    found = page.evaluate(
        """() => {
          const sheet = document.querySelector('#sheet');
          const { width, height } = sheet;
          const { data } = sheet.getContext('2d').getImageData(0, 0, width, height);
          const dark = [];
          for (let i = 3; i < data.length; i += 4) if (data[i] > 64) dark.push((i - 3) / 4);
          return { width, dark };
        }"""
    )
    y, x = np.divmod(np.array(found["dark"], int), found["width"])
    return (np.ptp(x), np.ptp(y), len(x)) if len(x) else (0, 0, 0)


def assert_same(found, expected):
    assert [len(line) for line in found] == [len(line) for line in expected]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=TOLERANCE)


@pytest.mark.parametrize(
    "values",
    [
        {"seed": 0, "lines": 8},
        {"seed": 41, "lines": 2, "temperature": 1.3, "latent_temperature": 0.2, "pen_bias": -1},
        {"seed": 2**31 - 1, "lines": 2, "steps": 7, "temperature": 0},
    ],
)
def test_the_page_writes_what_python_writes(open_page, lite, values):
    page = open_page()
    wait(page)
    page.fill("#temperature", "1")
    detail = write(page, **values)
    options = {"temperature": 1.0, "latent_temperature": 1.0, "pen_bias": 0.0}
    options |= {name: value for name, value in values.items() if name in options}
    assert detail["options"] == options
    steps, count = values.get("steps", MAX_STEPS), values["lines"]
    expected = lite.generate(count, steps, seed=values["seed"], **options)
    assert len({len(line) for line in expected}) > 1 or steps < MAX_STEPS  # some end by themselves
    assert_same(detail["lines"], expected)


def test_the_sheet_shows_the_strokes(open_page, lite):
    page = open_page()
    wait(page)
    detail = write(page, seed=3, lines=1)
    wait(page, "main[data-state=done]")
    strokes = drawing.to_polylines(lite.to_raw(detail["lines"][0]))
    extent = np.ptp(np.concatenate(strokes), axis=0)
    width, height, amount = ink(page)
    assert amount > 500
    assert width / height == pytest.approx(extent[0] / extent[1], rel=0.05)
    assert page.inner_text("#notice").startswith(f"1 line, {len(detail['lines'][0])} points")


def test_the_pen_writes_point_by_point(open_page):
    page = open_page(DESKTOP)
    wait(page, "main[data-state=writing]")
    amounts = [ink(page)[2]]
    for _ in range(2):
        page.wait_for_timeout(400)
        amounts.append(ink(page)[2])
    page.click("#skip")
    wait(page, "main[data-state=done]")
    amounts.append(ink(page)[2])
    assert amounts == sorted(set(amounts))


def test_reduced_motion_shows_the_page_at_once(open_page):
    page = open_page(STILL)
    written(page)
    page.wait_for_selector("main[data-state=done]", timeout=1000)
    assert ink(page)[2] > 500


@pytest.mark.parametrize("options", [STILL, {**PHONE, "reduced_motion": "reduce"}])
def test_a_continuation_is_that_of_python(open_page, lite, options):
    page = open_page(options)
    wait(page)
    draw(page)
    for seed in (0, 5):
        detail = write(page, seed=seed, temperature=0.8)
        assert detail["mode"] == "continue"
        assert detail["prefix"][-1, 2] == likelier_pen(lite, detail["prefix"], seed) == 0
        settings = {"temperature": 0.8, "latent_temperature": 1.0, "pen_bias": 0.0}
        expected = lite.generate(1, seed=seed, prime=detail["prefix"], **settings)
        assert_same(detail["lines"], expected)
    wait(page, "main[data-state=done]")


def test_what_the_visitor_drew_is_what_is_continued(open_page, lite):
    page = open_page()
    wait(page)
    drawn = draw(page)
    prefix = write(page)["prefix"]
    np.testing.assert_array_equal(np.unique(prefix[:, 2]), [0.0, 1.0])
    strokes = drawing.to_polylines(lite.to_raw(prefix))
    assert len(strokes) == len(drawn)
    # The same shape, another unit, y up: ends are where they were, all other points on the lines.
    places = [(stroke - drawn[0][0]) * (1, -1) for stroke in drawn]
    scale = strokes[0][-1][0] / places[0][-1][0]
    for stroke, place in zip(strokes, places, strict=True):
        np.testing.assert_allclose(stroke[[0, -1]], scale * place[[0, -1]], atol=0.02 * scale)
        assert max(distance_to_line(point / scale, place) for point in stroke) < 0.02
    # As high as the model's own writing, with points as far apart.
    own = lite.generate(8, seed=0)
    height = np.median([spread(x) for x in map(points_of, map(lite.to_raw, own)) if len(x) >= 8])
    assert scale * spread(np.concatenate([dense(place) for place in places])) == pytest.approx(
        height, rel=0.03
    )
    spacing = np.median(np.concatenate([offset_lengths(lite.to_raw(x)) for x in own]))
    assert np.median(offset_lengths(lite.to_raw(prefix))) == pytest.approx(spacing, rel=0.15)


def likelier_pen(lite, prefix, seed):
    """Whether the model finds it more probable that the last stroke is done (1) or goes on (0)."""
    ends = [np.concatenate([prefix[:-1], [[*prefix[-1, :2], pen]]]) for pen in (0, 1)]
    return int(np.argmax([lite.score(x, seed)["elbo"] for x in ends]))


def points_of(raw):
    return np.concatenate(drawing.to_polylines(raw))


def offset_lengths(raw):
    on_paper = np.concatenate([[True], raw[:-1, 2] < 0.5])
    return np.hypot(raw[:, 0], raw[:, 1])[on_paper]


def spread(points):
    """Standard deviation of y around the regression line, or of y if the points stand upright."""
    x, y = np.transpose(points)
    line = np.polyval(np.polyfit(x, y, 1), x) if np.var(x) > np.var(y) else y.mean()
    return np.std(y - line)


def dense(line):
    """Points half a pixel apart along a polyline."""
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    wanted = np.arange(0, along[-1], 0.5)
    return np.stack([np.interp(wanted, along, line[:, axis]) for axis in (0, 1)], axis=1)


def distance_to_line(point, line):
    starts, steps = line[:-1], np.diff(line, axis=0)
    share = np.clip(np.sum((point - starts) * steps, 1) / np.sum(steps**2, 1), 0, 1)
    return np.hypot(*(starts + share[:, None] * steps - point).T).min()


def test_a_long_drawing_is_continued_from_its_end(open_page, lite):
    page = open_page()
    wait(page)
    zigzag = [(0.05 + 0.009 * i, 0.4 + 0.2 * (i % 2)) for i in range(100)]
    draw(page, [zigzag])
    detail = write(page, seed=1, steps=5)
    assert detail["prefix"].shape == (MAX_STEPS, 3)
    options = detail["options"]
    assert_same(detail["lines"], lite.generate(1, 5, seed=1, prime=detail["prefix"], **options))


def test_a_model_that_never_ends_is_stopped(open_page, server, endless):
    shutil.copytree(endless, server.folder / "endless", dirs_exist_ok=True)
    lite = LiteModel(endless / "model.tflite")
    page = open_page(query="?model=endless/model.tflite")
    wait(page)
    detail = write(page, seed=2, lines=2, steps=11)
    assert [len(line) for line in detail["lines"]] == [11, 11]
    assert_same(detail["lines"], lite.generate(2, 11, seed=2, **detail["options"]))
    draw(page)
    detail = write(page, seed=2, steps=11)
    assert detail["prefix"][-1, 2] == likelier_pen(lite, detail["prefix"], seed=2) == 1
    assert [len(line) for line in detail["lines"]] == [11]
    expected = lite.generate(1, 11, seed=2, prime=detail["prefix"], **detail["options"])
    assert_same(detail["lines"], expected)


def test_strokes_can_be_taken_back(open_page):
    page = open_page()
    wait(page)
    draw(page)
    page.click("#undo")
    assert len(drawing.to_polylines(raw_prefix(write(page)))) == 1
    draw(page, DRAWN[1:])  # after a continuation a drawing begins anew
    assert len(drawing.to_polylines(raw_prefix(write(page)))) == 1
    page.click("#clear")
    page.press("#seed", "Enter")
    page.wait_for_function("document.querySelector('#error').textContent")
    assert "Write a few letters on the sheet first" in page.inner_text("#error")


def raw_prefix(detail):
    return detail["prefix"] * NORMALIZATION["std"] + NORMALIZATION["mean"]


def test_the_svg_holds_the_strokes(open_page, lite):
    page = open_page()
    wait(page)
    detail = write(page, seed=3, lines=1)
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "handwriting-3.svg"
    root = ElementTree.fromstring(Path(download.value.path()).read_bytes())
    paths = root.findall(".//{http://www.w3.org/2000/svg}path")
    found = [path_points(path.get("d")) for path in paths]
    expected = drawing.to_polylines(lite.to_raw(detail["lines"][0]))
    assert [len(points) for points in found] == [len(points) for points in expected]
    moved = np.concatenate(found) * (1, -1)
    np.testing.assert_allclose(
        moved - moved[0], np.concatenate(expected) - expected[0][0], atol=0.05
    )
    left, top, width, height = map(float, root.get("viewBox").split())
    points = np.concatenate(found)
    assert (points > (left, top)).all()
    assert (points < (left + width, top + height)).all()


def path_points(data):
    """The points that a path of M, C and h0 goes through."""
    commands = re.findall(r"([MCh])([^MCh]*)", data)
    assert commands[0][0] == "M"
    return np.array([list(map(float, rest.split()))[-2:] for name, rest in commands if name != "h"])


def test_it_works_without_a_network_once_it_was_loaded(open_page, server, lite):
    page = open_page(quiet=True)
    wait(page)
    assert "without a network" in page.inner_text("footer")
    server.close()
    page.context.set_offline(True)
    page.reload()
    wait(page)
    detail = write(page, seed=11, lines=1)
    assert_same(detail["lines"], lite.generate(1, seed=11, temperature=0.5))


def test_a_phone_needs_no_scrolling_to_the_side(open_page):
    page = open_page(PHONE)
    wait(page)
    for mode in ("new", "continue"):
        page.check(f"input[value={mode}]", force=True)
        width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width == [360, 360]
        for name in page.query_selector_all("button, input:not([tabindex]), canvas"):
            box = name.bounding_box()
            assert box is None or (box["x"] >= 0 and box["x"] + box["width"] <= 360)


def test_the_keyboard_does_everything(open_page, lite):
    page = open_page(DESKTOP)
    wait(page, "main[data-state=writing]")
    page.keyboard.press("Escape")
    wait(page, "main[data-state=done]")
    order = []
    for _ in range(10):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id || document.activeElement.value"))
    assert order == [
        *("new", "write", "another", "save", "seed", "lines", "steps"),
        *("temperature", "latent_temperature", "pen_bias"),
    ]
    page.keyboard.press("ArrowUp")  # the pen bias
    for _ in range(5):
        page.keyboard.press("Shift+Tab")
    page.keyboard.type("23")
    page.keyboard.press("Enter")
    detail = written(page, 1)
    assert (detail["seed"], detail["options"]["pen_bias"]) == (23, 0.05)
    settings = {"temperature": 0.5, "pen_bias": 0.05}
    assert_same(detail["lines"], lite.generate(3, seed=23, **settings))
    assert page.evaluate("document.activeElement.id") == "seed"


def test_every_field_has_a_name(open_page):
    page = open_page()
    wait(page)
    names = ["Seed", "Lines", "Longest line", "Temperature", "Latent temperature", "Pen bias"]
    for name in names:
        assert page.get_by_role("spinbutton", name=name, exact=True).count() == 1
    assert page.get_by_role("slider").count() == 0  # each is there twice, for the eye only
    assert page.get_by_role("img").get_attribute("aria-label").startswith("Handwriting, seed 7: ")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("temperature", "100.5", "Temperature must be a number from 0 to 100. It is 100.5."),
        ("pen_bias", "-101", "Pen bias must be a number from -100 to 100. It is -101."),
        ("seed", "1.5", "Seed must be a whole number from 0 to 2147483647. It is 1.5."),
        (
            "steps",
            str(MAX_STEPS + 1),
            "Longest line must be a whole number from 1 to 60. It is 61.",
        ),
        ("lines", "", "Lines must be a whole number from 1 to 8. It is none."),
    ],
)
def test_a_value_out_of_range_is_explained(open_page, name, value, message):
    page = open_page()
    wait(page)
    page.fill(f"#{name}", value)
    page.click("#write")
    assert page.inner_text("#error") == message
    assert page.get_attribute(f"#{name}", "aria-invalid") == "true"
    assert page.evaluate("document.activeElement.id") == name
    assert page.evaluate("written.length") == 1
    write(page, **{name: 1})
    assert page.inner_text("#error") == ""


def change(folder, **changes):
    metadata = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps(metadata | changes))


def truncate(folder):
    content = (folder / "model.tflite").read_bytes()
    (folder / "model.tflite").write_bytes(content[: len(content) // 2])


def fill_with_zeros(folder):
    """Keeps the head and the digest right, so that only the runtime can notice."""
    path = folder / "model.tflite"
    content = path.read_bytes()[:8] + bytes(1000)
    path.write_bytes(content)
    digest = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    change(folder, files={"model.tflite": digest})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "model.tflite").unlink(), r"/bad/model.tflite is missing \(404\). Copy an"),
        (lambda d: (d / "metadata.json").unlink(), r"/bad/metadata.json is missing \(404\)"),
        (lambda d: (d / "metadata.json").write_text("<html>"), r"metadata.json is not JSON"),
        (lambda d: change(d, format_version=2), r"version 1. It is vrnn_tf.export version 2"),
        (lambda d: change(d, description="real features"), r"describes “real features”.*pen"),
        (lambda d: change(d, files={}), r"metadata.json does not describe model.tflite"),
        (truncate, r"model.tflite is not the file that metadata.json beside it describes \(their"),
        (lambda d: (d / "model.tflite").write_text("<!doctype html>"), r"is not a TFLite file"),
        (fill_with_zeros, r"LiteRT cannot load model.tflite: .*Export the model again"),
    ],
)
def test_a_bad_model_is_explained(open_page, server, damage, message):
    bad = server.folder / "bad"
    shutil.rmtree(bad, ignore_errors=True)
    shutil.copytree(server.folder / "model", bad)
    damage(bad)
    page = open_page(query="?model=bad/model.tflite", quiet=True)
    page.wait_for_selector("main[data-state=failed]", timeout=WAIT)
    assert re.search(message, page.inner_text("#error"))
    assert page.is_disabled("#write")


def test_a_model_from_elsewhere_is_refused(open_page):
    page = open_page(query="?model=https://example.org/model.tflite")
    page.wait_for_selector("main[data-state=failed]", timeout=WAIT)
    assert "must come from where the page comes from" in page.inner_text("#error")


def test_a_browser_without_webassembly_is_told(open_page):
    page = open_page(script="delete window.WebAssembly;")
    page.wait_for_selector("main[data-state=failed]", timeout=WAIT)
    assert "no WebAssembly" in page.inner_text("#error")


def test_a_page_without_its_runtime_says_what_to_run(open_page, server):
    vendor = server.folder / "vendor"
    vendor.rename(server.folder / "away")
    try:
        page = open_page(quiet=True)
        page.wait_for_selector("main[data-state=failed]", timeout=WAIT)
    finally:
        (server.folder / "away").rename(vendor)
    assert "npm ci" in page.inner_text("#error")


def test_progress_is_shown_while_the_model_loads(open_page, server):
    shutil.copytree(server.folder / "model", server.folder / "slow", dirs_exist_ok=True)
    page = open_page(query="?model=slow/model.tflite")
    page.wait_for_function(
        """() => {
          const { value, max } = document.querySelector('#progress');
          return 0 < value && value < max;
        }""",
        timeout=WAIT,
    )
    assert re.match(r"Fetching the model, 0\.\d of 0\.\d MB", page.inner_text("#notice"))
    wait(page)
    assert not page.is_visible("#progress")


def test_the_lock_file_pins_and_names_no_other_registry():
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert package.get("resolved", "https://registry.npmjs.org/").startswith(
            "https://registry.npmjs.org/"
        )
    wanted = json.loads((WEB / "package.json").read_text())["dependencies"]
    installed = {name.removeprefix("node_modules/"): p["version"] for name, p in packages.items()}
    assert wanted == installed
