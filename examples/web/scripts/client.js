/** The page's side of worker.js: calls that return promises. */

/** A model in a thread of its own. */
export class RemoteModel {
  #worker = new Worker(new URL('./worker.js', import.meta.url));
  /** @type {Map<number, {resolve: Function, reject: Function}>} */
  #waiting = new Map();
  #calls = 0;

  /** @param {(...progress: any[]) => void} onProgress label, bytes loaded, bytes in all */
  constructor(onProgress) {
    this.#worker.addEventListener('message', ({ data: { id, result, error, progress } }) => {
      if (progress) return onProgress(...progress);
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    });
    this.#worker.addEventListener('error', (event) => {
      event.preventDefault();
      const error = new Error(event.message || 'The worker did not start. Load the page again.');
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    });
  }

  /** Fetches the model and returns its metadata. @returns {Promise<Record<string, any>>} */
  load(/** @type {string} */ url) {
    return this.#call('load', url);
  }

  /** `PenModel.generate`. @returns {Promise<Float32Array>} */
  generate(/** @type {object} */ request) {
    return this.#call('generate', request);
  }

  /** `PenModel.goOn`. @returns {Promise<Float32Array>} */
  goOn(/** @type {object} */ request) {
    return this.#call('goOn', request);
  }

  /** `PenModel.score`. @returns {Promise<number>} */
  score(/** @type {object} */ request) {
    return this.#call('score', request);
  }

  #call(/** @type {string} */ name, /** @type {unknown} */ argument) {
    const id = this.#calls++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, name, argument });
    });
  }
}
