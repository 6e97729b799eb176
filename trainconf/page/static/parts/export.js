// A chart as a file: its points as CSV, its picture as SVG. Pure functions.
import { ticks } from "../plots/ticks.js";

/** @typedef {import("./curves.js").Piece} Piece */

/** @param {unknown} value */
const cell = (value) => (/[",\n\r]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));

/**
 * The points that are drawn; those that are not finite among them.
 * @param {Piece[]} pieces
 * @param {string} axis
 */
export function exportCsv(pieces, axis) {
  const lines = [["run", "metric", "attempt", axis, "min", "max", "last", "smooth"].join(",")];
  for (const { run, name, attempt, x, min, max, last, smooth, marks } of pieces) {
    const rows = x.map((at, place) => [at, min[place], max[place], last[place], smooth ? smooth[place] : ""]);
    for (const mark of marks) rows.push([mark.x, "", "", /** @type {any} */ (mark.value), ""]);
    rows.sort((a, b) => Number(a[0]) - Number(b[0]));
    for (const row of rows) lines.push([run, name, attempt, ...row].map(cell).join(","));
  }
  return `${lines.join("\n")}\n`;
}

/** @param {string} text */
const safe = (text) => text.replace(/[&<>"']/g, (each) => `&#${each.charCodeAt(0)};`);

/**
 * @param {object} it
 * @param {string} it.title
 * @param {Piece[]} it.pieces
 * @param {number} it.width
 * @param {number} it.height
 * @param {[number, number]} it.x
 * @param {[number, number]} it.y
 * @param {boolean} it.isLog
 * @param {(piece: Piece) => {colour: string, dash: number[], label: string}} it.look
 * @param {(value: number) => string} it.xWords
 * @param {[number, string][]} it.yTicks
 * @param {string} it.text
 * @param {string} it.quiet
 * @param {string} it.grid
 * @param {string} it.ground
 */
export function exportSvg({ title, pieces, width, height, x, y, isLog, look, xWords, yTicks, text, quiet, grid, ground }) {
  const [left, right, top, bottom] = [56, 12, 30, 24];
  const whole = height + top;
  const labels = [...new Map(pieces.map((piece) => [piece.run, look(piece)])).values()];
  const scale = (/** @type {number} */ value) => (isLog ? Math.log10(value) : value);
  const toX = (/** @type {number} */ value) => left + ((value - x[0]) / (x[1] - x[0])) * (width - left - right);
  const toY = (/** @type {number} */ value) => whole - bottom - ((scale(value) - scale(y[0])) / (scale(y[1]) - scale(y[0]))) * (whole - top - bottom);
  const at = (/** @type {number} */ a, /** @type {number} */ b) => `${toX(a).toFixed(1)},${toY(b).toFixed(1)}`;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${whole + labels.length * 16 + 8}" font-family="system-ui, sans-serif" font-size="11">`,
    `<rect width="100%" height="100%" fill="${ground}"/><text x="12" y="19" font-size="13" font-weight="600" fill="${text}">${safe(title)}</text>`,
    `<clipPath id="plot"><rect x="${left}" y="${top}" width="${width - left - right}" height="${whole - top - bottom}"/></clipPath>`,
  ];
  for (const [each, words] of yTicks) parts.push(`<path d="M${left} ${toY(each).toFixed(1)}H${width - right}" stroke="${grid}"/><text x="${left - 6}" y="${(toY(each) + 4).toFixed(1)}" text-anchor="end" fill="${quiet}">${safe(words)}</text>`);
  for (const each of ticks(...x, 7)) parts.push(`<text x="${toX(each).toFixed(1)}" y="${whole - 8}" text-anchor="middle" fill="${quiet}">${safe(xWords(each))}</text>`);
  for (const piece of pieces) {
    const { colour, dash } = look(piece);
    const line = (/** @type {number[]} */ values) => piece.x.map((each, place) => (isLog && values[place] <= 0 ? "" : at(each, values[place]))).filter(Boolean).join(" ");
    if (piece.smooth) parts.push(`<polyline clip-path="url(#plot)" points="${line(piece.last)}" fill="none" stroke="${colour}" stroke-opacity="0.28"/>`);
    parts.push(`<polyline clip-path="url(#plot)" points="${line(piece.smooth ?? piece.last)}" fill="none" stroke="${colour}" stroke-width="1.6"${dash.length ? ` stroke-dasharray="${dash.join(" ")}"` : ""}/>`);
  }
  labels.forEach(({ colour, label }, place) => parts.push(`<rect x="${left}" y="${whole + place * 16}" width="10" height="3" fill="${colour}"/><text x="${left + 16}" y="${whole + place * 16 + 6}" fill="${text}">${safe(label)}</text>`));
  return `${parts.join("\n")}\n</svg>\n`;
}
