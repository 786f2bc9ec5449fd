/**
 * The sheet of paper: a canvas on which a page is written as a pen would, point by point.
 *
 * @typedef {import('./strokes.js').Point} Point
 * @typedef {import('./page.js').Page} Page
 * @typedef {{scale: number, x: number, y: number}} View pixel = place * scale + (x, y)
 */

import { curves } from './page.js';

const POINTS_A_SECOND = 60; // one offset a frame
const PAUSE = 14; // between two lines, in offsets
const ZOOM_SECONDS = 0.7; // from the visitor's view of a line to the whole of it
const LARGEST_LETTER = 0.36; // of the sheet's height
const MARGIN = 0.03; // of the sheet's width
const THINNEST = 1.3; // pixels
const THICKEST = 3.2;
const NIB = 3.5; // pixels
const RULES = [0.4, 0.6]; // where the visitor's letters should stand, in heights of the sheet

/** A canvas that shows one page, or what the visitor draws. */
export class Sheet {
  #canvas;
  #context;
  #size = { width: 1, height: 1 };
  /** @type {Page | null} */
  #page = null;
  /** @type {{path: Path2D, curves: number[][], start: number, end: number}[]} */
  #timed = [];
  /** @type {View | null} */
  #from = null;
  /** @type {Point[][] | null} */
  #drawn = null;
  #seconds = Infinity;
  #finish = () => {};

  constructor(/** @type {HTMLCanvasElement} */ canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext('2d');
    new ResizeObserver(() => this.#resize()).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
  }

  /** Says whether a page is being written. */
  get writing() {
    return this.#seconds < this.#duration;
  }

  /**
   * Writes a page. The visitor's strokes are on it from the start.
   *
   * @param {Page} page
   * @param {View | null} from the view to zoom from; null: that of the whole page
   * @returns {Promise<void>} settles when the page is written, or another takes its place
   */
  write(page, from = null) {
    this.#finish();
    this.#page = page;
    this.#timed = timed(page);
    this.#from = from;
    this.#drawn = null;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#seconds = still ? Infinity : 0;
    const finished = new Promise((resolve) => (this.#finish = () => resolve()));
    this.#play();
    return finished;
  }

  /** Shows the whole page at once. */
  skip() {
    this.#seconds = Infinity;
  }

  /** Shows what the visitor has drawn, between two rules. @param {Point[][]} strokes pixels */
  show(strokes) {
    this.#finish();
    this.skip();
    this.#drawn = strokes;
    this.#draw();
  }

  get #duration() {
    return (this.#from ? ZOOM_SECONDS : 0) + (this.#timed.at(-1)?.end ?? 0) / POINTS_A_SECOND;
  }

  #play() {
    const page = this.#page;
    let before = performance.now();
    const frame = (now) => {
      if (this.#page !== page || this.#drawn) return;
      this.#seconds += Math.max(0, now - before) / 1000;
      before = now;
      this.#draw();
      if (this.writing) requestAnimationFrame(frame);
      else this.#finish();
    };
    requestAnimationFrame(frame);
  }

  #resize() {
    const { width, height } = this.#canvas.getBoundingClientRect();
    this.#size = { width, height };
    this.#canvas.width = Math.round(width * devicePixelRatio);
    this.#canvas.height = Math.round(height * devicePixelRatio);
    this.#draw();
  }

  #draw() {
    const { width, height } = this.#canvas;
    this.#context.setTransform(1, 0, 0, 1, 0, 0);
    this.#context.clearRect(0, 0, width, height);
    this.#context.lineCap = this.#context.lineJoin = 'round';
    if (this.#drawn) this.#drawPad(this.#drawn);
    else if (this.#page) this.#drawPage(this.#page);
  }

  #drawPage(/** @type {Page} */ page) {
    const { scale, x, y } = this.#view(page);
    const tick = (this.#seconds - (this.#from ? ZOOM_SECONDS : 0)) * POINTS_A_SECOND;
    const ratio = devicePixelRatio;
    this.#context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * x, ratio * y);
    this.#context.lineWidth = Math.min(Math.max(page.pen * scale, THINNEST), THICKEST) / scale;
    page.strokes.forEach(({ points, own }, i) => {
      const { path, start, end } = this.#timed[i];
      if (tick < start && !own) return;
      this.#context.strokeStyle = this.#color(own ? '--own-ink' : '--ink');
      const whole = own || tick >= end;
      this.#context.stroke(whole ? path : this.#begun(i, points[0], tick - start));
    });
    if (this.writing) this.#drawNib(page, tick, NIB / scale);
  }

  #begun(/** @type {number} */ i, /** @type {Point} */ first, /** @type {number} */ count) {
    return path(first, this.#timed[i].curves.slice(0, Math.floor(count)));
  }

  #drawNib(/** @type {Page} */ page, /** @type {number} */ tick, /** @type {number} */ radius) {
    const i = this.#timed.findLastIndex(({ start }) => start <= tick);
    if (i < 0) return;
    const { points } = page.strokes[i];
    const { start, end } = this.#timed[i];
    const next = page.strokes[i + 1]?.points[0];
    let [x, y] = points[Math.min(Math.floor(tick - start), points.length - 1)];
    if (tick > end && next) {
      const share = Math.min(1, (tick - end) / (this.#timed[i + 1].start - end));
      [x, y] = [x + share * (next[0] - x), y + share * (next[1] - y)];
    }
    this.#context.globalAlpha = tick > end ? 0.35 : 0.9; // paler in the air
    this.#context.fillStyle = this.#color('--accent');
    this.#context.beginPath();
    this.#context.arc(x, y, radius, 0, 2 * Math.PI);
    this.#context.fill();
    this.#context.globalAlpha = 1;
  }

  #drawPad(/** @type {Point[][]} */ strokes) {
    const { width, height } = this.#size;
    this.#context.scale(devicePixelRatio, devicePixelRatio);
    this.#context.lineWidth = 1;
    this.#context.strokeStyle = this.#color('--rule');
    for (const rule of RULES) {
      const y = Math.round(rule * height) + 0.5; // sharp on a screen with one pixel a unit
      this.#context.stroke(
        path(
          [MARGIN * width, y],
          [
            Array(3)
              .fill([(1 - MARGIN) * width, y])
              .flat(),
          ],
        ),
      );
    }
    this.#context.lineWidth = THICKEST;
    this.#context.strokeStyle = this.#color('--own-ink');
    for (const points of strokes) this.#context.stroke(path(points[0], curves(points)));
  }

  /** Returns the view at this moment. @returns {View} */
  #view(/** @type {Page} */ page) {
    const whole = this.#fit(page);
    if (!this.#from) return whole;
    const share = Math.min(1, this.#seconds / ZOOM_SECONDS);
    const eased = share * share * (3 - 2 * share);
    const mix = (name) => this.#from[name] + eased * (whole[name] - this.#from[name]);
    return { scale: mix('scale'), x: mix('x'), y: mix('y') };
  }

  /** Returns the view of the whole page, centred. @returns {View} */
  #fit(/** @type {Page} */ page) {
    const { width, height } = this.#size;
    const scale = Math.min(
      (width * (1 - 2 * MARGIN)) / page.width,
      height / page.height,
      (LARGEST_LETTER * height) / page.letter,
    );
    return { scale, x: (width - page.width * scale) / 2, y: (height - page.height * scale) / 2 };
  }

  #color(/** @type {string} */ name) {
    return getComputedStyle(this.#canvas).getPropertyValue(name);
  }
}

/** Returns the time of each stroke, in offsets since the pen started, and its curves. */
function timed(/** @type {Page} */ page) {
  let tick = 0;
  return page.strokes.map(({ points, own, line }, i) => {
    const segments = curves(points);
    const shape = { path: path(points[0], segments), curves: segments };
    if (own) return { ...shape, start: 0, end: 0 };
    if (i > 0) tick += page.strokes[i - 1].line === line ? 1 : PAUSE;
    const start = tick;
    tick += segments.length;
    return { ...shape, start, end: tick };
  });
}

function path(/** @type {Point} */ [x, y], /** @type {number[][]} */ segments) {
  const shape = new Path2D();
  shape.moveTo(x, y);
  for (const [ax, ay, bx, by, endX, endY] of segments)
    shape.bezierCurveTo(ax, ay, bx, by, endX, endY);
  if (!segments.length) shape.lineTo(x + 1e-3, y); // canvas draws no line without length
  return shape;
}
