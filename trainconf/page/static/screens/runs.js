// The table of runs, and the curves of the chosen ones beside it.
import { html, nothing } from "../app/dom.js";
import { ApiError } from "../app/api.js";
import { encoded, joined, link, listed } from "../app/router.js";
import { bdi, clock, counted, duration, goal, grouped, number, numeric, plain, short, stateMark } from "../app/text.js";
import { chosenButtons } from "../doing/act.js";
import { chartBar, chartOptions } from "../parts/chartbar.js";
import "../parts/chart.js";
import { colourButton } from "../parts/colouring.js";
import { looksOf } from "../parts/colours.js";
import { columnPicker } from "../parts/columns.js";
import { Curves, drawn, MANY } from "../parts/curves.js";
import { measure } from "../plots/units.js";
import { placed, worded } from "../parts/refusal.js";
import { spark } from "../parts/spark.js";
import { move, newPlace, table } from "../parts/table.js";

/** @typedef {import("../app/shell.js").Context} Context */

const PAGE = 60; // rows of one request
const KEPT_ROWS = 1200;
const TYPING_MS = 150;
const MENDS = 5; // times that rows which did not come are asked for
const AGAIN_MS = 400; // until an answer that was not whole is asked for once more
const BESIDE = 6; // charts beside the table
const DETAILED = 4; // chosen runs whose metrics are looked up

/** @type {{order: string, place: import("../parts/table.js").Place} | null} */
let left = null; // where the reader was, and in which table

/** @param {Context} ctx */
const chosenIds = (ctx) => (ctx.address.query.chosen ?? "").split(",").filter(Boolean);

/** @param {Context} ctx */
const columnsOf = (ctx) => listed(ctx.address.query.columns ?? joined(ctx.store.ui?.columns ?? []));

/** @param {Context} ctx  what is asked for, but for the place in it */
function question(ctx) {
  const { filter = "", sort = "", order = "", archived = "" } = ctx.address.query;
  return { filter, sort, order, archived, columns: joined(columnsOf(ctx)) };
}

/** @param {Context} ctx */
function enter(ctx) {
  Object.assign(ctx.store, {
    rows: new Map(), byId: new Map(), details: new Map(), place: newPlace(), total: null, matching: 0, without: [], pending: new Set(), asked: "", anchor: null, mended: 0,
    curves: new Curves({
      api: ctx.api, signal: ctx.signal, onPlaces: ctx.subscribe, onZoom: (from, to) => ctx.address.set({ from, to }),
      onError: () => ctx.render(),
    }),
  });
  return ctx.api.get("ui").then((ui) => {
    ctx.store.ui = ui.values;
    if (ui.values?.columns?.length) update(ctx);
  }, (error) => error.status === 401 || ctx.signal.aborted || ctx.toast(`Your columns could not be read: ${error.message}`));
}

/** @param {Context} ctx */
function update(ctx) {
  const { store } = ctx;
  const asked = JSON.stringify(question(ctx));
  if (asked !== store.asked) {
    const order = JSON.stringify({ ...question(ctx), columns: "" });
    if (left?.order !== order) left = { order, place: newPlace() };
    Object.assign(store, { asked, place: left.place, isStale: true });
    store.pending.clear();
    load(ctx, Math.floor(store.place.cursor / PAGE));
  }
  drawChosen(ctx);
}

/**
 * Ask for the rows around a place.
 * @param {Context} ctx
 * @param {number} page
 */
async function load(ctx, page) {
  const { store } = ctx;
  const { asked } = store;
  if (store.pending.has(page)) return;
  store.pending.add(page);
  try {
    const answer = await ctx.api.get("runs", { ...question(ctx), offset: page * PAGE, limit: PAGE }, { signal: ctx.signal });
    if (asked !== store.asked) return;
    if (store.isStale) store.rows.clear();
    if (store.total === null && store.place.cursor) requestAnimationFrame(() => requestAnimationFrame(() => step(0)(ctx))); // back to where the reader was
    store.isStale = false;
    store.mistake = null;
    take(store, answer);
    drawChosen(ctx);
    if (answer.reading || answer.unread) setTimeout(() => again(ctx, asked, page), AGAIN_MS);
  } catch (error) {
    if (ctx.signal.aborted || asked !== store.asked) return;
    if (!(error instanceof ApiError) || error.status === 401) throw error;
    store.mistake = error;
  } finally {
    if (asked === store.asked) store.pending.delete(page);
  }
  mend(ctx);
  ctx.subscribe();
  ctx.render();
}

/**
 * Ask once more, where the answer was not whole yet.
 * @param {Context} ctx
 * @param {string} asked
 * @param {number} page
 */
function again(ctx, asked, page) {
  if (!ctx.signal.aborted && asked === ctx.store.asked) load(ctx, page);
}

/**
 * Take rows that came.
 * @param {Record<string, any>} store
 * @param {{rows: any[], offset?: number, total: number, matching: number, without?: any[], unread?: number, unknown?: string[], reading?: {done: number, total: number}, command?: string}} answer
 */
function take(store, { rows, offset = 0, total, matching, without, unread, unknown, reading, command = store.command }) {
  Object.assign(store, { command, total, matching, reading, unread, unknown: unknown ?? store.unknown, without: without?.length ? without : store.without });
  rows.forEach((row, place) => {
    store.rows.set(offset + place, row);
    store.byId.set(row.id, row);
  });
  for (const place of store.rows.keys()) if (place >= matching) store.rows.delete(place);
  while (store.rows.size > KEPT_ROWS) store.rows.delete(store.rows.keys().next().value);
  while (store.byId.size > KEPT_ROWS) store.byId.delete(store.byId.keys().next().value);
}

/**
 * Rows that the stream brings stand where the reader looks; what is looked at stays under the eyes.
 * @param {Context} ctx
 * @param {any} data
 */
function refreshed(ctx, data) {
  const { store } = ctx;
  const { place } = store;
  const offset = data.offset ?? store.streamed?.offset ?? 0;
  const atTop = store.rows.get(place.first)?.id;
  const atCursor = store.rows.get(place.cursor)?.id;
  if (data.matching !== store.matching) store.rows.clear();
  take(store, { ...data, offset });
  const find = (/** @type {string} */ id) => {
    const found = data.rows.findIndex((/** @type {any} */ row) => row.id === id);
    return found < 0 ? null : offset + found;
  };
  const top = atTop && find(atTop);
  if (typeof top === "number" && place.first > 0 && top !== place.first) {
    document.querySelector(".table-box")?.scrollBy(0, (top - place.first) * 32);
    place.first = top;
  }
  const cursor = atCursor && find(atCursor);
  if (typeof cursor === "number") place.cursor = cursor;
  drawChosen(ctx);
  mend(ctx);
  ctx.render();
}

/** @param {Context} ctx  ask again where an answer had fewer rows than it said: a run was made meanwhile */
function mend(ctx) {
  const { rows, place, matching } = ctx.store;
  const to = Math.min(matching, place.first + place.count);
  clearTimeout(ctx.store.mending);
  for (let at = place.first; at < to; at++) {
    if (rows.has(at)) continue;
    if (ctx.store.mended++ < MENDS) ctx.store.mending = setTimeout(() => !ctx.signal.aborted && fill(ctx), AGAIN_MS);
    return;
  }
  ctx.store.mended = 0;
}

/** @param {Context} ctx  ask for what the reader sees and is not there */
function fill(ctx) {
  const { store } = ctx;
  const { first, count } = store.place;
  const from = Math.floor(Math.max(0, first - 12) / PAGE);
  const to = Math.floor(Math.min(store.matching - 1, first + count + 12) / PAGE);
  for (let page = from; page <= to; page++) {
    for (let place = page * PAGE; place < Math.min(store.matching, (page + 1) * PAGE); place++) {
      if (store.rows.has(place)) continue;
      load(ctx, page);
      break;
    }
  }
  clearTimeout(store.soon);
  store.soon = setTimeout(ctx.subscribe, 200);
  ctx.render();
}

// The chosen

/**
 * @param {Context} ctx
 * @param {string[]} ids
 */
const choose = (ctx, ids) => ctx.address.set({ chosen: [...new Set(ids)].join(",") });

/**
 * Choose or let go; with `isStretch`, all from the last one that was chosen so.
 * @param {Context} ctx
 * @param {number} place
 * @param {boolean} isStretch
 */
function toggle(ctx, place, isStretch) {
  const { store } = ctx;
  const row = store.rows.get(place);
  if (!row) return;
  const chosen = chosenIds(ctx);
  const isOn = !chosen.includes(row.id);
  const [from, to] = isStretch && store.anchor !== null ? [Math.min(store.anchor, place), Math.max(store.anchor, place)] : [place, place];
  /** @type {string[]} */
  const ids = [];
  for (let each = from; each <= to; each++) if (store.rows.has(each)) ids.push(store.rows.get(each).id);
  store.anchor = place;
  store.place.cursor = place;
  choose(ctx, isOn || isStretch ? [...chosen, ...ids] : chosen.filter((id) => !ids.includes(id)));
}

/** @param {Context} ctx  the curves of the chosen runs */
function drawChosen(ctx) {
  const { store } = ctx;
  const chosen = chosenIds(ctx);
  const shown = ctx.address.query.all ? chosen : chosen.slice(0, MANY);
  store.looks = looksOf(chosen);
  const rows = shown.map((id) => store.byId.get(id) ?? store.details.get(id) ?? { id });
  store.curves.setup(drawn(rows, store.looks), chartOptions(ctx.address.query));
  for (const id of chosen.slice(0, DETAILED)) if (isOld(store, id)) detail(ctx, id);
}

/**
 * Whether the metrics of a run are to be looked up: never before, or before it began or ended.
 * @param {Record<string, any>} store
 * @param {string} id
 */
function isOld({ details, byId }, id) {
  if (!details.has(id)) return true;
  const [known, row] = [details.get(id), byId.get(id)];
  return Boolean(known && row && known.state !== row.state);
}

/**
 * Look up which metrics a run has.
 * @param {Context} ctx
 * @param {string} id
 */
async function detail(ctx, id) {
  const { details } = ctx.store;
  if (!details.has(id)) details.set(id, null);
  try {
    details.set(id, await ctx.api.get(`runs/${encoded(id)}`, {}, { signal: ctx.signal }));
    drawChosen(ctx);
    ctx.render();
  } catch (error) {
    if (!ctx.signal.aborted && error instanceof ApiError && error.status !== 401) ctx.toast(error.refusal.what);
  }
}

/** @param {Context} ctx  the metrics of the chosen runs, those that they are judged by first */
function namesBeside(ctx) {
  const { store } = ctx;
  const details = chosenIds(ctx).map((id) => store.details.get(id)).filter(Boolean);
  const main = details.map(({ metric }) => metric?.name).filter(Boolean);
  const others = details.flatMap(({ metrics }) => (metrics ?? []).map((/** @type {any} */ each) => each.name)).filter((name) => !name.startsWith("system."));
  return [...new Set([...main, ...others])];
}

// What is seen

/** @param {Context} ctx */
function view(ctx) {
  const { store, address } = ctx;
  const chosen = chosenIds(ctx);
  const names = chosen.length ? namesBeside(ctx) : [];
  return html`
    <div class=${`runs ${chosen.length ? "split" : ""}`}>
      <section class="list" aria-label="Runs">
        <h1 class="sr">Runs</h1>
        ${toolbar(ctx)}
        ${store.mistake ? mistake(store.mistake) : nothing}
        ${notices(store)}
        ${store.total === null ? html`<p class="empty quiet">${store.mistake ? nothing : "Reading the runs…"}</p>` : store.matching ? grid(ctx) : store.mistake ? nothing : empty(ctx)}
        ${chosen.length ? chosenBar(ctx, chosen) : nothing}
      </section>
      ${chosen.length ? html`
        <aside class="beside" aria-label="Curves of the chosen runs">
          ${chartBar(ctx, chosen.length)}
          ${chosen.length > MANY && !address.query.all ? html`<p class="quiet">The first ${MANY} of ${chosen.length} are drawn. <button class="link" @click=${() => address.set({ all: 1 })}>Draw all</button></p>` : nothing}
          <div class="charts">${names.slice(0, BESIDE).map((name) => html`<tc-chart .name=${name} .curves=${store.curves}></tc-chart>`)}</div>
          ${names.length > BESIDE ? html`<p class="quiet">${names.length - BESIDE} more metrics: <a href=${chosen.length > 1 ? link(["compare"], { runs: chosen.join(",") }) : link(["runs", chosen[0], "charts"])}>all charts</a></p>` : nothing}
          ${!names.length && chosen.every((id) => store.details.get(id)) ? html`<p class="quiet empty">No metric was logged yet.</p>` : nothing}
        </aside>` : nothing}
    </div>`;
}

/** @param {Record<string, any>} store  what the rows lack */
const notices = ({ reading, unread, unknown }) => html`
  ${reading ? html`<p class="notice" role="status">The index of the runs is being made: ${grouped(reading.done)} of ${grouped(reading.total)}. These are the first of them.</p>` : nothing}
  ${unread ? html`<p class="notice" role="status">The values of ${counted(unread, "run")} are still being read; the order is not the last one.</p>` : nothing}
  ${unknown?.length ? html`<p class="notice">No run has ${unknown.map((/** @type {string} */ name) => html`<code>${plain(name)}</code> `)}</p>` : nothing}`;

/** @param {Context} ctx */
function toolbar(ctx) {
  const { store, address } = ctx;
  const typed = (/** @type {InputEvent} */ event) => {
    const { value } = /** @type {HTMLInputElement} */ (event.target);
    clearTimeout(store.typing);
    store.typing = setTimeout(() => address.set({ filter: value }), TYPING_MS);
  };
  const leave = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" || event.key === "Escape") /** @type {HTMLElement} */ (document.querySelector("table[role=grid]"))?.focus();
  };
  return html`
    <div class="bar" role="search">
      <label class="filter"><span class="slash" aria-hidden="true">/</span>
        <input id="filter" type="search" aria-label="filter" placeholder="status:Failed params.lr>0.1 tag:paper" spellcheck="false" autocomplete="off" autocapitalize="off"
          .value=${address.query.filter ?? ""} @input=${typed} @keydown=${leave} aria-invalid=${store.mistake ? "true" : nothing}></label>
      <span class="matching" role="status">${store.total === null ? nothing : address.query.filter ? `${grouped(store.matching)} of ${counted(store.total, "run")}` : counted(store.total, "run")}</span>
      <button @click=${() => columnPicker(ctx, columnsOf(ctx), (columns) => saveColumns(ctx, columns))}>columns</button>
      <label><input type="checkbox" .checked=${address.query.archived === "1"} @change=${() => address.set({ archived: address.query.archived ? null : 1 })}> hidden ones</label>
      ${ctx.tools()}
    </div>`;
}

/** @param {ApiError} error */
function mistake({ refusal: { what, where, allowed, hint } }) {
  return html`<div class="mistake" role="alert">${worded(what)}${where ? placed(where) : nothing}${allowed?.length ? html` <span class="quiet">allowed: ${allowed.slice(0, 20).map(plain).join(", ")}</span>` : nothing}${hint ? html` <span class="quiet">${worded(hint)}</span>` : nothing}</div>`;
}

/** @param {Context} ctx */
function empty(ctx) {
  const { store, address } = ctx;
  if (store.total === 0 && !address.query.filter) return html`<p class="empty">No runs here yet. <code>python -m trainconf</code> makes one; this page will show it as it starts.</p>`;
  const without = (store.without ?? []).filter((/** @type {any} */ each) => each.matching > 0);
  return html`
    <p class="empty">No run matches.
      ${without.map((/** @type {any} */ { words, matching }) => html`Without <code>${plain(words)}</code> there ${matching === 1 ? "is" : "are"} ${grouped(matching)}. `)}
      <button class="link" @click=${() => address.set({ filter: null })}>Clear the filter</button></p>`;
}

/** @param {Context} ctx */
function grid(ctx) {
  const { store, address } = ctx;
  const chosen = new Set(chosenIds(ctx));
  const { sort, order } = address.query;
  return table({
    label: "Runs",
    columns: columns(ctx, chosen),
    total: store.matching,
    row: (place) => store.rows.get(place),
    place: store.place,
    isChosen: (row) => chosen.has(row.id),
    onOpen: (place) => open(ctx, place),
    onMove: () => fill(ctx),
    sort, order,
    onSort: (key) => {
      const first = bestOrder(ctx, key);
      address.set(sort !== key ? { sort: key, order: first } : (order ?? "desc") === first ? { order: first === "desc" ? "asc" : "desc" } : { sort: null, order: null });
    },
  });
}

/**
 * The order in which the best come first: the lowest values where the runs are judged by this column, and less is better.
 * @param {Context} ctx
 * @param {string} key
 */
function bestOrder({ store }, key) {
  const [, name] = key.match(/^metrics\.(.*?)(?::\w+)?$/) ?? [];
  const goals = [...store.rows.values()].filter(({ metric }) => metric && (key === "metric.best" || metric.name === name)).map(({ metric }) => goal(metric));
  return goals.length && goals.every((each) => each === "min") ? "asc" : "desc";
}

/**
 * @param {Context} ctx
 * @param {Set<string>} chosen
 * @returns {import("../parts/table.js").Column[]}
 */
function columns(ctx, chosen) {
  const { store } = ctx;
  const metrics = new Map([...store.rows.values()].filter((row) => row.metric).map(({ metric }) => [`${metric.name} ${metric.goal}`, metric]));
  const shared = metrics.size === 1 ? [...metrics.values()][0] : null;
  return [
    {
      key: "choose", title: html`<span class="sr">chosen</span>`, look: "choose",
      cell: (row, place) => html`<input type="checkbox" aria-label=${`choose ${plain(row.id)}`} tabindex="-1" class=${chosen.has(row.id) ? `line-${store.looks?.get(row.id)?.colour ?? 0}` : ""}
        .checked=${chosen.has(row.id)} @click=${(/** @type {MouseEvent} */ event) => toggle(ctx, place, event.shiftKey)}>`,
    },
    { key: "run", title: "run", look: "name", cell: (row) => html`<a href=${link(["runs", row.id])} tabindex="-1" title=${plain(row.id)}>${row.name ? html`${bdi(row.name)} <span class="quiet">${short(row.id)}</span>` : html`<bdi>${short(row.id)}</bdi>`}</a>` },
    { key: "status", title: "state", sorts: true, look: "st", cell: (row) => html`${stateMark(row.state)}${row.damage ? html` <span class="bad" title=${plain(row.damage)}>damaged</span>` : nothing}${row.state_words && row.state_words !== row.state ? html` <span class="quiet">${plain(row.state_words)}</span>` : nothing}` },
    { key: "experiment", title: "experiment", sorts: true, look: "wide", cell: (row) => bdi(row.experiment) },
    ...columnsOf(ctx).map((key) => ({ key, title: html`<bdi>${plain(key.replace(/^(params|metrics|tags)\./, "").replace(":", " "))}</bdi>`, sorts: true, look: "num", cell: (/** @type {any} */ row) => value(row.values?.[key], key) })),
    {
      key: "metric.best", title: shared ? html`<bdi>${plain(shared.name)}</bdi> ${goal(shared)}` : "best", sorts: true, look: "num best",
      cell: (row) => (row.metric ? html`${best(row.metric)}${shared ? nothing : html` <bdi class="quiet">${plain(row.metric.name)}</bdi>`}` : nothing),
    },
    { key: "spark", title: html`<span class="sr">course</span>`, look: "sparks", cell: (row) => spark(row.spark) },
    { key: "duration", title: "took", sorts: true, look: "num took", cell: (row) => duration(row.duration_s) },
    { key: "started", title: "started", sorts: true, look: "num when", cell: (row) => html`<time datetime=${row.started ?? ""} title=${`made ${clock(row.created, true)}`}>${clock(row.started)}</time>` },
    { key: "tags", title: "tags", look: "tags", cell: (row) => Object.entries(row.tags ?? {}).map(([key, said]) => html`<span class="tag"><bdi>${plain(said === true || said === "" || said === null ? key : `${key}=${said}`)}</bdi></span>`) },
  ];
}

/** @param {unknown} said @param {string} key  of the column */
const value = (said, key) => (typeof said === "string" || typeof said === "number" || typeof said === "boolean" ? html`<bdi>${key.startsWith("metrics.") ? measure(key.replace(/:\w+$/, ""), said) : number(said)}</bdi>` : said === null || said === undefined ? nothing : html`<bdi>${plain(JSON.stringify(said))}</bdi>`);

/** @param {any} metric */
function best({ name, best: said, last, at }) {
  const shown = said ?? last;
  if (shown === null || shown === undefined) return nothing;
  return Number.isFinite(numeric(shown)) ? html`<span title=${at === null || at === undefined ? "" : `at step ${at}`}>${measure(name, numeric(shown))}</span>` : html`<span class="bad">${plain(shown)}</span>`;
}

/**
 * @param {Context} ctx
 * @param {string[]} chosen
 */
function chosenBar(ctx, chosen) {
  return html`
    <div class="bar chosen" role="toolbar" aria-label="the chosen runs">
      <b>${chosen.length} chosen</b>
      ${chosen.length > 1 ? html`<a class="button" href=${link(["compare"], { runs: chosen.join(",") })}>compare</a>` : html`<a class="button" href=${link(["runs", chosen[0]])}>open</a>`}
      ${colourButton(ctx, chosen.slice(0, MANY))}
      ${chosenButtons(ctx, chosen, ctx.address.query.archived === "1", () => { ctx.store.asked = ""; update(ctx); })}
      <button class="link" @click=${() => choose(ctx, [])}>none</button>
    </div>`;
}

/**
 * @param {Context} ctx
 * @param {string[]} columns
 */
function saveColumns(ctx, columns) {
  ctx.address.set({ columns: joined(columns) });
  if (!ctx.about?.read_only) ctx.ask(ctx.api.post("ui", { values: { columns } }));
}

/**
 * @param {Context} ctx
 * @param {number} place
 */
function open(ctx, place) {
  const row = ctx.store.rows.get(place);
  if (row) ctx.address.go(link(["runs", row.id]));
}

/** @param {number} steps */
const step = (steps) => (/** @type {Context} */ ctx) => {
  move(ctx.store.place, ctx.store.matching, steps, document.querySelector(".list"));
  fill(ctx);
};

/** @type {import("../app/shell.js").Screen} */
export default {
  name: "runs",
  title: "Runs",
  enter, update, view,
  command: ({ store }) => store.command,
  data: (ctx) => ["runs", { view: "runs", ...question(ctx) }], // the whole table, not the rows that were read
  heading: (ctx) => (ctx.address.query.filter ? `${plain(ctx.address.query.filter)} · Runs` : "Runs"),
  topics(ctx) {
    const { store } = ctx;
    const offset = Math.max(0, store.place.first - 12);
    const limit = Math.min(200, store.place.count + 24);
    store.streamed = { offset, limit };
    return store.total === null || store.mistake ? {} : { runs: { table: { ...question(ctx), offset, limit } }, points: store.curves.places() };
  },
  event(ctx, name, data) {
    if (name === "runs") refreshed(ctx, data);
    ctx.store.curves.event(name, data);
  },
  keys: {
    "/": ["filter", () => /** @type {HTMLElement} */ (document.getElementById("filter"))?.focus()],
    j: ["the next run", step(1)],
    k: ["the run before", step(-1)],
    x: ["choose; with shift, a stretch", (ctx, event) => toggle(ctx, ctx.store.place.cursor, event.shiftKey)],
    Enter: ["open the run", (ctx) => open(ctx, ctx.store.place.cursor)],
    l: ["its log", (ctx) => { const row = ctx.store.rows.get(ctx.store.place.cursor); if (row) ctx.address.go(link(["runs", row.id, "log"])); }],
    c: ["compare the chosen", (ctx) => { const ids = chosenIds(ctx); if (ids.length > 1) ctx.address.go(link(["compare"], { runs: ids.join(",") })); else ctx.toast("Choose two runs or more with x, then compare."); }],
    Escape: ["let go of the chosen", (ctx) => { if (document.activeElement instanceof HTMLElement) document.activeElement.blur(); if (chosenIds(ctx).length) choose(ctx, []); }],
  },
};
