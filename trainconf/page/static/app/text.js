// How things are said: numbers, times, sizes, states and names. Pure functions, but for `bdi`, which makes a template.
import { html } from "./dom.js";

/** @typedef {number | "NaN" | "Infinity" | "-Infinity"} Value  a number as JSON can hold it */

export const FINAL = new Set(["Completed", "Failed", "Canceled"]);

const SIGNS = /** @type {Record<string, string>} */ ({
  Completed: "✓", Failed: "✕", NotResponding: "?", Canceled: "⊘", CancelRequested: "⊘", Running: "●", Finalizing: "●", Paused: "‖", NoController: "?",
});
const TONES = /** @type {Record<string, string>} */ ({
  Completed: "good", Failed: "bad", NotResponding: "bad", Canceled: "off", CancelRequested: "off", Running: "on", Finalizing: "on", NoController: "bad",
});

/** @param {string} state */
export const sign = (state) => SIGNS[state] ?? "◌";

/** @param {string} state */
export const tone = (state) => TONES[state] ?? "wait";

// C0, DEL, C1, line and paragraph separators, what turns the direction of text or has no width, and bytes of a name that are no UTF-8.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Surrogate}/gu;

/**
 * Text with each control character as an escape.
 * @param {unknown} text
 */
export function plain(text) {
  return String(text ?? "").replace(UNSEEN, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/**
 * A name that others gave: its direction is its own, and its control characters are seen.
 * @param {unknown} text
 */
export const bdi = (text) => html`<bdi>${plain(text)}</bdi>`;

/**
 * The number that a value of JSON stands for.
 * @param {Value | null | undefined} value
 */
export const numeric = (value) => (value === null || value === undefined ? NaN : Number(value));

/**
 * A number in up to `digits` significant digits, as short as it can be told.
 * @param {unknown} value
 */
export function number(value, digits = 5) {
  if (value === null || value === undefined || value === "") return "";
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value !== "number") return plain(typeof value === "object" ? JSON.stringify(value) : value);
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value).replace("-", "−");
  const size = Math.abs(value);
  const said = size !== 0 && (size < 1e-4 || size >= 1e9) ? value.toExponential(digits - 2) : size >= 10 ** (digits - 1) ? value.toFixed(0) : value.toPrecision(digits);
  return said.replace(/(\.\d*?)0+(?=e|$)/, "$1").replace(/\.(?=e|$)/, "").replace("e+", "e").replaceAll("-", "−");
}

/**
 * A duration, in its two largest units.
 * @param {number | null | undefined} seconds
 */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  const whole = Math.max(0, Math.round(seconds));
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)}s`;
  const parts = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const first = parts.findIndex(([, size]) => whole >= Number(size));
  const [unit, size] = parts[first];
  const next = parts[first + 1];
  const count = Math.floor(whole / Number(size));
  if (!next) return `${count}${unit}`;
  const rest = Math.floor((whole - count * Number(size)) / Number(next[1]));
  return `${count}${unit} ${String(rest).padStart(2, "0")}${next[0]}`;
}

/**
 * Bytes in powers of 1000 with one digit, as `trainconf show` says them.
 * @param {number | null | undefined} count
 */
export function bytes(count) {
  if (count === null || count === undefined) return "";
  if (count < 1000) return `${count} B`;
  const power = [1, 2, 3].find((each) => count / 1000 ** each < 999.95) ?? 4; // 999.95 is 1000.0 with one digit
  return `${(count / 1000 ** power).toFixed(1)} ${" kMGT"[power]}B`;
}

/** @param {{goal?: string | null}} metric  which way is better, in short */
export const goal = ({ goal: said }) => (said === "maximize" || said === "max" ? "max" : said === "minimize" || said === "min" ? "min" : "");

/** @param {number} count */
export const grouped = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, ",");

/**
 * `1 run`, `2 runs`.
 * @param {number} count
 * @param {string} noun
 */
export const counted = (count, noun, many = `${noun}s`) => `${grouped(count)} ${count === 1 ? noun : many}`;

/**
 * A moment as a clock says it here: the time of today, else the day too; of another year the day alone, unless seconds count.
 * @param {string | number | null | undefined} moment
 */
export function clock(moment, hasSeconds = false) {
  if (!moment) return "";
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return plain(moment);
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const time = `${two(date.getHours())}:${two(date.getMinutes())}${hasSeconds ? `:${two(date.getSeconds())}` : ""}`;
  const now = new Date();
  if (date.toDateString() === now.toDateString()) return time;
  const day = `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const isThisYear = date.getFullYear() === now.getFullYear();
  return `${isThisYear ? "" : `${date.getFullYear()}-`}${day}${isThisYear || hasSeconds ? ` ${time}` : ""}`;
}

/**
 * The end of a run's id, which tells it from its neighbours.
 * @param {string} id
 */
export const short = (id) => {
  const said = plain(id);
  return said.length > 22 ? `${said.slice(0, 9)}…${said.slice(-10)}` : said;
};

/**
 * The state of a run: sign and word.
 * @param {string} state
 * @param {string} [words]
 */
export const stateMark = (state, words) =>
  html`<span class="state ${tone(state)}"><span class="sign" aria-hidden="true">${sign(state)}</span> ${plain(words || state)}</span>`;

/** @param {number} value  a round one, of an axis: all of its digits count */
export function shortNumber(value) {
  const power = Math.abs(value) < 10000 || Math.abs(value) >= 1e15 ? 0 : Math.min(4, Math.floor(Math.log10(Math.abs(value)) / 3));
  return `${number(value / 1000 ** power, 8)}${["", "k", "M", "B", "T"][power]}`;
}

/** @param {string[]} texts  how many signs all of them begin with */
export function common([first = "", ...others]) {
  let end = 0;
  while (end < first.length && others.every((text) => text[end] === first[end])) end++;
  return end;
}
