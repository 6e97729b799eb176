// One sweep as it goes: the best trial, all of them over their axes, who was stopped early and why, and what seems to matter.
import { ApiError } from "../app/api.js";
import { html, nothing } from "../app/dom.js";
import { encoded, joined, link, listed } from "../app/router.js";
import { duration, number, plain, stateMark } from "../app/text.js";
import { steer } from "../doing/act.js";
import { brushOf, isIn, rangeOf } from "../plots/axes.js";
import "../plots/parallel.js";
import { worded } from "../parts/refusal.js";

/** @typedef {import("../app/shell.js").Context} Context */
/** @typedef {import("../plots/axes.js").Axis} Axis */
/** @typedef {import("../plots/axes.js").Line} Line */

const METRIC = "\u0000metric"; // the last axis; no key of a config is that
const LOOK_MS = 3000; // where the stream says nothing
const ROWS = 200;

/** @param {Context} ctx */
const idOf = (ctx) => ctx.address.path[1];

/** @param {Context} ctx */
async function read(ctx) {
  const { store } = ctx;
  try {
    take(ctx, await ctx.api.get(`sweeps/${encoded(idOf(ctx))}`, {}, { signal: ctx.signal }));
  } catch (error) {
    if (ctx.signal.aborted) return;
    if (!(error instanceof ApiError && error.status === 404)) throw error;
    store.mistake = error;
  }
  ctx.render();
}

/** @param {Context} ctx @param {any} found */
function take(ctx, found) {
  const { store } = ctx;
  store.mistake = null;
  const valued = found.trials.filter((/** @type {any} */ trial) => trial.value !== null).length;
  store.at = Date.now();
  store.sweep = found;
  if (valued !== store.valued) {
    store.valued = valued;
    ctx.api.get(`sweeps/${encoded(idOf(ctx))}/importance`, {}, { signal: ctx.signal }).then((told) => { store.importance = told; ctx.render(); }, () => undefined);
  }
  const values = found.trials.map((/** @type {any} */ trial) => trial.value).filter((/** @type {unknown} */ value) => typeof value === "number").sort((/** @type {number} */ a, /** @type {number} */ b) => a - b);
  if (found.metric?.goal === "minimize") values.reverse();
  const rank = new Map(values.map((/** @type {number} */ value, /** @type {number} */ place) => [value, values.length > 1 ? place / (values.length - 1) : 1]));
  store.lines = found.trials.map((/** @type {any} */ trial) => ({ number: trial.number, values: { ...trial.values, ...(trial.value === null ? {} : { [METRIC]: trial.value }) }, rank: rank.get(trial.value) ?? null, trial }));
  ctx.render();
}

// Axes, as the address changes them

/** @param {Context} ctx @param {string} name */
const keysIn = (ctx, name) => new Set(listed(ctx.address.query[name] ?? ""));

/** @param {Context} ctx @param {string} name @param {string} key */
function toggle(ctx, name, key) {
  const some = keysIn(ctx, name);
  if (!some.delete(key)) some.add(key);
  ctx.address.set({ [name]: joined([...some]) });
}

/** @param {string} key */
const labelOf = (key) => key.replace(/^params\./, "");

/** @param {Context} ctx @returns {Axis[]} */
function axesOf(ctx) {
  const { sweep, lines } = ctx.store;
  const [out, logs, flips] = ["out", "log", "flip"].map((name) => keysIn(ctx, name));
  const axes = sweep.axes.map((/** @type {any} */ axis) => ({
    key: axis.key, label: labelOf(axis.key), kind: axis.kind, low: axis.low, high: axis.high, log: axis.kind === "number" && axis.low > 0 && axis.log !== logs.has(axis.key),
    flip: flips.has(axis.key), choices: axis.choices ?? [], hasMissing: axis.missing > 0,
  }));
  const values = lines.map((/** @type {Line} */ line) => line.values[METRIC]).filter((/** @type {unknown} */ value) => value !== undefined);
  if (values.length) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    axes.push({ key: METRIC, label: sweep.metric?.name ?? "metric", kind: "number", low, high, log: low > 0 && logs.has("metric"), flip: flips.has("metric"), choices: [], hasMissing: values.length < lines.length });
  }
  return axes.filter((/** @type {Axis} */ axis) => !out.has(axis.key));
}

/** @typedef {[string, string]} Range  JSON of what lies at its ends */

/** @param {Context} ctx @returns {Record<string, Range>} by axis */
function rangesOf(ctx) {
  const found = /** @type {Record<string, Range>} */ ({});
  for (const part of listed(ctx.address.query.brush ?? "")) {
    const [, key, ...ends] = /^(.*)~([^~]*)~([^~]*)$/s.exec(part) ?? [];
    if (key) found[key === "metric" ? METRIC : key] = /** @type {Range} */ (ends.map((each) => each.replaceAll("%7E", "~")));
  }
  return found;
}

/** @param {Context} ctx @param {string} key @param {Range | null} range */
function setRange(ctx, key, range) {
  const { [key]: _, ...all } = rangesOf(ctx);
  if (range) all[key] = range;
  ctx.address.set({ brush: joined(Object.entries(all).map(([each, ends]) => [each === METRIC ? "metric" : each, ...ends.map((end) => end.replaceAll("~", "%7E"))].join("~"))) });
}

/** @param {Context} ctx @param {Axis[]} axes */
function brushesOf(ctx, axes) {
  const ranges = rangesOf(ctx);
  const found = /** @type {import("../plots/axes.js").Brushes} */ ({});
  for (const axis of axes) {
    const brush = ranges[axis.key] && brushOf(axis, ranges[axis.key]);
    if (brush) found[axis.key] = brush;
  }
  return found;
}

/** @param {Context} ctx @param {Axis[]} axes @returns {(line: Line) => boolean} */
function filterOf(ctx, axes) {
  const brushes = brushesOf(ctx, axes);
  const top = Number(ctx.address.query.top ?? 100) / 100;
  return (line) => isIn(axes, brushes, line) && (top >= 1 || (line.rank !== null && line.rank >= 1 - top));
}

// What is seen

/** @param {Context} ctx */
function view(ctx) {
  const { sweep, mistake } = ctx.store;
  if (!sweep) return html`<h1 class="sr">Sweep</h1><p class="empty quiet">${mistake ? html`${worded(mistake.refusal.what)}<br><a href=${link(["sweeps"])}>All sweeps</a>` : "Reading the sweep…"}</p>`;
  const axes = axesOf(ctx);
  const within = filterOf(ctx, axes);
  const open = (/** @type {any} */ line) => line.trial.id && ctx.address.go(link(["runs", line.trial.id]));
  const hover = (/** @type {any} */ line) => { ctx.store.hovered = line; ctx.render(); };
  const lines = ctx.store.lines.filter((/** @type {Line} */ line) => !(Number(ctx.address.query.top ?? 100) < 100) || within(line));
  const best = sweep.best?.number ?? null;
  return html`<div class="sweep">
    ${head(ctx)}
    <div class="sections">
      ${mistake ? html`<p class="mistake">This sweep's folder is gone. What you see is what was read before.</p>` : nothing}
      ${sweep.failure ? html`<p class="mistake">${plain(sweep.failure)}</p>` : nothing}
      ${sweep.controller && !sweep.controller.here ? html`<p class="warning"><span aria-hidden="true">!</span> ${worded(sweep.controller.words)}</p>` : nothing}
      ${ctx.store.lines.length ? html`
        <section class="card pad" aria-label="Trials over their axes">
          <div class="bar flat"><h2>Trials</h2>
            <label>top <select @change=${(/** @type {Event} */ event) => ctx.address.set({ top: /** @type {HTMLSelectElement} */ (event.target).value })}>${["100", "50", "25", "10", "5"].map((each) => html`<option value=${each === "100" ? "" : each} ?selected=${each === (ctx.address.query.top ?? "100")}>${each} %</option>`)}</select></label>
            ${ctx.address.query.brush ? html`<button class="link" @click=${() => ctx.address.set({ brush: null })}>no ranges</button>` : nothing}
            <span class="quiet hover">${hoverWords(ctx, axes)}</span></div>
          ${axes.length ? html`<div class="scroll" tabindex="0" role="region" aria-label="parallel coordinates"><div class="parallel"><ol class="axes">${axes.map((axis) => axisHead(ctx, axis))}</ol>
            <tc-parallel label="Parallel coordinates of the trials; the table below has the same" .data=${{ axes, lines, brushes: brushesOf(ctx, axes), best, onBrush: (/** @type {Axis} */ axis, /** @type {any} */ brush) => setRange(ctx, axis.key, brush && rangeOf(axis, brush)), onPick: open, onHover: hover }}></tc-parallel></div></div>` : html`<p class="quiet">All axes are left out.</p>`}
          ${ranges(ctx, axes)}
        </section>
        <div class="two wide">${importance(ctx)}${scatter(ctx, axes, within, open, hover, best)}</div>
        ${trials(ctx, within)}` : html`<p class="quiet">No trial has begun yet.</p>`}
      ${policy(sweep)}
    </div></div>`;
}

/** @param {Context} ctx */
function head(ctx) {
  const { sweep } = ctx.store;
  const parts = [`${sweep.ended} of ${sweep.total} trials ended`, sweep.running && `${sweep.running} running`, sweep.stopped && `${sweep.stopped} stopped early`, sweep.failed && `${sweep.failed} failed`, sweep.canceled && `${sweep.canceled} canceled`];
  return html`<div class="run-head">
    <p class="crumbs"><a href=${ctx.up()}>‹ Sweeps</a> <span class="quiet"><bdi>${plain(sweep.experiment ?? "")}</bdi> · ${plain(sweep.kind)}</span></p>
    <div class="title"><h1><bdi>${plain(sweep.name || sweep.id)}</bdi></h1>${stateMark(sweep.state)}<span class="quiet" role="status">${parts.filter(Boolean).join(", ")}</span>
      <span class="actions">${sweep.actions.map((/** @type {string} */ verb) => html`<button class=${verb === "cancel" ? "danger" : ""} @click=${() => steer(ctx, verb, sweep.id, () => read(ctx))}>${verb}…</button>`)}${ctx.tools()}</span></div>
    ${sweep.best ? html`<p><span class="good">best ▸</span> ${sweep.best.id ? html`<a href=${link(["runs", sweep.best.id])}>trial ${sweep.best.number}</a>` : html`trial ${sweep.best.number}`}: <b>${number(sweep.best.value)}</b> <span class="quiet"><bdi>${plain(sweep.metric?.name)}</bdi></span>
      <span class="mono">${sweep.best.overrides.map((/** @type {string} */ word) => html`<bdi>${plain(word)}</bdi> `)}</span></p>`
      : html`<p class="quiet">${sweep.metric ? html`no trial has logged <bdi>${plain(sweep.metric.name)}</bdi> yet` : html`its trials are compared by no metric: <code>metric.name=NAME</code>`}</p>`}
    <progress max=${sweep.total || 1} value=${sweep.ended} aria-label="ended trials"></progress>
  </div>`;
}

/** @param {Context} ctx @param {Axis} axis */
const axisHead = (ctx, axis) => {
  const key = axis.key === METRIC ? "metric" : axis.key;
  return html`<li><b><bdi>${plain(axis.label)}</bdi></b><span class="handles">
    ${axis.kind === "number" && axis.low > 0 ? html`<button class="link" aria-pressed=${axis.log ? "true" : "false"} title="logarithmic" @click=${() => toggle(ctx, "log", key)}>log</button>` : nothing}
    <button class="link" aria-pressed=${axis.flip ? "true" : "false"} aria-label=${`flip ${plain(axis.label)}`} title="flip" @click=${() => toggle(ctx, "flip", key)}>⇅</button>
    ${axis.key === METRIC ? nothing : html`<button class="link" aria-label=${`leave ${plain(axis.label)} out`} title="leave out" @click=${() => toggle(ctx, "out", key)}>✕</button>`}</span></li>`;
};

/** @param {Context} ctx @param {Axis[]} axes */
function hoverWords(ctx, axes) {
  const { hovered } = ctx.store;
  if (!hovered) return "drag along an axis to keep a range of it";
  return html`trial ${hovered.number}: ${axes.map(({ key, label }) => html`<bdi>${plain(label)}</bdi> <b>${hovered.values[key] === undefined ? "none" : number(hovered.values[key], 4)}</b> `)}`;
}

/** @param {Context} ctx @param {Axis[]} axes  the same as brushes, for the keyboard; and the axes that were left out */
function ranges(ctx, axes) {
  const ranges = rangesOf(ctx);
  const out = [...keysIn(ctx, "out")];
  const changed = (/** @type {Axis} */ axis, /** @type {number} */ end) => (/** @type {Event} */ event) => {
    const text = /** @type {HTMLInputElement} */ (event.target).value;
    const whole = [axis.low, axis.high];
    const next = whole.map((each, place) => Number(place === end ? text || each : ranges[axis.key]?.[place] ?? each)).sort((a, b) => a - b);
    if (next.every(Number.isFinite)) setRange(ctx, axis.key, next[0] <= axis.low && next[1] >= axis.high ? null : /** @type {Range} */ (next.map(String)));
  };
  const at = (/** @type {Axis} */ axis, /** @type {number} */ end) => (ranges[axis.key] ? number(Number(ranges[axis.key][end]), 5).replace("−", "-") : "");
  const picked = (/** @type {Axis} */ axis) => (/** @type {Event} */ event) => {
    const { value } = /** @type {HTMLSelectElement} */ (event.target);
    setRange(ctx, axis.key, value ? [value, value] : null);
  };
  return html`<details class="below"><summary>ranges and axes as fields</summary><div class="ranges">${axes.map((axis) => html`<fieldset><legend><bdi>${plain(axis.label)}</bdi></legend>
    ${axis.kind === "choice" ? html`<select aria-label=${`only ${plain(axis.label)}`} @change=${picked(axis)}><option value="">all</option>${axis.choices.map((choice) => html`<option value=${JSON.stringify(choice)} ?selected=${ranges[axis.key]?.every((each) => each === JSON.stringify(choice))}>${plain(choice === null ? "null" : typeof choice === "object" ? JSON.stringify(choice) : choice)}</option>`)}</select>`
      : html`<input type="text" inputmode="decimal" aria-label=${`${plain(axis.label)} from`} placeholder="from" .value=${at(axis, 0)} @change=${changed(axis, 0)}> <input type="text" inputmode="decimal" aria-label=${`${plain(axis.label)} to`} placeholder="to" .value=${at(axis, 1)} @change=${changed(axis, 1)}>`}</fieldset>`)}
    ${out.length ? html`<p>left out: ${out.map((key) => html`<button class="link" @click=${() => toggle(ctx, "out", key)}><bdi>${plain(labelOf(key))}</bdi></button> `)}</p>` : nothing}</div></details>`;
}

/** @param {Context} ctx */
function importance(ctx) {
  const told = ctx.store.importance;
  return html`<section class="card pad"><h2>Importance</h2>${told ? html`<p class="quiet">${plain(told.words)}</p>
    ${told.keys.length ? html`<table class="bars"><thead class="sr"><tr><th scope="col">key</th><th scope="col">strength</th></tr></thead><tbody>${told.keys.map((/** @type {any} */ each) => html`<tr><th scope="row"><bdi>${plain(labelOf(each.key))}</bdi></th>
      <td><meter min="0" max="1" value=${each.strength} aria-label=${`strength of ${plain(each.key)}`}></meter> ${each.strength.toFixed(2)} <span class="quiet">${each.direction > 0 ? "higher goes with higher" : each.direction < 0 ? "higher goes with lower" : ""}</span></td></tr>`)}</tbody></table>` : nothing}` : html`<p class="quiet">…</p>`}</section>`;
}

/** @param {Context} ctx @param {Axis[]} axes @param {(line: Line) => boolean} within @param {(line: any) => void} open @param {(line: any) => void} hover @param {number | null} best */
function scatter(ctx, axes, within, open, hover, best) {
  const y = axes.find((axis) => axis.key === METRIC);
  const others = axes.filter((axis) => axis.key !== METRIC);
  const x = others.find((axis) => axis.key === ctx.address.query.x) ?? others[0];
  if (!x || !y) return nothing;
  return html`<section class="card pad"><div class="bar flat"><h2><bdi>${plain(y.label)}</bdi> over</h2><label><span class="sr">axis</span><select @change=${(/** @type {Event} */ event) => ctx.address.set({ x: /** @type {HTMLSelectElement} */ (event.target).value })}>
    ${others.map((axis) => html`<option value=${axis.key} ?selected=${axis === x}>${plain(axis.label)}</option>`)}</select></label></div>
    <tc-scatter label=${`${plain(y.label)} over ${plain(x.label)}; the table has the same`} .data=${{ x, y, lines: ctx.store.lines, within, best, onPick: open, onHover: hover }}></tc-scatter></section>`;
}

/** @param {Context} ctx @param {(line: Line) => boolean} within */
function trials(ctx, within) {
  const { sweep, lines } = ctx.store;
  const { sort = "", order = "" } = ctx.address.query;
  const keys = sweep.axes.map((/** @type {any} */ axis) => axis.key);
  const shown = lines.filter(within);
  const goal = sweep.metric?.goal === "minimize" ? 1 : -1;
  const of = (/** @type {any} */ line) => (sort === "trial" ? line.number : sort === "took" ? line.trial.duration_s : sort === "state" ? line.trial.state : sort && sort !== "value" ? line.values[sort] : line.trial.value);
  const way = sort && sort !== "value" ? (order === "desc" ? -1 : 1) : order === "asc" ? -goal : goal;
  shown.sort((/** @type {any} */ a, /** @type {any} */ b) => compared(of(a), of(b), way) || a.number - b.number);
  const headOf = (/** @type {string} */ key, /** @type {string} */ title) => html`<th scope="col" aria-sort=${sort === key ? (order === "desc" ? "descending" : "ascending") : nothing}><button @click=${() => ctx.address.set(sort === key && order === "asc" ? { sort: key, order: "desc" } : { sort: key, order: "asc" })}><bdi>${plain(title)}</bdi>${sort === key ? html`<span class="arrow" aria-hidden="true">${order === "desc" ? "▾" : "▴"}</span>` : nothing}</button></th>`;
  return html`<section class="card pad"><h2>${shown.length === lines.length ? `${lines.length} trials` : `${shown.length} of ${lines.length} trials`}</h2>
    <div class="scroll tall" tabindex="0" role="region" aria-label="trials"><table class="full"><thead><tr>${headOf("trial", "trial")}${headOf("state", "state")}${headOf("value", sweep.metric?.name ?? "value")}${keys.map((/** @type {string} */ key) => headOf(key, labelOf(key)))}${headOf("took", "took")}<th scope="col">why</th></tr></thead>
    <tbody>${shown.slice(0, ROWS).map((/** @type {any} */ { number: place, trial, values }) => html`<tr class=${place === sweep.best?.number ? "here" : ""}>
      <th scope="row">${trial.id ? html`<a href=${link(["runs", trial.id])}>${place}</a>` : place}</th><td>${stateMark(trial.state === "Stopped" ? "Canceled" : trial.state, trial.state === "Stopped" ? "stopped early" : undefined)}</td><td><b>${number(trial.value)}</b></td>
      ${keys.map((/** @type {string} */ key) => html`<td><bdi>${key in values ? number(values[key]) : "none"}</bdi></td>`)}<td>${duration(trial.duration_s)}</td><td class="quiet cut">${plain(trial.stop?.words ?? trial.reason ?? "")}</td></tr>`)}</tbody></table></div>
    ${shown.length > ROWS ? html`<p class="quiet">the first ${ROWS}; ranges above narrow them, the export has all</p>` : nothing}
    ${sweep.left_out ? html`<p class="quiet">${sweep.left_out} more trials are not drawn here; the export has all</p>` : nothing}</section>`;
}

/** @param {any} a @param {any} b @param {number} way  what is missing comes last, whichever way */
function compared(a, b, way) {
  const [noA, noB] = [a, b].map((each) => each === null || each === undefined);
  if (noA || noB) return Number(noA) - Number(noB);
  return (a < b ? -1 : a > b ? 1 : 0) * way;
}

/** @param {any} sweep */
function policy({ policy: told }) {
  if (told.kind === "none" && !told.changes.length) return nothing;
  return html`<section class="card pad"><h2>Stopped early</h2><p><bdi>${plain(told.settings || told.kind)}</bdi>: ${told.stopped} stopped by ${told.decisions} decisions${told.saved === null ? "" : `, ${Math.round(told.saved * 100)} % of logs saved`}</p>
    ${told.changes.map((/** @type {any} */ each) => html`<p class="quiet">since trial ${each.from_trial}: ${plain(each.words)}</p>`)}<p class="quiet">The table says of each trial by which bound and value.</p></section>`;
}

/** @type {import("../app/shell.js").Screen} */
export default {
  name: "sweep", title: "Sweep",
  key: (path) => path[1],
  enter(ctx) {
    Object.assign(ctx.store, { lines: [], valued: -1 });
    ctx.store.clock = setInterval(() => {
      const { sweep, at } = ctx.store;
      if (!ctx.rests() && sweep && !/Completed|Failed|Canceled/.test(sweep.state) && Date.now() - at > LOOK_MS) read(ctx).catch(() => undefined); // the strip of the stream says it
    }, 1000);
    return read(ctx);
  },
  view,
  heading: ({ store, address }) => (store.sweep ? plain(store.sweep.name || store.sweep.id) : plain(address.path[1])),
  topics: (ctx) => ({ sweep: [idOf(ctx)] }),
  event(ctx, name, data) {
    if (name === "sweep" && data.id === idOf(ctx)) return data.trials ? take(ctx, data) : read(ctx);
    return name === "gone" && data.topic === "sweep" && data.id === idOf(ctx) ? read(ctx) : undefined;
  },
  leave: (ctx) => clearInterval(ctx.store.clock),
  command: ({ store }) => store.sweep?.command,
  data: (ctx) => [idOf(ctx), { view: "sweep", id: idOf(ctx) }],
  keys: { r: ["no ranges", (ctx) => ctx.address.set({ brush: null, top: null })] },
};
