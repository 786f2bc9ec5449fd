/**
 * An exported model in the browser: fetches and checks it, and runs its signatures.
 *
 * It runs in the worker, see worker.js. Every failure is thrown as an Error, and the page shows its
 * message as it is.
 */

import { loadAndCompile, loadLiteRt, supportsFeature, Tensor } from '../vendor/litert/index.js';

const FORMAT = 'vrnn_tf.export';
const FORMAT_VERSION = 1;
const PEN_ROWS = 'dx, dy, pen'; // how the metadata describe the rows of a pen
const IDENTIFIER = 'TFL3'; // at byte 4 of every TFLite file
const ARRAYS = { float32: Float32Array, int32: Int32Array };
const RUNTIME = new URL('../vendor/litert/', import.meta.url);

/** @typedef {(label: string, loaded: number, total: number) => void} Progress total 0: unknown */

/** A model that writes with a pen, one sequence at a time. */
export class PenModel {
  #compiled;

  /**
   * @param {Record<string, any>} metadata the content of metadata.json
   * @param {Record<string, any>} compiled a CompiledModel of LiteRT.js
   */
  constructor(metadata, compiled) {
    this.metadata = metadata;
    this.#compiled = compiled;
  }

  /**
   * Fetches a .tflite file and the metadata.json beside it.
   *
   * @param {string} url of the .tflite file
   * @param {Progress} onProgress
   */
  static async load(url, onProgress) {
    const name = decodeURIComponent(new URL(url).pathname.split('/').pop());
    const metadata = await fetchMetadata(new URL('metadata.json', url));
    const known = metadata.files[name];
    const content = await fetchBytes(url, known?.bytes ?? 0, (loaded, total) =>
      onProgress('the model', loaded, total),
    );
    await checkModel(content, name, known);
    await startRuntime(onProgress);
    return new PenModel(metadata, await compile(content, name, metadata));
  }

  /**
   * Writes a new sequence.
   *
   * @param {{seed: number, steps: number, options: Record<string, number>}} request
   * @returns {Promise<Float32Array>} `[T * 3]`, normalised
   */
  async generate({ seed, steps, options }) {
    const { x, length } = await this.#run('generate', { seed, steps, ...options });
    return x.slice(0, length[0] * this.metadata.event_size);
  }

  /**
   * Continues a beginning in its style.
   *
   * @param {{prefix: Float32Array, seed: number, steps: number,
   *     options: Record<string, number>}} request prefix is `[T * 3]`, normalised
   * @returns {Promise<Float32Array>} the rows after the prefix
   */
  async goOn({ prefix, seed, steps, options }) {
    const size = this.metadata.event_size;
    const length = prefix.length / size;
    let states = await this.#run('prime', this.#sequence(prefix, seed));
    const written = new Float32Array(steps * size);
    for (let i = 0; i < steps; i++) {
      const { x: row, ...next } = await this.#run('step', {
        ...states,
        ...options,
        seed,
        t: length + i,
      });
      written.set(row, i * size);
      if (this.#isEnd(row)) return written.slice(0, (i + 1) * size);
      states = next;
    }
    return written;
  }

  /**
   * Returns how well the model explains a sequence.
   *
   * @param {{x: Float32Array, seed: number}} request x is `[T * 3]`, normalised
   * @returns {Promise<number>} the bound of its log-likelihood, nats
   */
  async score({ x, seed }) {
    const { elbo } = await this.#run('score', this.#sequence(x, seed));
    return elbo[0];
  }

  #sequence(/** @type {Float32Array} */ x, /** @type {number} */ seed) {
    const { event_size: size, max_steps: maxSteps } = this.metadata;
    const padded = new Float32Array(maxSteps * size);
    padded.set(x);
    return { x: padded, length: x.length / size, seed };
  }

  #isEnd(/** @type {Float32Array} */ row) {
    const mark = this.metadata.end_mark;
    return mark !== null && row[mark[0]] === mark[1];
  }

  /** Runs a signature with named numbers or arrays, and returns named arrays. */
  async #run(/** @type {string} */ signature, /** @type {Record<string, any>} */ values) {
    /** @type {Record<string, Tensor>} */
    const inputs = {};
    for (const { name, dtype, shape } of this.metadata.signatures[signature].inputs) {
      const value = values[name];
      const content = typeof value === 'number' ? ARRAYS[dtype].of(value) : value;
      inputs[name] = new Tensor(
        content,
        shape.map((size) => (size === 'B' ? 1 : size)),
      );
    }
    const outputs = await this.#compiled.run(signature, inputs);
    const arrays = Object.entries(outputs).map(([name, tensor]) => [name, tensor.toTypedArray()]);
    for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.delete();
    return Object.fromEntries(arrays);
  }
}

async function fetchMetadata(/** @type {URL} */ url) {
  const response = await request(url);
  let metadata;
  try {
    metadata = await response.json();
  } catch {
    throw new Error(`${url.pathname} is not JSON. Copy the folder that was exported again.`);
  }
  if (metadata?.format !== FORMAT || metadata.format_version !== FORMAT_VERSION) {
    const found = `${metadata?.format} version ${metadata?.format_version}`;
    throw new Error(
      `${url.pathname} must be of the format ${FORMAT}, version ${FORMAT_VERSION}. It is ${found}. ` +
        'Export the model again.',
    );
  }
  if (metadata.description !== PEN_ROWS || metadata.event_size !== 3) {
    throw new Error(
      `This model describes “${metadata.description}”. The page needs one that writes with a pen ` +
        `(${PEN_ROWS}).`,
    );
  }
  return metadata;
}

/** Fetches a response and checks that it succeeded. */
async function request(/** @type {URL | string} */ url) {
  const { pathname } = new URL(url);
  let response;
  try {
    response = await fetch(url);
  } catch {
    throw new Error(`${pathname} cannot be reached. Check the connection and load the page again.`);
  }
  if (!response.ok) {
    throw new Error(
      `${pathname} is missing (${response.status}). Copy an exported model into the folder “model”, ` +
        'beside the page.',
    );
  }
  return response;
}

/**
 * @param {URL | string} url
 * @param {number} total bytes, 0 if unknown
 * @param {(loaded: number, total: number) => void} onProgress
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function fetchBytes(url, total, onProgress) {
  const response = await request(url);
  const parts = [];
  let loaded = 0;
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    loaded += part.value.length;
    onProgress(loaded, total);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function checkModel(content, name, known) {
  const identifier = String.fromCharCode(...content.subarray(4, 8));
  if (identifier !== IDENTIFIER) {
    throw new Error(`${name} is not a TFLite file. Copy the folder that was exported again.`);
  }
  if (!known)
    throw new Error(`metadata.json does not describe ${name}. Copy both from one export.`);
  if (known.bytes !== content.length || !(await hasDigest(content, known.sha256))) {
    throw new Error(
      `${name} is not the file that metadata.json beside it describes (their sha256 differ). It is ` +
        'damaged, or from another export. Copy both again.',
    );
  }
}

async function hasDigest(
  /** @type {Uint8Array<ArrayBuffer>} */ content,
  /** @type {string} */ expected,
) {
  if (!globalThis.crypto?.subtle) return true; // only https and localhost have it
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', content));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('') === expected;
}

async function startRuntime(/** @type {Progress} */ onProgress) {
  const manifest = await (await request(new URL('manifest.json', RUNTIME))).json();
  const fast = await supportsFeature('relaxedSimd');
  const build = fast ? 'litert_wasm_internal' : 'litert_wasm_compat_internal';
  const wasmBinary = await fetchBytes(
    new URL(`${build}.wasm`, RUNTIME),
    manifest.bytes[`${build}.wasm`],
    (loaded, total) => onProgress('the runtime', loaded, total),
  );
  // The runtime's start-up code looks for settings here. It prints every message as an error,
  // although most of them report no problem.
  globalThis.Module = { wasmBinary, printErr: (line) => log(line) };
  await loadLiteRt(new URL(`${build}.js`, RUNTIME).href);
}

function log(/** @type {string} */ line) {
  if (line.startsWith('ERROR')) console.error(line);
  else console.debug(line);
}

async function compile(content, name, metadata) {
  let compiled;
  try {
    compiled = await loadAndCompile(content, { accelerator: 'wasm' });
  } catch (error) {
    throw new Error(
      `LiteRT cannot load ${name}: ${error.message ?? error}. Export the model again.`,
    );
  }
  const missing = ['generate', 'prime', 'step', 'score'].filter(
    (signature) => !(signature in compiled.signatures && signature in metadata.signatures),
  );
  if (missing.length)
    throw new Error(`${name} lacks ${missing.join(', ')}. Export the model again.`);
  return compiled;
}
