// A curve of a few points, as wide as a word.
import { nothing, svg, html } from "../app/dom.js";
import { numeric } from "../app/text.js";

const WIDTH = 64;
const HEIGHT = 18;

/** @param {import("../app/text.js").Value[] | null | undefined} values */
export function spark(values) {
  const points = (values ?? []).map(numeric);
  const known = points.filter(Number.isFinite);
  if (known.length < 2) return nothing;
  const low = Math.min(...known);
  const span = Math.max(...known) - low || 1;
  const at = (/** @type {number} */ value, /** @type {number} */ place) =>
    `${((place / (points.length - 1)) * (WIDTH - 4) + 2).toFixed(1)},${(HEIGHT - 3 - ((value - low) / span) * (HEIGHT - 6)).toFixed(1)}`;
  const line = points.map((value, place) => (Number.isFinite(value) ? at(value, place) : "")).filter(Boolean);
  const [x, y] = line[line.length - 1].split(",");
  return html`<svg class="spark" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} width=${WIDTH} height=${HEIGHT} aria-hidden="true">${svg`<polyline points=${line.join(" ")}></polyline><circle cx=${x} cy=${y} r="1.6"></circle>`}</svg>`;
}
