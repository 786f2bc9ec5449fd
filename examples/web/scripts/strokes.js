/**
 * Pen sequences: rows of offsets for the model, and strokes of points for people.
 *
 * @typedef {number[]} Row dx, dy, pen; y points up
 * @typedef {number[]} Point x, y
 * @typedef {{mean: number[], std: number[]}} Normalization raw = x * std + mean
 * @typedef {{spacing: number, height: number}} Hand how far apart the points of a writer lie and
 *     how high the writing is, in raw units
 */

const PEN_UP = 0.5; // at or above it the pen lifts after the row's point
const END_OF_LINE = 1.5; // at or above it the rows that follow are padding
const FEWEST_POINTS = 8; // with fewer, the height of a line says nothing
const FEWEST_OFFSETS = 2;
const FLATTEST = 0.01; // height of a drawing over its size; a flatter drawing counts as this high

/** Cuts a flat array `[T * 3]` into rows. @returns {Row[]} */
export function toRows(/** @type {ArrayLike<number>} */ flat) {
  const rows = [];
  for (let i = 0; i < flat.length; i += 3) rows.push([flat[i], flat[i + 1], flat[i + 2]]);
  return rows;
}

/** Returns rows in the data's own units. @returns {Row[]} */
export function toRaw(/** @type {Row[]} */ rows, /** @type {Normalization} */ { mean, std }) {
  return rows.map((row) => row.map((value, i) => value * std[i] + mean[i]));
}

/** The inverse of `toRaw`. @returns {Row[]} */
export function toNormalized(
  /** @type {Row[]} */ rows,
  /** @type {Normalization} */ { mean, std },
) {
  return rows.map((row) => row.map((value, i) => (value - mean[i]) / std[i]));
}

/**
 * Turns raw rows into strokes. The pen starts down, at the origin.
 *
 * @param {Row[]} rows
 * @returns {Point[][]} y up
 */
export function toStrokes(rows) {
  if (!rows.length) return [];
  let [x, y] = [0, 0];
  let stroke = [[x, y]];
  const strokes = [stroke];
  let lifted = false;
  for (const [dx, dy, pen] of rows) {
    [x, y] = [x + dx, y + dy];
    if (lifted) strokes.push((stroke = []));
    stroke.push([x, y]);
    if (pen >= END_OF_LINE) break;
    lifted = pen >= PEN_UP;
  }
  return strokes;
}

/**
 * Turns strokes into raw rows. The pen starts at the first point.
 *
 * @param {Point[][]} strokes y up
 * @returns {Row[]}
 */
export function toOffsets(strokes) {
  const rows = [];
  let [x, y] = strokes[0][0];
  strokes.forEach((stroke, i) => {
    // The start has no row, so a dot that comes first needs a second point to lift the pen from.
    const points = i > 0 ? stroke : stroke.length > 1 ? stroke.slice(1) : stroke;
    points.forEach((point, j) => {
      rows.push([point[0] - x, point[1] - y, j === points.length - 1 ? 1 : 0]);
      [x, y] = point;
    });
  });
  return rows;
}

/**
 * Returns points at equal distances along a stroke, both ends included.
 *
 * @param {Point[]} stroke
 * @param {number} spacing approximate distance; a whole number of steps fits the stroke
 * @returns {Point[]}
 */
export function resample(stroke, spacing) {
  const along = [0];
  for (let i = 1; i < stroke.length; i++)
    along.push(along[i - 1] + distance(stroke[i - 1], stroke[i]));
  const length = along.at(-1);
  if (!length) return [stroke[0]];
  const count = Math.max(1, Math.round(length / spacing));
  const points = [stroke[0]];
  for (let k = 1, i = 1; k < count; k++) {
    const wanted = (k * length) / count;
    while (along[i] < wanted) i++;
    points.push(
      between(stroke[i - 1], stroke[i], (wanted - along[i - 1]) / (along[i] - along[i - 1])),
    );
  }
  return [...points, stroke.at(-1)];
}

/**
 * Measures the hand that a model writes in.
 *
 * @param {Row[][]} lines raw rows of sequences that the model wrote
 * @param {Normalization} normalization decides where the lines say too little
 * @returns {Hand}
 */
export function measureHand(lines, normalization) {
  const offsets = lines.flatMap((rows) =>
    rows.filter((_, t) => t === 0 || rows[t - 1][2] < PEN_UP).map(([dx, dy]) => Math.hypot(dx, dy)),
  );
  const heights = lines
    .map((rows) => toStrokes(rows).flat())
    .filter((points) => points.length >= FEWEST_POINTS)
    .map(spread);
  return {
    spacing: median(offsets) || normalization.std[0],
    height: median(heights) || normalization.std[1],
  };
}

/**
 * Turns strokes that somebody drew into rows that a model could have written: as high as its own
 * writing, with points as far apart.
 *
 * @param {Point[][]} drawn pixels, y down
 * @param {Hand} hand
 * @param {number} maxSteps how many rows the model reads; a longer drawing keeps its end
 * @returns {{rows: Row[], start: Point, scale: number} | null} raw rows, the pixel at which they
 *     start, and pixels a raw unit; null if the drawing has nothing to continue
 */
export function adapt(drawn, hand, maxSteps) {
  const reach = Math.max(...extent(drawn.flat()));
  if (!reach) return null;
  // Spacing comes first. Otherwise places where the visitor was slow would count more.
  const even = drawn.flatMap((stroke) => resample(stroke, reach / 200));
  const scale = Math.max(spread(even), FLATTEST * reach) / hand.height;
  const points = drawn.map((stroke) => resample(stroke, hand.spacing * scale));
  const strokes = points.map((stroke) => stroke.map(([x, y]) => [x / scale, -y / scale]));
  const all = toOffsets(strokes);
  if (all.length < FEWEST_OFFSETS) return null;
  const rows = all.slice(-maxSteps);
  const [x, y] = drawn[0][0];
  const skipped = all.slice(0, all.length - rows.length);
  const [right, up] = skipped.reduce(([a, b], [dx, dy]) => [a + dx, b + dy], [0, 0]);
  return { rows, start: [x + right * scale, y - up * scale], scale };
}

/**
 * Returns the two meanings of a drawing: its last stroke is done, or it goes on. The visitor lifts
 * the pen at the end in either case.
 *
 * @param {Row[]} rows
 * @returns {Row[][]}
 */
export function endings(rows) {
  const [dx, dy] = rows.at(-1);
  return [1, 0].map((pen) => [...rows.slice(0, -1), [dx, dy, pen]]);
}

/** Returns the width and height of the points. */
export function extent(/** @type {Point[]} */ points) {
  const { left, top, right, bottom } = bounds(points);
  return [right - left, bottom - top];
}

/** Returns the smallest box around points; `top` is the smallest y. */
export function bounds(/** @type {Point[]} */ points) {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const [x, y] of points) {
    box.left = Math.min(box.left, x);
    box.top = Math.min(box.top, y);
    box.right = Math.max(box.right, x);
    box.bottom = Math.max(box.bottom, y);
  }
  return box;
}

/** Returns the middle value; 0 if there is none. */
export function median(/** @type {number[]} */ values) {
  if (!values.length) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
}

/** Returns the standard deviation of y around the straight line that the writing follows. */
function spread(/** @type {Point[]} */ points) {
  const n = points.length;
  const mean = [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / n);
  let [xx, xy, yy] = [0, 0, 0];
  for (const [x, y] of points) {
    xx += (x - mean[0]) ** 2;
    xy += (x - mean[0]) * (y - mean[1]);
    yy += (y - mean[1]) ** 2;
  }
  // A steep line is a tall letter, not a baseline.
  const slope = xx > yy ? xy / xx : 0;
  return Math.sqrt(Math.max(0, yy - 2 * slope * xy + slope ** 2 * xx) / n);
}

function distance(/** @type {Point} */ a, /** @type {Point} */ b) {
  return Math.hypot(b[0] - a[0], b[1] - a[1]);
}

function between(/** @type {Point} */ a, /** @type {Point} */ b, /** @type {number} */ share) {
  return [a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])];
}
