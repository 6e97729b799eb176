// Two runs or more: what differs first, then where. Only differences, unless all is asked for; seed, names and paths are folded.
import { ApiError } from "../app/api.js";
import { html, nothing } from "../app/dom.js";
import { link } from "../app/router.js";
import { bdi, common, counted, FINAL, number, numeric, plain, stateMark } from "../app/text.js";
import { chartBar, chartOptions } from "../parts/chartbar.js";
import "../parts/chart.js";
import { colourButton } from "../parts/colouring.js";
import { looksOf } from "../parts/colours.js";
import { Curves, drawn } from "../parts/curves.js";
import { change, patch } from "../parts/patch.js";
import { measure } from "../plots/units.js";
import { worded } from "../parts/refusal.js";

/** @typedef {import("../app/shell.js").Context} Context */

const TYPING_MS = 150;
const CHARTS = 6;
const LOOK_MS = 5000; // at runs that go on
const [LONG, BEFORE] = [30, 12]; // signs that values begin with in common, and those of them that are shown
const VALUES = [["params", "Params"], ["data", "Data"], ["config", "Config"], ["environment", "Software"], ["packages", "Packages"]];

/** @param {Context} ctx */
const idsOf = (ctx) => (ctx.address.query.runs ?? "").split(",").filter(Boolean);

/** @param {Context} ctx */
function enter(ctx) {
  const { store } = ctx;
  store.open = new Map(); // of a run and a path: its changed lines
  store.clock = setInterval(() => !ctx.rests() && store.found?.runs.some((/** @type {any} */ run) => !FINAL.has(run.state)) && update(ctx, true), LOOK_MS);
  store.curves = new Curves({ api: ctx.api, signal: ctx.signal, onPlaces: ctx.subscribe, onZoom: (from, to) => ctx.address.set({ from, to }), onError: () => ctx.render() });
}

/** @param {Context} ctx @param {boolean} [isAgain] */
async function update(ctx, isAgain) {
  const { store } = ctx;
  const { all = "", search = "" } = ctx.address.query;
  const ids = idsOf(ctx);
  const asked = JSON.stringify([ids, all, search]);
  if (isAgain || asked !== store.asked) {
    store.asked = asked;
    if (!isAgain) store.mistake = null;
    if (ids.length > 1) {
      try {
        const found = await ctx.api.get("compare", { runs: ids.join(","), all, search }, { signal: ctx.signal });
        if (asked !== store.asked) return;
        store.found = found;
      } catch (error) {
        if (ctx.signal.aborted || asked !== store.asked || isAgain) return; // the strip of the stream says it
        if (!(error instanceof ApiError) || error.status === 401) throw error;
        store.mistake = error;
      }
    }
  }
  if (store.found) {
    store.looks = looksOf(store.found.runs.map((/** @type {any} */ run) => run.id));
    store.curves.setup(drawn(store.found.runs, store.looks), chartOptions(ctx.address.query));
    ctx.subscribe();
  }
  ctx.render();
}

/** @param {Context} ctx @param {string} run @param {string} path */
async function lines(ctx, run, path) {
  const { store } = ctx;
  const key = `${run}\n${path}`;
  if (store.open.has(key)) store.open.delete(key);
  else {
    store.open.set(key, null);
    ctx.render();
    const found = await ctx.ask(ctx.api.get("compare/code", { runs: `${store.found.code.base},${run}`, path }, { signal: ctx.signal }));
    if (found) store.open.set(key, found);
    else store.open.delete(key);
  }
  ctx.render();
}

/** @param {Context} ctx */
function view(ctx) {
  const { store } = ctx;
  const ids = idsOf(ctx);
  if (ids.length < 2) return html`<h1 class="sr">Compare</h1><p class="empty">Choose two runs or more in the <a href=${link(["runs"])}>table</a> with <kbd>x</kbd>, then press <kbd>c</kbd>.</p>`;
  const { found, mistake } = store;
  if (mistake) return html`<div class="empty"><h1 class="sr">Compare</h1><p class="mistake" role="alert">${worded(mistake.refusal.what)}</p>${mistake.refusal.where ? html`<p class="quiet">${plain(mistake.refusal.where)}</p>` : nothing}<p><a href=${link(["runs"])}>All runs</a></p></div>`;
  if (!found) return html`<h1 class="sr">Compare</h1><p class="empty quiet">Comparing…</p>`;
  const count = VALUES.reduce((sum, [key]) => sum + found[key].rows.length, 0);
  return html`
    <div class="compare sections">
      <div class="verdict"><h1 class="sr">Compare</h1>${verdict(found)}</div>
      ${found.missing.map((/** @type {any} */ each) => html`<p class="warning"><span aria-hidden="true">!</span> ${worded(each.words)}; the others are compared</p>`)}
      ${Object.entries(found.damage).map(([id, words]) => html`<p class="warning"><span aria-hidden="true">!</span> ${bdi(id)} is damaged: ${plain(words)}</p>`)}
      <div class="bar flat" role="search">
        <label class="filter"><span class="slash" aria-hidden="true">/</span><input id="filter" type="search" aria-label="search names" placeholder="name of a param, metric, package" spellcheck="false"
          .value=${ctx.address.query.search ?? ""} @input=${(/** @type {Event} */ event) => typed(ctx, event)}></label>
        <label><input type="checkbox" .checked=${ctx.address.query.all === "1"} @change=${() => ctx.address.set({ all: ctx.address.query.all ? null : 1 })}> also what is the same</label>
        ${colourButton(ctx, found.runs.map((/** @type {any} */ run) => run.id))}
        ${ctx.tools()}
      </div>
      ${valueSection(ctx, "params", "Params")}
      ${metricSection(ctx)}
      ${codeSection(ctx)}
      ${VALUES.slice(1).map(([key, title]) => valueSection(ctx, key, title))}
      ${count || found.metrics.rows.length || found.code.of.some((/** @type {any} */ each) => each.files.length) ? nothing : html`<p class="quiet">Nothing differs${ctx.address.query.search ? " in these names" : ""}.</p>`}
      ${charts(ctx)}
    </div>`;
}

/** @param {any} found */
function verdict({ parts }) {
  const of = (/** @type {string} */ state) => parts.filter((/** @type {any} */ each) => each.state === state);
  const list = (/** @type {any[]} */ some) => some.map((each) => each.words || each.part).join(", ");
  return html`
    ${of("differ").length ? html`<p><b>differ</b> ${list(of("differ"))}</p>` : html`<p><b>nothing differs</b> in what ran</p>`}
    ${of("same").length ? html`<p class="quiet"><b>same</b> ${list(of("same"))}</p>` : nothing}
    ${of("unknown").length ? html`<p class="warning"><b>not known</b> ${list(of("unknown"))}: an older record does not say</p>` : nothing}`;
}

/** @param {Context} ctx  the runs, as the head of a table */
function heads(ctx) {
  const { found, looks } = ctx.store;
  const ids = found.runs.map((/** @type {any} */ run) => run.id);
  const end = commonStart(ids);
  return html`<tr><th scope="col"><span class="sr">name</span></th>${found.runs.map((/** @type {any} */ run) => html`<th scope="col">
    <span class=${`swatch line-${looks.get(run.id)?.colour ?? 0}`}></span> <a href=${link(["runs", run.id])} title=${plain(run.id)}><bdi>${plain(run.name || run.id.slice(end))}</bdi></a> ${stateMark(run.state)}
    ${found.runs.length > 2 ? html`<button class="quiet" aria-label=${`leave ${plain(run.id)} out`} @click=${() => ctx.address.set({ runs: ids.filter((/** @type {string} */ id) => id !== run.id).join(",") })}>✕</button>` : nothing}</th>`)}</tr>`;
}

/** @param {string[]} ids  how much they have in common, up to the last dash */
const commonStart = (ids) => ids[0].slice(0, common(ids)).lastIndexOf("-") + 1;

/** @param {Context} ctx @param {string} title @param {unknown} rows @param {unknown} [below] */
const section = (ctx, title, rows, below) => html`
  <section class="card pad"><h2>${title}</h2>
    <div class="scroll" tabindex="0" role="region" aria-label=${title}><table class="full pinned"><thead>${heads(ctx)}</thead><tbody>${rows}</tbody></table></div>
    ${below ?? nothing}</section>`;

/** @param {Context} ctx @param {string} key @param {string} title */
function valueSection(ctx, key, title) {
  const { rows, more } = ctx.store.found[key];
  if (!rows.length) return nothing;
  const plainRows = rows.filter((/** @type {any} */ row) => !row.folded);
  const folded = rows.filter((/** @type {any} */ row) => row.folded);
  const isOpen = ctx.store.folds?.has(key);
  const fold = () => {
    ctx.store.folds ??= new Set();
    if (isOpen) ctx.store.folds.delete(key);
    else ctx.store.folds.add(key);
    ctx.render();
  };
  return section(ctx, title, html`${[...plainRows, ...(isOpen ? folded : [])].map(valueRow)}`, html`
    ${folded.length ? html`<button class="link" aria-expanded=${isOpen ? "true" : "false"} @click=${fold}>${isOpen ? "fold" : "show"} ${[...new Set(folded.map((/** @type {any} */ row) => row.folded))].join(", ")} (${folded.length})</button>` : nothing}
    ${more ? html`<p class="quiet">and ${more} more: search for them</p>` : nothing}`);
}

/** @param {any} row */
function valueRow({ key, cells, differs }) {
  const same = differs ? common(cells.filter(Boolean).map((/** @type {any} */ cell) => value(cell[0]))) : 0;
  const from = same > LONG ? same - BEFORE : 0; // of long values what differs is seen
  return html`<tr class=${differs ? "" : "quiet"}><th scope="row"><bdi>${plain(key)}</bdi></th>${cells.map((/** @type {any} */ cell) => html`<td>${cell ? html`<b title=${value(cell[0])}><bdi>${from ? "…" : ""}${value(cell[0]).slice(from)}</bdi></b>${cell[1] && cell[1] !== "default" ? html` <span class="from"><bdi>${plain(origin(cell[1]))}</bdi></span>` : nothing}` : html`<span class="quiet">not there</span>`}</td>`)}</tr>`;
}

/** @param {unknown} said */
const value = (said) => (said === null ? "null" : said === "" ? "''" : typeof said === "number" ? number(said, 8) : plain(typeof said === "object" ? JSON.stringify(said) : said));

/** @param {string} text  of an override not its words again, which end with the value */
const origin = (text) => text.replace(/^(command line|page): .*$/s, "$1").replace(/^conf\//, "");

/** @param {Context} ctx */
function metricSection(ctx) {
  const { rows, more } = ctx.store.found.metrics;
  if (!rows.length) return nothing;
  return section(ctx, "Metrics", rows.map((/** @type {any} */ row) => html`<tr><th scope="row"><bdi>${plain(row.key)}</bdi></th>${row.cells.map((/** @type {any} */ cell, /** @type {number} */ place) => html`
    <td>${cell ? metric(row.key, cell, row.best === place) : html`<span class="quiet">not logged</span>`}</td>`)}</tr>`), more ? html`<p class="quiet">and ${more} more: search for them</p>` : nothing);
}

/** @param {string} name @param {any} cell @param {boolean} isBest */
function metric(name, { best, best_at: bestAt, last, last_at: lastAt, nan_at: nanAt }, isBest) {
  const known = numeric(best ?? last);
  return html`${isBest ? html`<span class="good">best ▸</span> ` : nothing}<b class=${Number.isFinite(known) ? "" : "bad"}>${Number.isFinite(known) ? measure(name, known) : plain(best ?? last)}</b>
    <span class="from">${best !== null && bestAt !== null ? `at ${bestAt}` : lastAt !== null ? `last, at ${lastAt}` : ""}${nanAt !== null ? html` <span class="bad">NaN at ${nanAt}</span>` : nothing}</span>`;
}

/** @param {Context} ctx */
function codeSection(ctx) {
  const { code } = ctx.store.found;
  const of = code.of.filter((/** @type {any} */ each) => each.files.length || each.trouble);
  if (!of.length) return nothing;
  return html`<section class="card pad"><h2>Code</h2>${of.map((/** @type {any} */ each) => html`
    <h3 class="quiet">from ${bdi(code.base)} to ${bdi(each.run)}</h3>
    ${each.trouble ? html`<p class="warning">${plain(each.trouble)}</p>` : nothing}
    <ul class="plain changes">${each.files.map((/** @type {any} */ file) => {
      const key = `${each.run}\n${file.path}`;
      const isOpen = ctx.store.open.has(key);
      return html`<li><button class="link" aria-expanded=${isOpen ? "true" : "false"} @click=${() => lines(ctx, each.run, file.path)}>${change(file)}</button>
        ${isOpen ? (ctx.store.open.get(key) ? patch(ctx.store.open.get(key)) : html`<p class="quiet">reading…</p>`) : nothing}</li>`;
    })}</ul>${each.more ? html`<p class="quiet">and ${counted(each.more, "more file")}: <code>trainconf diff ${plain(code.base)} ${plain(each.run)}</code> has all</p>` : nothing}`)}</section>`;
}

/** @param {Context} ctx */
function charts(ctx) {
  const { found, curves } = ctx.store;
  const names = found.metrics.rows.map((/** @type {any} */ row) => row.key);
  if (!names.length) return nothing;
  return html`<section aria-label="Curves">${chartBar(ctx, found.runs.length)}<div class="charts">${names.slice(0, CHARTS).map((/** @type {string} */ name) => html`<tc-chart .name=${name} .curves=${curves}></tc-chart>`)}</div>
    ${names.length > CHARTS ? html`<p class="quiet">${counted(names.length - CHARTS, "more metric")}: search for one to see its curve</p>` : nothing}</section>`;
}

/** @param {Context} ctx @param {Event} event */
function typed(ctx, event) {
  const { value: words } = /** @type {HTMLInputElement} */ (event.target);
  clearTimeout(ctx.store.typing);
  ctx.store.typing = setTimeout(() => ctx.address.set({ search: words }), TYPING_MS);
}

/** @type {import("../app/shell.js").Screen} */
export default {
  name: "compare",
  title: "Compare",
  key: () => "",
  enter, update: (ctx) => update(ctx), view,
  leave: (ctx) => clearInterval(ctx.store.clock),
  command: ({ store }) => store.found?.command,
  data: (ctx) => ["compare", idsOf(ctx).length > 1 ? { view: "compare", runs: idsOf(ctx).join(","), all: ctx.address.query.all } : null],
  heading: (ctx) => `Compare ${idsOf(ctx).length} runs`,
  topics: (ctx) => ({ points: ctx.store.curves?.places() ?? {} }),
  event: (ctx, name, data) => ctx.store.curves.event(name, data),
  keys: {
    "/": ["search names", () => document.getElementById("filter")?.focus()],
    a: ["also what is the same", (ctx) => ctx.address.set({ all: ctx.address.query.all ? null : 1 })],
  },
};
