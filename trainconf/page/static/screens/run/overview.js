// A run at one look: what it was asked to do, how far it came, and its metrics.
import { html, nothing } from "../../app/dom.js";
import { link } from "../../app/router.js";
import { untag } from "../../doing/act.js";
import { bdi, clock, duration, goal, number, numeric, plain, stateMark } from "../../app/text.js";
import { chartOptions } from "../../parts/chartbar.js";
import "../../parts/chart.js";
import { looksOf } from "../../parts/colours.js";
import { Curves, drawn } from "../../parts/curves.js";
import { measure } from "../../plots/units.js";

/** @typedef {import("../../app/shell.js").Context} Context */

const CHARTS = 2;

/** @param {any} run  the names of its metrics, the one it is judged by first; not those of the machine */
export const namesOf = (run) => {
  const names = (run.metrics ?? []).map((/** @type {any} */ { name }) => name).filter((/** @type {string} */ name) => !name.startsWith("system."));
  return [...new Set([...(run.metric && names.includes(run.metric.name) ? [run.metric.name] : []), ...names])];
};

/** @param {Context} ctx  the curves of a tab */
export const curvesOf = (ctx) =>
  new Curves({ api: ctx.api, signal: ctx.signal, onPlaces: ctx.subscribe, onZoom: (from, to) => ctx.address.set({ from, to }), onError: () => ctx.render() });

/** @param {Context} ctx  draw this run's curves as the address says */
export const drawRun = (ctx) => ctx.store.curves.setup(drawn([ctx.store.run], looksOf([ctx.store.run.id])), chartOptions(ctx.address.query));

/** @param {Context} ctx */
function view(ctx) {
  const { run, curves } = ctx.store;
  const names = namesOf(run);
  return html`
    <div class="columns">
      <section class="stack" aria-label="Curves">
        ${names.slice(0, CHARTS).map((name) => html`<tc-chart .name=${name} .curves=${curves}></tc-chart>`)}
        ${names.length ? metricTable(run, names) : html`<p class="card pad quiet">No metric was logged yet.</p>`}
      </section>
      <section class="stack" aria-label="Facts">
        ${run.description ? html`<p class="card pad">${plain(run.description)}</p>` : nothing}
        ${run.note ? html`<p class="card pad"><span class="quiet">note</span> ${plain(run.note)}</p>` : nothing}
        ${run.errors?.length ? html`<div class="card pad"><h2>Errors</h2>${run.errors.map((/** @type {any} */ each) => html`<code class="block">${plain(typeof each === "string" ? each : each.message ?? JSON.stringify(each)).replaceAll("\\n", "\n")}</code>`)}</div>` : nothing}
        <div class="card pad"><h2>Command</h2><code class="block">${plain(run.command)}</code></div>
        ${Object.keys(run.params ?? {}).length ? html`<div class="card pad"><h2>Params</h2>${factList(run.params)}</div>` : nothing}
        <div class="card pad"><h2>Where and when</h2>${whereAndWhen(ctx)}</div>
        ${run.attempts?.length > 1 ? attemptTable(run.attempts) : nothing}
        ${run.children?.length ? html`<div class="card pad"><h2>Child runs</h2><ul class="plain">${run.children.map((/** @type {any} */ child) => {
          const id = typeof child === "string" ? child : child.id;
          return html`<li><a href=${link(["runs", id])}>${bdi(id)}</a></li>`;
        })}</ul></div>` : nothing}
      </section>
    </div>`;
}

/** @param {Record<string, unknown>} facts */
const factList = (facts) => html`<dl class="facts">${Object.entries(facts).map(([name, value]) => html`<dt>${bdi(name)}</dt><dd><bdi>${number(value)}</bdi></dd>`)}</dl>`;

/** @param {Context} ctx */
function whereAndWhen(ctx) {
  const { run } = ctx.store;
  const { target, env, created, started, ended, tags, experiment, paths } = run;
  const rows = [
    ["experiment", bdi(experiment)], ["target", target && bdi(target)], ["environment", env && bdi(typeof env === "string" ? env : env.name ?? JSON.stringify(env))],
    ...(run.place ?? []).map((/** @type {[string, string]} */ [name, words]) => [name, bdi(words)]),
    ["made", clock(created, true)], ["started", clock(started, true)], ["ended", clock(ended, true)],
    ["peak memory", run.resources?.peak_rss_bytes && measure("bytes", run.resources.peak_rss_bytes)],
    ["tags", Object.entries(tags ?? {}).map(([name, value]) => html`<span class="tag">${bdi(value === true || value === "" || value === null ? name : `${name}=${value}`)}
      <button class="link" aria-label=${`take the tag ${plain(name)} away`} @click=${() => untag(ctx, [run.id], name, ctx.store.again)}>✕</button></span>`)],
    ["folder", paths?.run && html`<span class="mono">${bdi(paths.run)}</span>`],
  ];
  return html`<dl class="facts">${rows.filter(([, value]) => value && (!Array.isArray(value) || value.length)).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

/**
 * @param {any} run
 * @param {string[]} names
 */
function metricTable(run, names) {
  const byName = new Map(run.metrics.map((/** @type {any} */ metric) => [metric.name, metric]));
  return html`
    <div class="card pad"><h2>Metrics</h2>
      <div class="scroll" tabindex="0" role="region" aria-label="metrics"><table class="full">
        <thead><tr><th scope="col">metric</th><th scope="col" class="num">last</th><th scope="col" class="num">lowest</th><th scope="col" class="num">highest</th><th scope="col" class="num">values</th></tr></thead>
        <tbody>${names.slice(0, 200).map((name) => {
          const { last, min, max, count } = byName.get(name) ?? {};
          return html`<tr><th scope="row">${bdi(name)}${run.metric?.name === name ? html` <span class="quiet">${goal(run.metric)}</span>` : nothing}</th>
            ${[last, min, max].map((value) => html`<td class="num">${value === null || value === undefined ? "" : Number.isFinite(numeric(value)) ? measure(name, value) : plain(value)}</td>`)}<td class="num">${count}</td></tr>`;
        })}</tbody></table></div>
      ${names.length > 200 ? html`<p class="quiet">and ${names.length - 200} more, in <a href=${link(["runs", run.id, "charts"])}>Charts</a></p>` : nothing}
    </div>`;
}

/** @param {any[]} attempts */
const attemptTable = (attempts) => html`
  <div class="card pad"><h2>Attempts</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="attempts"><table class="full">
      <thead><tr><th scope="col">attempt</th><th scope="col">state</th><th scope="col">started</th><th scope="col" class="num">took</th></tr></thead>
      <tbody>${attempts.map((each, place) => html`<tr><th scope="row">${each.attempt ?? place + 1}</th><td>${each.state ? stateMark(each.state) : nothing}</td><td>${clock(each.started)}</td>
        <td class="num">${duration(each.duration_s ?? (each.ended && each.started ? (Date.parse(each.ended) - Date.parse(each.started)) / 1000 : null))}</td></tr>`)}</tbody></table></div>
  </div>`;

/** @type {import("../../app/shell.js").Screen} */
export default {
  name: "overview",
  title: "Overview",
  enter: (ctx) => { ctx.store.curves = curvesOf(ctx); },
  update: drawRun,
  view,
  topics: (ctx) => ({ points: ctx.store.curves.places() }),
  event: (ctx, name, data) => ctx.store.curves.event(name, data),
};
