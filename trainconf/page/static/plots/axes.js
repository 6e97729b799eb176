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

/**
 * A part of an axis by what lies at its ends, so that it means the same once the axis is turned, logarithmic or longer; null where nothing lies in it.
 * @param {Axis} axis
 * @param {[number, number]} brush
 * @returns {[string, string] | null}
 */
export function rangeOf(axis, [from, to]) {
  if (axis.kind === "number") return /** @type {[string, string]} */ ([valueAt(axis, from), valueAt(axis, to)].sort((a, b) => a - b).map((each) => String(Number(each.toPrecision(12)))));
  const inside = axis.choices.filter((each) => isIn([axis], { [axis.key]: [from, to] }, { number: 0, rank: null, values: { [axis.key]: each } })).map((each) => JSON.stringify(each));
  return inside.length ? [inside[0], inside[inside.length - 1]] : null;
}

/**
 * Where a range is on its axis; null where it is not.
 * @param {Axis} axis
 * @param {[string, string]} range
 * @returns {[number, number] | null}
 */
export function brushOf(axis, range) {
  try {
    const [from, to] = range.map((each) => placeOn(axis, JSON.parse(each)));
    return from === null || to === null ? null : [Math.min(from, to), Math.max(from, to)];
  } catch {
    return null; // an address that somebody has written
  }
}
