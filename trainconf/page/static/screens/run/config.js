// The config of a run: each value, and what set it.
import { html, nothing } from "../../app/dom.js";
import { encoded } from "../../app/router.js";
import { number, plain } from "../../app/text.js";
import { rerun } from "../../doing/act.js";

/** @typedef {import("../../app/shell.js").Context} Context */

const TYPING_MS = 150;

/** @param {Context} ctx */
async function update(ctx) {
  const { all, search = "" } = ctx.address.query;
  const { store } = ctx;
  const asked = JSON.stringify([all, search]);
  if (store.config && asked === store.configAsked) return;
  store.configAsked = asked;
  const path = `runs/${encoded(ctx.address.path[1])}/config`;
  const query = { set: all ? "" : "1", search };
  store.config = await ctx.api.get(path, query, { signal: ctx.signal });
  ctx.render();
  if (!store.config.rows.some((/** @type {any} */ row) => row.is_typed)) return;
  const found = await ctx.api.get(path, { ...query, before: "1" }, { signal: ctx.signal }); // composing takes a moment the first time
  if (asked === store.configAsked) store.config = found;
  ctx.render();
}

/** @param {Context} ctx */
function view(ctx) {
  const { config } = ctx.store;
  if (!config) return html`<p class="empty quiet">Reading…</p>`;
  const { all } = ctx.address.query;
  return html`<div class="sections">
    <div class="bar flat" role="search">
      <label class="filter"><span class="slash" aria-hidden="true">/</span><input id="filter" type="search" aria-label="search keys" placeholder="key" spellcheck="false" .value=${ctx.address.query.search ?? ""} @input=${(/** @type {Event} */ event) => {
        const words = /** @type {HTMLInputElement} */ (event.target).value;
        clearTimeout(ctx.store.typing);
        ctx.store.typing = setTimeout(() => ctx.address.set({ search: words }), TYPING_MS);
      }}></label>
      <label><input type="checkbox" .checked=${Boolean(all)} @change=${() => ctx.address.set({ all: all ? null : 1 })}> also defaults${config.left_out ? ` (${config.left_out})` : ""}</label>
      <button @click=${() => rerun(ctx, ctx.store.run)}>rerun…</button>
    </div>
    ${config.words ? html`<p class="warning"><span aria-hidden="true">!</span> ${plain(config.words)}</p>` : nothing}
    ${config.overrides.length ? html`<p class="overrides"><span class="quiet">typed</span> ${config.overrides.map((/** @type {string} */ word) => html`<code>${plain(word)}</code> `)}</p>` : nothing}
    <div class="card scroll" tabindex="0" role="region" aria-label="config"><table class="full values">
      <thead><tr><th scope="col">key</th><th scope="col">value</th><th scope="col">set by</th></tr></thead>
      <tbody>${config.rows.map(row)}</tbody></table></div>
    ${config.rows.length ? nothing : html`<p class="quiet">No key has this name.</p>`}
  </div>`;
}

/** @param {any} row */
const row = ({ key, value, origin, file, line, is_typed: isTyped, before }) => html`<tr>
  <th scope="row"><bdi>${plain(key)}</bdi></th>
  <td>${before && !same(before.value, value) ? html`<span class="quiet"><bdi>${shown(before.value)}</bdi> →</span> ` : nothing}<b><bdi>${shown(value)}</bdi></b></td>
  <td class="from">${file ? html`<bdi>${plain(file)}</bdi>:${line}` : html`<bdi>${plain(isTyped ? origin.split(":")[0] : origin ?? "not recorded")}</bdi>`}
    ${before?.origin && before.origin !== "default" ? html` <span title="what today's files say without it">over <bdi>${plain(before.origin)}</bdi></span>` : nothing}</td></tr>`;

/** @param {unknown} a @param {unknown} b */
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** @param {unknown} value */
const shown = (value) => (value === null ? "null" : value === "" ? "''" : typeof value === "number" ? number(value, 10) : plain(typeof value === "object" ? JSON.stringify(value) : value));

/** @type {import("../../app/shell.js").Screen} */
export default { name: "config", title: "Config", enter: (ctx) => { ctx.store.config = null; }, update, view, keys: { "/": ["search keys", () => document.getElementById("filter")?.focus()] } };
