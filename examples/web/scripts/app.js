/**
 * The page: loads the model, reads the settings, writes.
 *
 * An event "written" on the document announces every piece of writing, with what the model received
 * and returned: {mode, seed, steps, options, prefix, lines}. `lines` holds one Float32Array
 * `[T * 3]` a line, and `prefix` is one such array or null; both are normalised.
 *
 * `main` has the attribute data-state: loading, ready, thinking, writing, done or failed.
 */

import { RemoteModel } from './client.js';
import { describe, Field } from './fields.js';
import { layOut, toSvg } from './page.js';
import { Pad } from './pad.js';
import { Sheet } from './sheet.js';
import { adapt, endings, measureHand, toNormalized, toRaw, toRows } from './strokes.js';

const MODEL = 'model/model.tflite'; // unless the address says ?model=PATH
const STUDIED_LINES = 8; // that the model writes, to measure its hand
const SEEDS = 10_000; // "Another" draws from as many; short ones are easy to note down
const PATIENCE = 3000; // milliseconds for the service worker to take over
const BRIEFLY = 1000; // milliseconds for a browser to start a download

const element = (/** @type {string} */ id) => document.getElementById(id);
const button = (/** @type {string} */ id) => /** @type {HTMLButtonElement} */ (element(id));
const main = element('main');
const form = /** @type {HTMLFormElement} */ (element('form'));
const canvas = /** @type {HTMLCanvasElement} */ (element('sheet'));

const sheet = new Sheet(canvas);
const pad = new Pad(canvas, showPad);
/** @type {RemoteModel} */
let model;
/** @type {Record<string, any>} */
let metadata;
/** @type {Field[]} */
let fields = [];
/** @type {Promise<import('./strokes.js').Hand> | undefined} */
let hand;
/** @type {{page: import('./page.js').Page, title: string, seed: number} | undefined} */
let latest;
let turns = 0; // the visitor's requests so far; the results of an earlier turn are dropped

async function start() {
  try {
    checkBrowser();
    const kept = await keepOffline();
    model = new RemoteModel(showProgress); // not before: the page keeps what this loads
    metadata = await model.load(modelUrl());
    fields = describe(metadata).map((description) => new Field(description));
    element('fields').append(...fields.map((field) => field.element));
    element('kept').hidden = !kept;
    setState('ready');
    listen();
    setMode();
  } catch (error) {
    setState('failed');
    showError(error);
  }
}

function checkBrowser() {
  if (typeof WebAssembly === 'undefined') {
    throw new Error('This browser has no WebAssembly, which the model runs on. Try a current one.');
  }
}

function modelUrl() {
  const url = new URL(new URLSearchParams(location.search).get('model') ?? MODEL, document.baseURI);
  if (url.origin !== location.origin) {
    throw new Error('The model must come from where the page comes from.');
  }
  return url.href;
}

/** Keeps the page for use without a network. Returns whether that worked. */
async function keepOffline() {
  const container = navigator.serviceWorker; // only https and localhost have it
  if (!container) return false;
  try {
    await container.register('service-worker.js');
  } catch {
    return false; // storage is full or forbidden; the page also works without a copy
  }
  // It keeps the files that it sees being loaded, so it must start before the worker.
  const taken = new Promise((resolve) =>
    container.addEventListener('controllerchange', resolve, { once: true }),
  );
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE));
  if (!container.controller) await Promise.race([taken, late]);
  return Boolean(container.controller);
}

function listen() {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    write();
  });
  for (const mode of form.querySelectorAll('.modes input'))
    mode.addEventListener('change', setMode);
  element('another').addEventListener('click', () => {
    fieldOf('seed').value = Math.floor(Math.random() * SEEDS);
    write();
  });
  element('skip').addEventListener('click', () => sheet.skip());
  canvas.addEventListener('click', () => sheet.skip());
  document.addEventListener('keydown', ({ key }) => key === 'Escape' && sheet.skip());
  element('undo').addEventListener('click', () => pad.undo());
  element('clear').addEventListener('click', () => pad.clear());
  element('save').addEventListener('click', save);
}

function setMode() {
  turns++;
  showError(null);
  main.dataset.mode = String(new FormData(form).get('mode'));
  element('write').textContent = goesOn() ? 'Continue' : 'Write';
  fieldOf('lines').element.hidden = goesOn();
  if (goesOn()) showPad();
  else write();
}

function goesOn() {
  return main.dataset.mode === 'continue';
}

function fieldOf(/** @type {string} */ name) {
  return fields.find((field) => field.description.name === name);
}

/** Writes with the chosen settings. */
async function write() {
  const turn = ++turns;
  const before = main.dataset.state;
  try {
    showError(null);
    const settings = readSettings();
    setState('thinking');
    const began = performance.now();
    const writing = await (goesOn() ? goOn(settings) : writeNew(settings));
    if (turn !== turns) return;
    const detail = { ...settings, prefix: writing.prefix, lines: writing.lines };
    document.dispatchEvent(new CustomEvent('written', { detail }));
    await show(writing, settings, Math.round(performance.now() - began));
  } catch (error) {
    if (turn !== turns) return;
    setState(before === 'thinking' ? 'ready' : before);
    showError(error);
  }
}

function readSettings() {
  const visible = fields.filter((field) => !field.element.hidden);
  const values = Object.fromEntries(visible.map((field) => [field.description.name, field.value]));
  const { seed, lines = 1, steps, ...options } = values;
  return { mode: main.dataset.mode, seed, count: lines, steps, options };
}

/** Writes new lines; line i has the seed `seed + i`. */
async function writeNew({ seed, count, steps, options }) {
  const lines = await generate(count, { seed, steps, options });
  const page = layOut(lines.map((line) => ({ rows: rawRows(line), prefix: [] })));
  return { prefix: null, lines, page, from: null };
}

/** Writes one line that begins with the visitor's drawing. */
async function goOn({ seed, steps, options }) {
  hand ??= studyHand();
  const drawn = pad.strokes.length ? adapt(pad.strokes, await hand, metadata.max_steps) : null;
  if (!drawn) throw new Error('Write a few letters on the sheet first: by mouse, finger or pen.');
  const prefix = await likelier(endings(drawn.rows).map(normalized), seed);
  const line = await model.goOn({ prefix, seed, steps, options });
  const page = layOut([{ rows: rawRows(line), prefix: rawRows(prefix) }]);
  const [x, y] = page.strokes[0].points[0];
  const from = {
    scale: drawn.scale,
    x: drawn.start[0] - x * drawn.scale,
    y: drawn.start[1] - y * drawn.scale,
  };
  return { prefix, lines: [line], page, from };
}

/** Returns the sequence that the model finds more probable. */
async function likelier(/** @type {Float32Array[]} */ sequences, /** @type {number} */ seed) {
  const scores = [];
  for (const x of sequences) scores.push(await model.score({ x, seed }));
  return sequences[scores.indexOf(Math.max(...scores))];
}

/** Measures how the model writes by itself. The visitor's drawing is brought to that form. */
async function studyHand() {
  const options = Object.entries(metadata.options).map(([name, option]) => [name, option.default]);
  const request = { seed: 0, steps: metadata.max_steps, options: Object.fromEntries(options) };
  const lines = await generate(STUDIED_LINES, request);
  return measureHand(lines.map(rawRows), metadata.normalization);
}

async function generate(count, { seed, ...rest }) {
  const lines = [];
  for (let i = 0; i < count; i++) lines.push(await model.generate({ ...rest, seed: seed + i }));
  return lines;
}

function normalized(/** @type {import('./strokes.js').Row[]} */ rows) {
  return Float32Array.from(toNormalized(rows, metadata.normalization).flat());
}

function rawRows(/** @type {Float32Array} */ line) {
  return toRaw(toRows(line), metadata.normalization);
}

async function show({ lines, page, from }, { mode, seed }, milliseconds) {
  const title = `${mode === 'continue' ? 'Handwriting, continued' : 'Handwriting'}, seed ${seed}`;
  latest = { page, title, seed };
  canvas.setAttribute('aria-label', `${title}: ${page.strokes.length} strokes`);
  setState('writing');
  element('notice').textContent = 'Writing…';
  await sheet.write(page, from);
  if (latest.page !== page || main.dataset.state !== 'writing') return;
  setState('done');
  const points = lines.reduce((sum, line) => sum + line.length / metadata.event_size, 0);
  const count = lines.length === 1 ? '1 line' : `${lines.length} lines`;
  element('notice').textContent = `${count}, ${points} points, ${milliseconds} ms`;
}

function showPad() {
  main.dataset.drawn = String(pad.strokes.length > 0);
  setState('ready');
  sheet.show(pad.strokes);
  canvas.setAttribute('aria-label', `Your writing: ${pad.strokes.length} strokes`);
  element('notice').textContent = '';
}

function save() {
  const svg = new Blob([toSvg(latest.page, latest.title)], { type: 'image/svg+xml' });
  const link = Object.assign(document.createElement('a'), {
    href: URL.createObjectURL(svg),
    download: `handwriting-${latest.seed}.svg`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), BRIEFLY);
}

/** Sets the state, which decides which buttons can be pressed. */
function setState(/** @type {string} */ state) {
  main.dataset.state = state;
  const idle = !['loading', 'thinking', 'failed'].includes(state);
  for (const id of ['write', 'another']) button(id).disabled = !idle;
  button('skip').disabled = state !== 'writing';
  element('notice').setAttribute('aria-live', state === 'loading' ? 'off' : 'polite');
  button('save').disabled = !latest || !['writing', 'done'].includes(state);
  pad.enabled = goesOn() && ['ready', 'done'].includes(state);
  pad.startsAnew = state === 'done';
}

function showProgress(
  /** @type {string} */ label,
  /** @type {number} */ loaded,
  /** @type {number} */ total,
) {
  const bar = /** @type {HTMLProgressElement} */ (element('progress'));
  if (total) Object.assign(bar, { max: total, value: loaded });
  else bar.removeAttribute('value');
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  const amount = total ? `${megabytes(loaded)} of ${megabytes(total)}` : megabytes(loaded);
  element('notice').textContent = `Fetching ${label}, ${amount} MB`;
}

function showError(/** @type {Error | null} */ error) {
  element('error').textContent = error?.message ?? '';
  if (error) element('notice').textContent = '';
}

start();
