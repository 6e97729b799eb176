// The axes of a sweep: where a value stands on one, and which trials lie in the ranges that are kept. Pure functions.

/**
 * @typedef {object} Axis
 * @property {string} key
 * @property {string} label
 * @property {"number" | "choice"} kind
 * @property {number} low
 * @property {number} high
 * @property {boolean} log
 * @property {boolean} flip
 * @property {unknown[]} choices
 * @property {boolean} hasMissing  whether some trial lacks it: its own tick, below the line
 */
/** @typedef {{number: number, values: Record<string, unknown>, rank: number | null}} Line  rank: 0 the worst, 1 the best; null without a value */
/** @typedef {{axes: Axis[], lines: Line[], brushes: Brushes, best: number | null}} Shown */
/** @typedef {Record<string, [number, number]>} Brushes  by axis: from and to, in parts of the axis from below */

/**
 * Where a value stands on an axis, 0 at its lower end; null where it is missing or is no value of it.
 * @param {Axis} axis
 * @param {unknown} value
 */
export function placeOn(axis, value) {
  let place = null;
  if (axis.kind === "choice") {
    const found = axis.choices.findIndex((each) => JSON.stringify(each) === JSON.stringify(value));
    place = found < 0 ? null : axis.choices.length < 2 ? 0.5 : found / (axis.choices.length - 1);
  } else if (typeof value === "number" && Number.isFinite(value)) {
    const scale = axis.log ? Math.log10 : (/** @type {number} */ each) => each;
    const [low, high, at] = [scale(axis.low), scale(axis.high), scale(value)];
    place = !Number.isFinite(at) ? null : high > low ? (at - low) / (high - low) : 0.5;
  }
  return place === null || value === undefined ? null : axis.flip ? 1 - place : place;
}

/**
 * The value at a place of an axis of numbers.
 * @param {Axis} axis
 * @param {number} place
 */
export function valueAt(axis, place) {
  const at = axis.flip ? 1 - place : place;
  return axis.log ? 10 ** (Math.log10(axis.low) + at * (Math.log10(axis.high) - Math.log10(axis.low))) : axis.low + at * (axis.high - axis.low);
}

/**
 * Whether a line lies in all brushes. What is missing lies in none.
 * @param {Axis[]} axes
 * @param {Brushes} brushes
 * @param {Line} line
 */
export const isIn = (axes, brushes, line) => axes.every((axis) => {
  const brush = brushes[axis.key];
  if (!brush) return true;
  const place = placeOn(axis, line.values[axis.key]);
  return place !== null && place >= brush[0] - 1e-9 && place <= brush[1] + 1e-9;
});
