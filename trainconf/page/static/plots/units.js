// What the name of a metric tells of its unit: bytes in KiB, MiB and GiB, percent, watts. Pure functions.
import { number, shortNumber } from "../app/text.js";
import { logTicks, ticks } from "./ticks.js";

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const NAMED = /(?:^|[^a-z])(bytes|percent|watts)((?:_per|\/)_?s(?:ec(?:ond)?)?)?$/i;
const SIGNS = /** @type {Record<string, string>} */ ({ percent: " %", watts: " W" });
const TICKS = 7; // about

/** @param {string} name  of a metric */
const unitOf = (name) => {
  const [, word = "", rate] = NAMED.exec(name) ?? [];
  return { isBytes: /bytes/i.test(word), sign: (SIGNS[word.toLowerCase()] ?? "") + (rate ? "/s" : "") };
};

/** @param {number} value  @returns {number}  the power of 1024 in which it is told */
const powerOf = (value) => Math.max(0, Math.min(SIZES.length - 1, Math.floor(Math.log2(Math.abs(value) || 1) / 10 + 1e-9)));

/**
 * A value of a metric as people read it, in the unit that the metric's name tells.
 * @param {string} name
 * @param {unknown} value
 */
export function measure(name, value, digits = 5) {
  const { isBytes, sign } = unitOf(name);
  if (typeof value !== "number") return number(value);
  if (!isBytes) return number(value, digits) + sign;
  const power = powerOf(value);
  return `${number(value / 1024 ** power, Math.min(digits, 4))} ${SIZES[power]}${sign}`;
}

/**
 * Where the axis of a metric has a line, and what stands there. All numbers of an axis are in one unit.
 * @param {string} name
 * @param {[number, number]} range
 * @param {boolean} isLog
 * @returns {[number, string][]}
 */
export function axisTicks(name, [low, high], isLog) {
  const { isBytes, sign } = unitOf(name);
  if (isBytes && isLog) {
    const [from, to] = [Math.ceil(Math.log2(low)), Math.floor(Math.log2(high))];
    const step = Math.max(1, Math.ceil((to - from) / TICKS));
    if (to > from) return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, place) => 2 ** (from + place * step)).map((at) => [at, measure(name, at)]);
  }
  const power = isBytes ? powerOf(Math.max(Math.abs(low), Math.abs(high))) : 0;
  const size = 1024 ** power;
  const said = (/** @type {number} */ at) => (isBytes ? `${number(at, 8)} ${SIZES[power]}` : shortNumber(at)) + sign;
  return (isLog && !isBytes ? logTicks(low, high) : ticks(low / size, high / size, TICKS)).filter((at) => !isBytes || power || Number.isInteger(at)).map((at) => [at * size, said(at)]);
}
