/**
 * A page of handwriting: the place of every stroke, and the page as an SVG document.
 *
 * @typedef {import('./strokes.js').Point} Point
 * @typedef {import('./strokes.js').Row} Row
 * @typedef {{rows: Row[], prefix: Row[]}} Line raw rows; `prefix` is the visitor's, before `rows`
 * @typedef {{points: Point[], line: number, own: boolean}} Stroke own: the visitor's
 * @typedef {{strokes: Stroke[], width: number, height: number, letter: number, pen: number}} Page
 *     raw units, y down from the top left corner; letter: a usual height of a line; pen: its breadth
 */

import { bounds, median, toStrokes } from './strokes.js';

const GAP = 0.3; // between lines and around the page, in heights of a line
const PEN_BREADTH = 0.022; // in heights of a line

/**
 * Puts lines one below the other.
 *
 * @param {Line[]} lines
 * @returns {Page}
 */
export function layOut(lines) {
  const blocks = lines.map(signedStrokes);
  const boxes = blocks.map((strokes) => bounds(strokes.flatMap(({ points }) => points)));
  const heights = boxes.map(({ top, bottom }) => bottom - top).filter((height) => height > 0);
  const letter = median(heights) || 1;
  const gap = GAP * letter;
  let [top, width] = [gap, 0];
  const strokes = blocks.flatMap((block, line) => {
    if (!block.length) return [];
    const box = boxes[line];
    const place = ([x, y]) => [x - box.left + gap, box.bottom - y + top];
    const placed = block.map(({ points, own }) => ({ points: points.map(place), line, own }));
    top += box.bottom - box.top + gap;
    width = Math.max(width, box.right - box.left);
    return placed;
  });
  return { strokes, width: width + 2 * gap, height: top, letter, pen: PEN_BREADTH * letter };
}

/** Strokes and their writers. A stroke that both have written is cut where the writer changes. */
function signedStrokes(/** @type {Line} */ { rows, prefix }) {
  const own = toStrokes(prefix);
  const all = toStrokes([...prefix, ...rows]);
  const shared = all[own.length - 1]?.slice(own.at(-1).length - 1) ?? [];
  return [
    ...own.map((points) => ({ points, own: true })),
    ...(shared.length > 1 ? [{ points: shared, own: false }] : []),
    ...all.slice(own.length).map((points) => ({ points, own: false })),
  ];
}

/**
 * The Bezier curves through the points of a stroke, `[c1x, c1y, c2x, c2y, x, y]` each.
 *
 * Handles lie along the chord between a point's neighbours. They are short where the pen turns
 * back, so that cusps stay sharp and nothing loops.
 *
 * @param {Point[]} points
 * @returns {number[][]}
 */
export function curves(points) {
  const lengths = points
    .slice(1)
    .map(([x, y], i) => Math.hypot(x - points[i][0], y - points[i][1]));
  const tangents = points.map((_, i) => {
    const around = (lengths[i - 1] ?? 0) + (lengths[i] ?? 0);
    if (i === 0 || i === points.length - 1 || !around) return [0, 0];
    return [0, 1].map((axis) => (points[i + 1][axis] - points[i - 1][axis]) / around);
  });
  return lengths.map((length, i) => {
    const [[x0, y0], [x1, y1]] = [points[i], points[i + 1]];
    const [[u0, v0], [u1, v1]] = [tangents[i], tangents[i + 1]];
    const reach = length / 3;
    return [x0 + reach * u0, y0 + reach * v0, x1 - reach * u1, y1 - reach * v1, x1, y1];
  });
}

/**
 * @param {Page} page
 * @param {string} title says what was drawn
 * @returns {string} an SVG document, one path a stroke
 */
export function toSvg(page, title) {
  const paths = page.strokes.map(({ points }) => `<path d="${pathData(points)}"/>`).join('\n');
  const size = `${round(page.width)} ${round(page.height)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size}">
<title>${title}</title>
<g fill="none" stroke="#1d2433" stroke-width="${round(page.pen)}" stroke-linecap="round" stroke-linejoin="round">
${paths}
</g>
</svg>
`;
}

function pathData(/** @type {Point[]} */ points) {
  const start = `M${points[0].map(round).join(' ')}`;
  const rest = curves(points).map((curve) => `C${curve.map(round).join(' ')}`);
  return start + (rest.join('') || 'h0'); // a line without length: the round cap draws the dot
}

function round(/** @type {number} */ value) {
  return Number(value.toPrecision(7));
}
