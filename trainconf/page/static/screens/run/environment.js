// The software of a run as it was really installed.
import { ApiError } from "../../app/api.js";
import { html, nothing } from "../../app/dom.js";
import { encoded } from "../../app/router.js";
import { counted, plain } from "../../app/text.js";
import { worded } from "../../parts/refusal.js";

/** @typedef {import("../../app/shell.js").Context} Context */

/** @param {Context} ctx */
async function update(ctx) {
  const { store, address: { query } } = ctx;
  const asked = JSON.stringify([query.search, query.with]);
  if (asked === store.softwareAsked) return;
  store.softwareAsked = asked;
  try {
    const found = await ctx.api.get(`runs/${encoded(ctx.address.path[1])}/environment`, { search: query.search, with: query.with }, { signal: ctx.signal });
    if (asked !== store.softwareAsked) return;
    Object.assign(store, { software: found, softwareMistake: null });
  } catch (error) {
    if (ctx.signal.aborted) return;
    if (!(error instanceof ApiError) || error.status === 401) throw error;
    store.softwareMistake = error;
  }
  ctx.render();
}

/** @param {Context} ctx */
function view(ctx) {
  const { software, softwareMistake } = ctx.store;
  const { query } = ctx.address;
  if (!software) return html`<p class="empty quiet">${softwareMistake ? worded(softwareMistake.refusal.what) : "Reading…"}</p>`;
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const said = new FormData(/** @type {HTMLFormElement} */ (event.target));
    ctx.address.set({ search: said.get("search"), with: said.get("with") });
  };
  return html`<div class="sections">
    <form class="bar flat" role="search" @submit=${submit}>
      <label class="filter"><span class="slash" aria-hidden="true">/</span><input id="filter" type="search" name="search" aria-label="search packages" placeholder="package" spellcheck="false" .value=${query.search ?? ""}></label>
      <label>compare with <input type="text" name="with" placeholder="id of a run, or last" spellcheck="false" .value=${query.with ?? ""}></label><button>show</button>
      <span class="quiet">${counted(software.total, "package")}</span></form>
    ${softwareMistake ? html`<p class="mistake" role="alert">${worded(softwareMistake.refusal.what)}</p>` : nothing}
    ${software.words ? html`<p class="warning"><span aria-hidden="true">!</span> ${plain(software.words)}</p>` : nothing}
    ${software.with ? html`<section class="card pad"><h2>From this run to <bdi>${plain(software.with)}</bdi></h2>${software.changes.length ? html`
      <div class="scroll" tabindex="0" role="region" aria-label="differences"><table class="full"><thead><tr><th scope="col">name</th><th scope="col">here</th><th scope="col">there</th></tr></thead><tbody>
      ${software.changes.map((/** @type {any} */ each) => html`<tr><th scope="row"><bdi>${plain(each.name)}</bdi></th>${[each.old, each.new].map((said) => html`<td>${said === null ? html`<span class="quiet">not there</span>` : html`<bdi>${plain(said)}</bdi>`}</td>`)}</tr>`)}</tbody></table></div>` : html`<p>The same was installed.</p>`}</section>` : nothing}
    <div class="two wide">
      <section class="card pad"><h2>Software</h2><dl class="facts"><dt>environment</dt><dd><bdi>${plain(software.env ?? "")}</bdi></dd>
        ${software.facts.map((/** @type {[string, unknown]} */ [name, value]) => html`<dt><bdi>${plain(name)}</bdi></dt><dd><bdi>${plain(typeof value === "object" ? JSON.stringify(value) : value)}</bdi></dd>`)}
        ${software.hash ? html`<dt>hash</dt><dd class="mono">${software.hash.slice(0, 12)}</dd>` : nothing}</dl></section>
      <section class="card pad"><h2>Installed</h2><div class="packages">${software.packages.map((/** @type {[string, string]} */ [name, version]) => html`<span><bdi>${plain(name)}</bdi> <span class="quiet"><bdi>${plain(version)}</bdi></span></span>`)}</div>
        ${software.total > software.packages.length ? html`<p class="quiet">and ${software.total - software.packages.length} more: search for them</p>` : nothing}</section>
    </div></div>`;
}

/** @type {import("../../app/shell.js").Screen} */
export default { name: "environment", title: "Environment", enter: (ctx) => { ctx.store.softwareAsked = null; }, update, view, keys: { "/": ["search packages", () => document.getElementById("filter")?.focus()] } };
