// One run: its state first, then its tabs. Each tab is a screen of the same shape, in tabs.js; `ctx.store.run` is what is known of the run.
import { ApiError } from "../../app/api.js";
import { html, nothing } from "../../app/dom.js";
import { encoded, link } from "../../app/router.js";
import { bdi, duration, FINAL, plain, sign, tone } from "../../app/text.js";
import { runButtons } from "../../doing/act.js";
import { colourButton } from "../../parts/colouring.js";
import { worded } from "../../parts/refusal.js";
import { tabs } from "./tabs.js";

/** @typedef {import("../../app/shell.js").Context} Context */

/** @param {Context} ctx */
const idOf = (ctx) => ctx.address.path[1];

/** @param {Context} ctx */
const tabOf = (ctx) => tabs.find(({ name }) => name === (ctx.address.path[2] ?? "overview")) ?? tabs[0];

/** @param {Context} ctx */
async function enter(ctx) {
  const { store } = ctx;
  store.tab = null;
  store.again = () => read(ctx);
  store.clock = setInterval(() => store.run && !FINAL.has(store.run.state) && ctx.render(), 1000); // how long it takes so far
  await read(ctx);
}

/** @param {Context} ctx  what is known of the run */
async function read(ctx) {
  const { store } = ctx;
  try {
    store.run = await ctx.api.get(`runs/${encoded(idOf(ctx))}`, {}, { signal: ctx.signal });
    store.readAt = Date.now();
    store.gone = null;
  } catch (error) {
    if (ctx.signal.aborted) return;
    if (!(error instanceof ApiError && error.status === 404)) throw error;
    store.gone = error;
  }
  await open(ctx);
  ctx.render();
}

/** @param {Context} ctx  the tab that the address names */
async function open(ctx) {
  const { store } = ctx;
  const place = tabOf(ctx);
  if (!store.run) return;
  place.screen ??= (await place.load()).default;
  if (place !== tabOf(ctx) || ctx.signal.aborted) return;
  if (store.tab !== place) {
    store.tab?.screen?.leave?.(ctx);
    store.tab = place;
    await place.screen.enter?.(ctx);
  }
  await place.screen.update?.(ctx);
  ctx.subscribe();
  ctx.render();
}

/** @param {Context} ctx */
function view(ctx) {
  const { store } = ctx;
  const { run } = store;
  if (store.gone && !run) return html`<div class="empty"><h1>${worded(store.gone.refusal.what)}</h1><p><a href=${link(["runs"])}>All runs</a></p></div>`;
  if (!run) return html`<h1 class="empty quiet">Reading the run…</h1>`;
  const id = idOf(ctx);
  const place = store.tab ?? tabOf(ctx);
  return html`
    <div class="run">
      <div class="run-head">
        <p class="crumbs"><a href=${ctx.up()}>‹ Runs</a>${run.sweep ? html` <a href=${link(["sweeps", run.sweep])}>sweep ${bdi(run.sweep)}</a>` : nothing}</p>
        <div class="title"><h1><bdi>${plain(run.name || run.id)}</bdi></h1>${run.name ? html`<span class="mono quiet"><bdi>${plain(run.id)}</bdi></span>` : nothing}
          <span class="actions">${store.gone ? nothing : runButtons(ctx, run, store.again)}${colourButton(ctx, [run.id])}${ctx.tools()}</span></div>
        <p class=${`state-line ${tone(run.state)}`} role="status"><span class="sign" aria-hidden="true">${sign(run.state)}</span> ${plain(run.state_line || run.state)}${took(store)}</p>
        ${store.gone ? html`<p class="mistake">This run's folder is gone. What you see is what was read before.${FINAL.has(run.state) ? nothing : html` If it still runs, <code>trainconf cancel ${plain(run.id)}</code> ends it.`}</p>` : nothing}
        ${(run.warnings ?? []).map((/** @type {unknown} */ words) => html`<p class="warning"><span aria-hidden="true">!</span> ${worded(typeof words === "string" ? words : JSON.stringify(words))}</p>`)}
      </div>
      <nav class="tabs" aria-label="Parts of the run">
        ${tabs.map(({ name, title, count }) => html`<a href=${link(name === "overview" ? ["runs", id] : ["runs", id, name])} aria-current=${name === place.name ? "page" : nothing}>${title}<span class="count">${count?.(run) || nothing}</span></a>`)}
      </nav>
      <div class=${`tab tab-${place.name}`}>${store.tab?.screen ? store.tab.screen.view(ctx) : nothing}</div>
    </div>`;
}

/** @param {Record<string, any>} store  how long it took, or takes so far */
function took({ run, readAt, gone }) {
  if (run.duration_s === null || run.duration_s === undefined) return nothing;
  const since = gone || FINAL.has(run.state) ? 0 : (Date.now() - readAt) / 1000;
  return html`<span class="quiet"> · ${duration(run.duration_s + since)}${run.attempt > 1 ? `, attempt ${run.attempt}` : ""}</span>`;
}

/** @type {import("../../app/shell.js").Screen} */
export default {
  name: "run",
  title: "Run",
  key: (path) => path[1],
  enter,
  update: (ctx) => open(ctx),
  view,
  command: ({ store }) => store.run?.command,
  data: (ctx) => [idOf(ctx), { view: "metrics", runs: idOf(ctx) }],
  heading: ({ store, address }) => (store.run ? `${sign(store.run.state)} ${plain(store.run.name || store.run.id)}` : plain(address.path[1])),
  topics: (ctx) => ({ run: [idOf(ctx)], ...(ctx.store.tab?.screen.topics?.(ctx) ?? {}) }),
  event(ctx, name, data) {
    const { store } = ctx;
    if (name === "run" && data.id === idOf(ctx) && store.run) {
      const isNew = data.state !== store.run.state;
      Object.assign(store.run, data);
      store.gone = null;
      store.readAt = Date.now();
      if (isNew) store.tab?.screen.update?.(ctx);
      ctx.render();
    }
    if (name === "gone" && data.topic === "run" && data.id === idOf(ctx)) {
      store.gone = { refusal: data };
      ctx.render();
    }
    store.tab?.screen.event?.(ctx, name, data);
  },
  leave(ctx) {
    clearInterval(ctx.store.clock);
    ctx.store.tab?.screen.leave?.(ctx);
  },
  keys: (ctx) => ({
    ...(ctx.store.tab?.screen?.keys ?? {}),
    l: ["the log", () => ctx.address.go(link(["runs", idOf(ctx), "log"]))],
    c: ["compare with other runs", () => ctx.address.go(link(["runs"], { chosen: idOf(ctx) }))],
    "[": ["the part before", () => turn(ctx, -1)],
    "]": ["the next part", () => turn(ctx, 1)],
  }),
};

/**
 * @param {Context} ctx
 * @param {number} steps
 */
function turn(ctx, steps) {
  const place = (tabs.indexOf(tabOf(ctx)) + steps + tabs.length) % tabs.length;
  ctx.address.go(link(place ? ["runs", idOf(ctx), tabs[place].name] : ["runs", idOf(ctx)]));
}
