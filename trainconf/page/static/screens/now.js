// What runs and what waits now: this machine's slots and GPUs, the jobs of schedulers, and who waits for whom.
import { html, nothing } from "../app/dom.js";
import { link } from "../app/router.js";
import { bdi, counted, duration, numeric, plain, stateMark } from "../app/text.js";
import { cancel } from "../doing/act.js";
import { measure } from "../plots/units.js";

/** @typedef {import("../app/shell.js").Context} Context */

const LOOK_MS = 5000; // where the stream says nothing

/** @param {Context} ctx */
async function read(ctx) {
  take(ctx, await ctx.api.get("now", {}, { signal: ctx.signal }));
}

/** @param {Context} ctx @param {any} found */
function take(ctx, found) {
  Object.assign(ctx.store, { found, at: Date.now() });
  ctx.render();
}

/** @param {Context} ctx */
function view(ctx) {
  const { found } = ctx.store;
  if (!found) return html`<h1 class="sr">Now</h1><p class="empty quiet">Looking…</p>`;
  const waiting = [...found.here.flatMap((/** @type {any} */ machine) => machine.waiting.filter((/** @type {any} */ each) => each.ours).map((/** @type {any} */ each) => each.id)),
    ...found.scheduled.filter((/** @type {any} */ each) => each.state === "Queued").map((/** @type {any} */ each) => each.id)];
  const nothingRuns = !found.others.length && !found.scheduled.length && found.here.every((/** @type {any} */ machine) => machine.leases.every((/** @type {any} */ each) => each.free) && !machine.waiting.length);
  return html`<div class="sections now"><div class="bar flat"><h1>Now</h1><span class="quiet" role="status">${found.running} running, ${found.waiting} waiting</span>${ctx.tools()}
      ${waiting.length ? html`<button class="danger" @click=${() => cancel(ctx, waiting, () => read(ctx))}>cancel all that waits (${waiting.length})…</button>` : nothing}</div>
    ${found.here.map((/** @type {any} */ machine) => machineView(ctx, machine))}
    ${found.scheduled.length ? html`<section class="card pad"><h2>Scheduler <span class="quiet">${Object.entries(found.counts).map(([state, count]) => `${count} ${state}`).join(", ")}</span></h2>${runTable(ctx, found.scheduled, true)}</section>` : nothing}
    ${found.others.length ? html`<section class="card pad"><h2>Others</h2>${runTable(ctx, found.others, false)}</section>` : nothing}
    ${found.left_out ? html`<p class="quiet">and ${found.left_out} more</p>` : nothing}
    ${nothingRuns ? html`<p class="quiet">Nothing runs and nothing waits.</p>` : nothing}</div>`;
}

/** @param {Context} ctx @param {any} machine */
function machineView(ctx, { directory, slots, gpus, leases, waiting, waiting_count: count }) {
  const bar = (/** @type {string} */ kind, /** @type {any} */ { taken, total }) => (total ? html`<span class="slots"><span class="quiet">${kind}</span> <b>${taken}</b> of ${total}
    <span class="boxes" aria-hidden="true">${leases.filter((/** @type {any} */ each) => each.kind === (kind === "GPUs" ? "gpu" : "slot")).slice(0, 128).map((/** @type {any} */ each) => html`<i class=${each.free ? "" : each.ours ? "mine" : "taken"}></i>`)}</span></span>` : nothing);
  const held = leases.filter((/** @type {any} */ each) => !each.free);
  return html`<section class="card pad"><h2>This machine ${ctx.store.found.here.length > 1 ? html`<span class="quiet mono"><bdi>${plain(directory)}</bdi></span>` : nothing}</h2>
    <p class="inline">${bar("CPU slots", slots)}${bar("GPUs", gpus)}</p>
    ${held.length ? html`<div class="scroll" tabindex="0" role="region" aria-label="what is held"><table class="full"><thead><tr>${["", "who", "user", "since", "metric", ""].map((title) => html`<th scope="col">${title || html`<span class="sr">what</span>`}</th>`)}</tr></thead><tbody>
      ${held.map((/** @type {any} */ each) => html`<tr><th scope="row">${each.kind === "gpu" ? "GPU" : "slot"} <bdi>${plain(each.name)}</bdi></th>
        <td><span class="on-sign" aria-hidden="true">●</span> ${each.ours ? html`<a class="mono" href=${link([each.running.length > 1 ? "sweeps" : "runs", each.running.length > 1 ? each.run : each.words])}>${bdi(each.words)}</a>` : bdi(each.words)}${each.running.length > 1 ? html` <span class="quiet">${counted(each.running.length, "trial")}</span>` : nothing}</td>
        <td>${bdi(each.user)}</td><td>${ago(each.since)}</td><td>${value(each.metric)}</td>
        <td>${each.ours ? html`<button class="link bad" @click=${() => cancel(ctx, [each.running.length === 1 ? each.words : each.run], () => read(ctx))}>cancel…</button>` : nothing}</td></tr>`)}</tbody></table></div>` : nothing}
    ${waiting.length ? html`<h3>Waiting</h3><div class="scroll" tabindex="0" role="region" aria-label="what waits"><table class="full"><tbody>${waiting.map((/** @type {any} */ each) => html`<tr><td class="num">${each.place}.</td>
      <th scope="row"><span aria-hidden="true">◌</span> ${each.ours ? html`<a class="mono" href=${link(["runs", each.id])}>${bdi(each.id)}</a>` : bdi(each.id)}</th><td>${plain(each.words)}${each.holders.length ? html` <span class="quiet">held by ${each.holders.slice(0, 3).map(plain).join(", ")}${each.holders.length > 3 ? ", …" : ""}</span>` : nothing}</td>
      <td>${bdi(each.user)}</td><td>${ago(each.since)}</td><td>${each.ours ? html`<button class="link bad" @click=${() => cancel(ctx, [each.id], () => read(ctx))}>cancel…</button>` : nothing}</td></tr>`)}</tbody></table></div>
      ${count > waiting.length ? html`<p class="quiet">and ${count - waiting.length} more wait</p>` : nothing}` : nothing}
  </section>`;
}

/** @param {Context} ctx @param {any[]} rows @param {boolean} areJobs */
const runTable = (ctx, rows, areJobs) => html`<div class="scroll" tabindex="0" role="region" aria-label="runs"><table class="full"><thead><tr>${["run", "state", ...(areJobs ? ["job"] : []), "why", "since", "metric", ""].map((title) => html`<th scope="col">${title || html`<span class="sr">actions</span>`}</th>`)}</tr></thead>
  <tbody>${rows.map((each) => html`<tr><th scope="row"><a class="mono" href=${link(["runs", each.id])}>${bdi(each.id)}</a></th><td>${stateMark(each.state)}</td>${areJobs ? html`<td>${plain(each.scheduler)} ${plain(each.job)}${each.nodes ? ` on ${plain(each.nodes)}` : ""}</td>` : nothing}
    <td class="wrap">${plain(each.words)}</td><td>${ago(each.since)}</td><td>${value(each.metric)}</td><td><button class="link bad" @click=${() => cancel(ctx, [each.id], () => read(ctx))}>cancel…</button></td></tr>`)}</tbody></table></div>`;

/** @param {any} metric */
const value = (metric) => (metric ? html`<b>${Number.isFinite(numeric(metric.last)) ? measure(metric.name, numeric(metric.last)) : plain(metric.last)}</b> <span class="quiet">${bdi(metric.name)}</span>` : nothing);

/** @param {string | null} since */
const ago = (since) => (since ? duration(Math.max(0, (Date.now() - Date.parse(since)) / 1000)) : "");

/** @type {import("../app/shell.js").Screen} */
export default {
  name: "now", title: "Now",
  enter(ctx) {
    ctx.store.clock = setInterval(() => {
      if (ctx.rests()) return;
      ctx.render();
      if (Date.now() - ctx.store.at > LOOK_MS) read(ctx).catch(() => undefined); // what is amiss, the strip of the stream says
    }, 1000);
    return read(ctx);
  },
  view,
  topics: () => ({ now: true }),
  event: (ctx, name, data) => (name === "now" && data.here ? take(ctx, data) : undefined),
  command: () => "trainconf watch",
  leave: (ctx) => clearInterval(ctx.store.clock),
};
