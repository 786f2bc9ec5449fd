/**
 * The settings as fields of a form: one for each number, with a slider beside it.
 *
 * @typedef {{name: string, label: string, hint: string, low: number, high: number, start: number,
 *     span?: [number, number], integer?: boolean}} Description low and high are what is allowed,
 *     span what the slider covers
 */

const LARGEST_SEED = 2 ** 31 - 1;
const MOST_LINES = 8;
const LINES = 3;
const SEED = 7;

// Texts for the options of a model, and the ranges that are worth trying. An option that is not
// listed here shows its name, its default and its whole range.
const WORDS = {
  temperature: {
    label: 'Temperature',
    hint: 'how freely the pen moves',
    span: [0, 1.5],
    start: 0.5, // samples look best at it; a model's default of 1 is true to the data
  },
  latent_temperature: { label: 'Latent temperature', hint: 'how freely it plans', span: [0, 1.5] },
  pen_bias: { label: 'Pen bias', hint: 'above 0, it lifts more often', span: [-3, 3] },
};

/**
 * Describes the settings of a model.
 *
 * @param {Record<string, any>} metadata
 * @returns {Description[]}
 */
export function describe(metadata) {
  const maxSteps = metadata.max_steps;
  const integers = [
    {
      name: 'seed',
      label: 'Seed',
      hint: 'the same seed, the same strokes',
      low: 0,
      high: LARGEST_SEED,
      start: SEED,
    },
    {
      name: 'lines',
      label: 'Lines',
      hint: 'each with the next seed',
      low: 1,
      high: MOST_LINES,
      start: LINES,
      span: [1, MOST_LINES],
    },
    {
      name: 'steps',
      label: 'Longest line',
      hint: 'in points of the pen',
      low: 1,
      high: maxSteps,
      start: maxSteps,
      span: [1, maxSteps],
    },
  ];
  const options = Object.entries(metadata.options).map(([name, option]) => {
    const [low, high] = option.range;
    const plain = {
      label: name.replaceAll('_', ' '),
      hint: '',
      span: [low, high],
      start: option.default,
    };
    return { ...plain, ...WORDS[name], name, low, high };
  });
  return [...integers.map((each) => ({ ...each, integer: true })), ...options];
}

/** A number that the visitor can type, or set with a slider. */
export class Field {
  /** @param {Description} description */
  constructor(description) {
    this.description = description;
    this.element = document.createElement('div');
    this.element.className = 'field';
    this.input = number(description);
    const label = Object.assign(document.createElement('label'), {
      htmlFor: this.input.id,
      textContent: description.label,
    });
    const hint = Object.assign(document.createElement('small'), {
      id: `${this.input.id}-hint`,
      textContent: description.hint,
    });
    this.input.setAttribute('aria-describedby', hint.id);
    this.element.append(label, this.input, hint);
    if (description.span) this.element.append(this.#slider(description));
  }

  /**
   * Returns the number in the field.
   *
   * @throws {RangeError} if it is no number, or out of range
   */
  get value() {
    const { label, low, high, integer } = this.description;
    const value = this.input.valueAsNumber;
    const valid = value >= low && value <= high && (!integer || Number.isInteger(value));
    this.input.setAttribute('aria-invalid', String(!valid));
    if (valid) return value;
    this.input.focus();
    throw new RangeError(
      `${label} must be ${integer ? 'a whole number' : 'a number'} from ${low} to ${high}. ` +
        `It is ${Number.isNaN(value) ? 'none' : value}.`,
    );
  }

  set value(/** @type {number} */ value) {
    this.input.value = String(value);
    this.input.dispatchEvent(new Event('input'));
  }

  /** Makes a slider for the hand. Keyboards and screen readers use the number beside it. */
  #slider(/** @type {Description} */ { span, integer, start }) {
    const slider = Object.assign(document.createElement('input'), { type: 'range', tabIndex: -1 });
    slider.setAttribute('aria-hidden', 'true');
    [slider.min, slider.max] = span.map(String);
    slider.step = integer ? '1' : '0.05';
    slider.value = String(start);
    slider.addEventListener('input', () => (this.input.value = slider.value));
    this.input.addEventListener('input', () => (slider.value = this.input.value));
    return slider;
  }
}

function number(/** @type {Description} */ { name, low, high, start, integer }) {
  return Object.assign(document.createElement('input'), {
    id: name,
    name,
    type: 'number',
    min: String(low),
    max: String(high),
    step: integer ? '1' : '0.05',
    required: true,
    value: String(start),
  });
}
