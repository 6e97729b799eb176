// The sweeps of the workspace, newest first.
import { html, nothing } from "../app/dom.js";
import { link } from "../app/router.js";
import { bdi, clock, counted, number, plain, stateMark } from "../app/text.js";

/** @typedef {import("../app/shell.js").Context} Context */

const TYPING_MS = 150;
const LOOK_MS = 5000;

/** @param {Context} ctx */
async function read(ctx) {
  const { store, address: { query } } = ctx;
  const asked = store.asked = JSON.stringify([query.search, query.offset, query.archived]);
  const found = await ctx.api.get("sweeps", { search: query.search, offset: query.offset, archived: query.archived }, { signal: ctx.signal });
  if (asked === store.asked) store.found = found;
  ctx.render();
}

/** @param {Context} ctx */
function view(ctx) {
  const { found } = ctx.store;
  const { query } = ctx.address;
  if (!found) return html`<h1 class="sr">Sweeps</h1><p class="empty quiet">Reading the sweeps…</p>`;
  const { sweeps, total, offset } = found;
  return html`<div class="sections"><h1 class="sr">Sweeps</h1>
    <div class="bar flat" role="search">
      <label class="filter"><span class="slash" aria-hidden="true">/</span><input id="filter" type="search" aria-label="search sweeps" placeholder="id, experiment, name or note" spellcheck="false" .value=${query.search ?? ""} @input=${(/** @type {Event} */ event) => {
        const words = /** @type {HTMLInputElement} */ (event.target).value;
        clearTimeout(ctx.store.typing);
        ctx.store.typing = setTimeout(() => ctx.address.set({ search: words, offset: null }), TYPING_MS);
      }}></label>
      <label><input type="checkbox" .checked=${query.archived === "1"} @change=${() => ctx.address.set({ archived: query.archived ? null : 1, offset: null })}> hidden ones</label>
      <span class="quiet" role="status">${counted(total, "sweep")}</span>${ctx.tools()}</div>
    ${sweeps.length ? html`<div class="card scroll" tabindex="0" role="region" aria-label="sweeps"><table class="full">
      <thead><tr>${["sweep", "state", "trials", "", "best", "params of the best", "made"].map((title) => html`<th scope="col">${title || html`<span class="sr">progress</span>`}</th>`)}</tr></thead>
      <tbody>${sweeps.map(row)}</tbody></table></div>
      ${offset || total > offset + sweeps.length ? html`<p>${offset ? html`<button class="link" @click=${() => ctx.address.set({ offset: Math.max(0, offset - 60) || null })}>newer</button> ` : nothing}${offset + 1} to ${offset + sweeps.length} of ${total} ${total > offset + sweeps.length ? html`<button class="link" @click=${() => ctx.address.set({ offset: offset + sweeps.length })}>older</button>` : nothing}</p>` : nothing}`
      : html`<p class="empty">${query.search ? html`No sweep has these words. <button class="link" @click=${() => ctx.address.set({ search: null })}>Clear them</button>` : html`No sweeps here yet. <code>python -m trainconf -m params.lr=0.1,0.2</code> makes one.`}</p>`}
  </div>`;
}

/** @param {any} sweep */
const row = (sweep) => html`<tr>
  <th scope="row"><a class="mono" href=${link(["sweeps", sweep.id])}><bdi>${plain(sweep.name || sweep.id)}</bdi></a> <span class="quiet">${plain(sweep.kind)}</span></th>
  <td>${stateMark(sweep.state)}</td>
  <td>${sweep.completed} of ${sweep.total}${sweep.stopped ? html`, ${sweep.stopped} stopped early` : nothing}${sweep.failed ? html`, <span class="bad">${sweep.failed} failed</span>` : nothing}${sweep.canceled ? html`, ${sweep.canceled} canceled` : nothing}</td>
  <td><progress max=${sweep.total || 1} value=${sweep.ended} aria-label=${`ended trials of ${plain(sweep.id)}`}></progress></td>
  <td>${sweep.best ? html`<b>${number(sweep.best.value)}</b> <span class="quiet"><bdi>${plain(sweep.metric?.name)}</bdi></span>` : nothing}</td>
  <td class="mono cut">${sweep.best ? bdi(sweep.best.overrides.map((/** @type {string} */ word) => word.replace(/^\+*params\./, "")).join(" ")) : nothing}</td>
  <td>${clock(sweep.created)}</td></tr>`;

/** @type {import("../app/shell.js").Screen} */
export default {
  name: "sweeps", title: "Sweeps",
  enter: (ctx) => { ctx.store.clock = setInterval(() => ctx.rests() || ctx.store.found?.sweeps.every((/** @type {any} */ each) => /Completed|Failed|Canceled/.test(each.state)) || read(ctx), LOOK_MS); },
  update: read, view,
  command: () => "trainconf sweep ls",
  leave: (ctx) => clearInterval(ctx.store.clock),
  keys: { "/": ["search", () => document.getElementById("filter")?.focus()] },
};
