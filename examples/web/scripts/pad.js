/** What a visitor draws on the sheet, with a mouse, a finger or a pen. */

/** @typedef {import('./strokes.js').Point} Point */

/** Collects strokes in pixels of the canvas, y down, while `enabled`. */
export class Pad {
  /** @type {Point[][]} */
  strokes = [];
  enabled = false;
  startsAnew = false; // whether the next stroke replaces those before it
  #canvas;
  #onChange;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} onChange called after every change of `strokes`
   */
  constructor(canvas, onChange) {
    this.#canvas = canvas;
    this.#onChange = onChange;
    canvas.addEventListener('pointerdown', (event) => this.#begin(event));
    canvas.addEventListener('pointermove', (event) => this.#move(event));
  }

  /** Takes back the last stroke. */
  undo() {
    this.strokes.pop();
    this.#onChange();
  }

  /** Takes back every stroke. */
  clear() {
    this.strokes = [];
    this.#onChange();
  }

  #begin(/** @type {PointerEvent} */ event) {
    if (!this.enabled || !event.isPrimary || event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    if (this.startsAnew) this.strokes = [];
    this.strokes.push([this.#place(event)]);
    this.#onChange();
  }

  #move(/** @type {PointerEvent} */ event) {
    if (!this.enabled || !event.isPrimary || !this.#canvas.hasPointerCapture(event.pointerId))
      return;
    const events = event.getCoalescedEvents?.() ?? [];
    this.strokes
      .at(-1)
      ?.push(...(events.length ? events : [event]).map((each) => this.#place(each)));
    this.#onChange();
  }

  /** @returns {Point} */
  #place(/** @type {PointerEvent} */ event) {
    const { left, top } = this.#canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }
}
