// How charts are drawn: smoothing, log axis, what the steps are. All of it is in the address.
import { html, nothing } from "../app/dom.js";

/** @typedef {import("../app/shell.js").Context} Context */

/**
 * @param {import("../app/router.js").Query} query
 * @returns {import("./curves.js").Options}
 */
export function chartOptions({ x, smooth, log, from, to, group, but = "" }) {
  const known = (/** @type {string | undefined} */ text) => (text === undefined || !Number.isFinite(Number(text)) ? null : Number(text));
  return {
    x: (x === "time" || x === "relative") && !group ? x : "step", // runs have no mean over time
    smooth: Math.min(0.99, Math.max(0, known(smooth) ?? 0)),
    log: log === "1",
    from: known(from),
    to: known(to),
    group: group === "std" || group === "range" ? group : "",
    but,
  };
}

/**
 * @param {Context} ctx
 * @param {number} [runs]  how many there are to be drawn
 */
export function chartBar(ctx, runs = 1) {
  const { address } = ctx;
  const options = chartOptions(address.query);
  const slid = (/** @type {InputEvent} */ event) => {
    const value = Number(/** @type {HTMLInputElement} */ (event.target).value);
    ctx.store.sliding = value;
    ctx.render();
    clearTimeout(ctx.store.slidSoon);
    ctx.store.slidSoon = setTimeout(() => {
      ctx.store.sliding = undefined;
      address.set({ smooth: value || null });
    }, 60);
  };
  const smooth = ctx.store.sliding ?? options.smooth;
  return html`
    <div class="bar chartbar" role="toolbar" aria-label="how the charts are drawn">
      <label>smooth <input type="range" min="0" max="0.99" step="0.01" .value=${String(smooth)} @input=${slid} aria-valuetext=${String(smooth)}><output>${smooth.toFixed(2)}</output></label>
      <label><input type="checkbox" .checked=${options.log} @change=${() => address.set({ log: options.log ? null : 1 })}> log y</label>
      <label>by <select .value=${options.x} ?disabled=${options.group !== ""} @change=${(/** @type {Event} */ event) => address.set({ x: pick(event), from: null, to: null })}>
        ${[["step", "step"], ["time", "clock"], ["relative", "time since start"]].map(([value, words]) => html`<option value=${value} ?selected=${value === options.x}>${words}</option>`)}
      </select></label>
      ${runs > 1 ? together(ctx, options) : nothing}
      ${options.from !== null || options.to !== null ? html`<button class="link" @click=${() => address.set({ from: null, to: null })}>whole course</button>` : nothing}
    </div>`;
}

/**
 * Runs that differ in nothing but their seeds, as one curve.
 * @param {Context} ctx
 * @param {import("./curves.js").Options} options
 */
const together = ({ address }, { group, but }) => html`
  <label>draw <select .value=${group} @change=${(/** @type {Event} */ event) => address.set({ group: /** @type {HTMLSelectElement} */ (event.target).value, from: null, to: null, x: null })}>
    ${[["", "each run"], ["std", "mean ± std"], ["range", "mean, lowest to highest"]].map(([value, words]) => html`<option value=${value} ?selected=${value === group}>${words}</option>`)}
  </select></label>
  ${group ? html`<label>of all but seed, <input type="text" size="10" placeholder="fold,name" aria-label="params that do not count, with commas" spellcheck="false" .value=${but} @change=${(/** @type {Event} */ event) => address.set({ but: /** @type {HTMLInputElement} */ (event.target).value.replace(/\s/g, "") })}></label>` : nothing}`;

/** @param {Event} event */
function pick(event) {
  const { value } = /** @type {HTMLSelectElement} */ (event.target);
  return value === "step" ? null : value;
}
