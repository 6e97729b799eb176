// What has happened to a run, in words.
import { html, nothing } from "../../app/dom.js";
import { encoded } from "../../app/router.js";
import { clock, duration, plain, stateMark } from "../../app/text.js";

/** @typedef {import("../../app/shell.js").Context} Context */

/** @param {Context} ctx */
async function read(ctx) {
  ctx.store.events = await ctx.api.get(`runs/${encoded(ctx.address.path[1])}/events`, {}, { signal: ctx.signal });
  ctx.render();
}

/** @param {Context} ctx */
function view(ctx) {
  const { events } = ctx.store;
  if (!events) return html`<p class="empty quiet">Reading…</p>`;
  return html`<div class="sections">
    ${events.waits ? html`<p class="card pad"><b>${plain(events.waits.words)}</b>${events.waits.holders.map((/** @type {string} */ holder) => html`<br><span class="quiet">${plain(holder)}</span>`)}</p>` : nothing}
    ${events.damage ? html`<p class="warning"><span aria-hidden="true">!</span> ${plain(events.damage)}</p>` : nothing}
    ${events.left_out ? html`<p class="quiet">${events.left_out} earlier ones are left out</p>` : nothing}
    <div class="card scroll" tabindex="0" role="region" aria-label="events"><table class="full events">
      <thead><tr><th scope="col">when</th><th scope="col">state</th><th scope="col">what</th><th scope="col" class="num">for</th></tr></thead>
      <tbody>${events.events.map(row)}</tbody></table></div></div>`;
}

/** @param {any} event */
const row = ({ time, state, attempt, words, notes, facts, took_s: took }) => html`<tr>
  <td><time datetime=${time ?? ""} title=${plain(time ?? "")}>${second(time)}</time></td>
  <td>${state ? stateMark(state) : nothing}${attempt > 1 ? html` <span class="quiet">attempt ${attempt}</span>` : nothing}</td>
  <td class="wrap">${plain(words)}${notes.map((/** @type {string} */ note) => html`<br><span class="warning">${plain(note)}</span>`)}
    ${Object.keys(facts).length ? html`<details><summary>facts</summary><dl class="facts">${Object.entries(facts).map(([name, value]) => html`<dt>${plain(name)}</dt><dd class="mono">${plain(typeof value === "object" ? JSON.stringify(value) : value)}</dd>`)}</dl></details>` : nothing}</td>
  <td class="num">${took === null ? nothing : duration(took)}</td></tr>`;

/** @param {string | null} time  with its seconds */
const second = (time) => clock(time, true);

/** @type {import("../../app/shell.js").Screen} */
export default {
  name: "events", title: "Events",
  enter: read, view,
  event: (ctx, name, data) => (name === "run" && data.id === ctx.address.path[1] ? read(ctx) : undefined),
};
