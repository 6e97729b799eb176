// All curves of a run, one card for each metric.
import { html, nothing } from "../../app/dom.js";
import { counted, plain } from "../../app/text.js";
import { chartBar } from "../../parts/chartbar.js";
import "../../parts/chart.js";
import { curvesOf, drawRun, namesOf } from "./overview.js";

/** @typedef {import("../../app/shell.js").Context} Context */

const TYPING_MS = 150;
const SEARCHED = 9; // so many charts are found without a search

/**
 * The charts that a tab shows, by the folder of their names; those that are alone in theirs come first.
 * @param {string[]} names
 * @returns {[string, string[]][]}
 */
function groups(names) {
  const before = (/** @type {string} */ name) => name.slice(0, Math.max(0, name.lastIndexOf("/")));
  /** @type {Map<string, string[]>} */
  const found = new Map();
  for (const name of names) found.set(before(name), [...(found.get(before(name)) ?? []), name]);
  const alone = names.filter((name) => !before(name) || found.get(before(name))?.length === 1);
  const several = [...found].filter(([group, some]) => group && some.length > 1);
  return alone.length ? [["", alone], ...several] : several;
}

/**
 * @param {Context} ctx
 * @param {string[]} names
 * @param {string} none  what is said where there are none
 */
export function chartsOf(ctx, names, none) {
  const { address, store } = ctx;
  const words = (address.query.metric ?? "").toLowerCase();
  const shown = words ? names.filter((name) => name.toLowerCase().includes(words)) : names;
  const typed = (/** @type {InputEvent} */ event) => {
    const { value } = /** @type {HTMLInputElement} */ (event.target);
    clearTimeout(store.typing);
    store.typing = setTimeout(() => address.set({ metric: value }), TYPING_MS);
  };
  if (!names.length) return html`<p class="empty quiet">${none}</p>`;
  return html`
    <div class="sticky">
      ${chartBar(ctx)}
      ${names.length > SEARCHED ? html`<label class="find"><input type="search" id="filter" aria-label="search the metrics" placeholder="metric" .value=${address.query.metric ?? ""} @input=${typed}></label><span class="quiet" role="status">${words ? `${shown.length} of ` : ""}${counted(names.length, "metric")}</span>` : nothing}
    </div>
    ${groups(shown).map(([group, some]) => html`
      ${group ? html`<h2 class="group"><bdi>${plain(group)}</bdi> <span class="quiet">${some.length}</span></h2>` : nothing}
      <div class="charts padded">${some.map((name) => html`<tc-chart .name=${name} .curves=${store.curves}></tc-chart>`)}</div>`)}
    ${shown.length ? nothing : html`<p class="empty">No metric has this name. <button class="link" @click=${() => address.set({ metric: null })}>All metrics</button></p>`}`;
}

/** @type {import("../../app/shell.js").Screen} */
export default {
  name: "charts",
  title: "Charts",
  enter: (ctx) => { ctx.store.curves = curvesOf(ctx); },
  update: drawRun,
  view: (ctx) => chartsOf(ctx, namesOf(ctx.store.run), "No metric was logged yet. `run.log(\"loss\", value, step=step)` logs one."),
  topics: (ctx) => ({ points: ctx.store.curves.places() }),
  event: (ctx, name, data) => ctx.store.curves.event(name, data),
  keys: {
    "/": ["search the metrics", () => document.getElementById("filter")?.focus()],
    s: ["smooth more; with shift, less", (ctx, event) => {
      const now = Number(ctx.address.query.smooth ?? 0);
      ctx.address.set({ smooth: Math.min(0.99, Math.max(0, now + (event.shiftKey ? -0.1 : 0.1))).toFixed(2).replace(/^0\.00$/, "") });
    }],
    o: ["log y on or off", (ctx) => ctx.address.set({ log: ctx.address.query.log ? null : 1 })],
    0: ["the whole course", (ctx) => ctx.address.set({ from: null, to: null })],
  },
};
