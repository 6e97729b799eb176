// The files of a run: folders, one file, and images over steps, beside those of other runs.
import { ApiError } from "../../app/api.js";
import { html, nothing } from "../../app/dom.js";
import { encoded, link } from "../../app/router.js";
import { bdi, bytes, clock, counted, plain } from "../../app/text.js";
import { numbered } from "../../parts/patch.js";
import { worded } from "../../parts/refusal.js";

/** @typedef {import("../../app/shell.js").Context} Context */

const LINKED = 60; // images that are asked for at once
const FRESH_MS = 540_000; // a link is good for ten minutes

/** @param {Context} ctx */
const idOf = (ctx) => ctx.address.path[1];

/** @param {Context} ctx @param {string} end */
const at = (ctx, end) => `runs/${encoded(idOf(ctx))}/${end}`;

/** @param {Context} ctx */
async function update(ctx) {
  const { store, address: { query } } = ctx;
  const asked = JSON.stringify([query.folder, query.file, query.images, query.runs]);
  if (asked === store.filesAsked) return;
  store.filesAsked = asked;
  store.filesMistake = null;
  try {
    if (query.images) await readImages(ctx);
    else await readFolder(ctx, asked);
  } catch (error) {
    if (ctx.signal.aborted) return;
    if (!(error instanceof ApiError) || error.status === 401) throw error;
    store.filesMistake = error;
  }
  ctx.render();
}

/** @param {Context} ctx @param {string} asked */
async function readFolder(ctx, asked) {
  const { store, address: { query } } = ctx;
  store.listed = await ctx.api.get(at(ctx, "files"), { folder: query.folder }, { signal: ctx.signal });
  store.shownFile = store.shownUrl = null;
  ctx.render();
  if (!query.file) return;
  const found = await ctx.api.get(at(ctx, "file"), { path: query.file }, { signal: ctx.signal });
  if (asked !== store.filesAsked) return;
  if (["image", "page"].includes(found.shown)) store.shownUrl = (await ctx.api.post(at(ctx, "link"), { path: query.file })).url.slice(1);
  store.shownFile = found;
}

/** @param {Context} ctx */
async function readImages(ctx) {
  const { store, address: { query } } = ctx;
  const runs = [...new Set([idOf(ctx), ...(query.runs ?? "").split(",").filter(Boolean)])];
  store.images = await ctx.api.get("images", { runs: runs.join(",") }, { signal: ctx.signal });
  store.urls ??= new Map();
  await readLinks(ctx);
}

/** @param {Context} ctx  which group is shown, at which step */
function shownImages({ store, address: { query } }) {
  const group = store.images.groups.find((/** @type {any} */ each) => each.name === query.group) ?? [...store.images.groups].sort((/** @type {any} */ a, /** @type {any} */ b) => b.steps.length - a.steps.length)[0];
  if (!group) return null;
  const step = group.steps.includes(Number(query.step)) && query.step !== undefined ? Number(query.step) : group.steps.at(-1);
  const rows = store.images.runs.map((/** @type {any} */ run) => {
    const some = run.images.filter((/** @type {any} */ image) => image.group === group.name);
    return { id: run.id, image: some.find((/** @type {any} */ image) => image.step === step) ?? some.findLast?.((/** @type {any} */ image) => image.step <= step), count: some.length };
  });
  return { group, step, rows };
}

/** @param {Context} ctx  links for the images that are shown and have none, or an old one */
async function readLinks(ctx) {
  const { store } = ctx;
  const shown = shownImages(ctx);
  for (const { id, image } of shown?.rows ?? []) {
    const known = image && store.urls.get(`${id}/${image.path}`);
    if (!image || (known && Date.now() - known.at < FRESH_MS)) continue;
    const run = store.images.runs.find((/** @type {any} */ each) => each.id === id);
    const some = run.images.filter((/** @type {any} */ each) => each.group === image.group);
    const place = Math.max(0, some.indexOf(image) - LINKED / 2);
    const paths = some.slice(place, place + LINKED).map((/** @type {any} */ each) => each.path);
    const { urls } = await ctx.api.post(`runs/${encoded(id)}/link`, { paths });
    paths.forEach((/** @type {string} */ path, /** @type {number} */ each) => store.urls.set(`${id}/${path}`, { url: urls[each].slice(1), at: Date.now() }));
  }
  ctx.render();
}

/** @param {Context} ctx */
function view(ctx) {
  const { store, address: { query } } = ctx;
  const bar = html`<div class="bar flat">
    <div class="choice" role="group" aria-label="how files are shown">
      <button aria-pressed=${query.images ? "false" : "true"} @click=${() => ctx.address.set({ images: null, group: null, step: null, runs: null })}>folders</button>
      <button aria-pressed=${query.images ? "true" : "false"} @click=${() => ctx.address.set({ images: 1, folder: null, file: null })}>images</button></div>
    ${query.images ? nothing : crumbs(ctx)}</div>`;
  if (store.filesMistake) return html`<div class="sections">${bar}<p class="mistake" role="alert">${worded(store.filesMistake.refusal.what)}</p></div>`;
  return html`<div class="sections">${bar}${query.images ? imageGrid(ctx) : folders(ctx)}</div>`;
}

/** @param {Context} ctx */
function crumbs(ctx) {
  const parts = (ctx.address.query.folder ?? "").split("/").filter(Boolean);
  return html`<p class="path"><button class="link" @click=${() => ctx.address.set({ folder: null, file: null })}>${plain(idOf(ctx))}</button>${parts.map((part, place) => html` / <button class="link" @click=${() => ctx.address.set({ folder: parts.slice(0, place + 1).join("/"), file: null })}><bdi>${plain(part)}</bdi></button>`)}</p>`;
}

/** @param {Context} ctx */
function folders(ctx) {
  const { listed, shownFile } = ctx.store;
  const { query } = ctx.address;
  if (!listed) return html`<p class="empty quiet">Reading…</p>`;
  const open = (/** @type {any} */ entry) => ctx.address.set(entry.kind === "folder" ? { folder: entry.path, file: null } : { file: entry.path }, { push: true });
  return html`<div class=${query.file ? "two" : ""}>
    <div class="card scroll" tabindex="0" role="region" aria-label="files"><table class="full files"><thead><tr><th scope="col">name</th><th scope="col" class="num">size</th><th scope="col">written</th></tr></thead>
      <tbody>${listed.entries.map((/** @type {any} */ entry) => html`<tr class=${entry.path === query.file ? "here" : ""}><th scope="row">
        ${entry.kind === "folder" || entry.kind === "file" ? html`<button class="link" aria-current=${entry.path === query.file ? "true" : nothing} @click=${() => open(entry)}><bdi>${plain(entry.name)}${entry.kind === "folder" ? "/" : ""}</bdi></button>` : html`<bdi>${plain(entry.name)}</bdi> <span class="quiet">${entry.kind === "link" ? "a link: it is not followed" : "no file"}</span>`}</th>
        <td class="num">${bytes(entry.size_bytes)}</td><td>${clock(entry.modified)}</td></tr>`)}</tbody></table>
      ${listed.entries.length ? nothing : html`<p class="pad quiet">Nothing is here yet.</p>`}
      ${listed.total > listed.entries.length ? html`<p class="pad quiet">and ${listed.total - listed.entries.length} more: <code>trainconf download</code> gets them</p>` : nothing}</div>
    ${query.file ? html`<div class="card text">${shownFile ? fileView(ctx) : html`<p class="pad quiet">Reading…</p>`}</div>` : nothing}
  </div>`;
}

/** @param {Context} ctx */
function fileView(ctx) {
  const { shownFile: file, shownUrl } = ctx.store;
  const name = file.path.split("/").at(-1);
  const get = async () => {
    const found = await ctx.ask(ctx.api.post(at(ctx, "link"), { path: file.path, save: true }));
    if (found) location.assign(found.url.slice(1));
  };
  return html`
    <div class="pad filehead"><b><bdi>${plain(name)}</bdi></b> <span class="quiet">${bytes(file.size_bytes)}</span> <button @click=${get}>download</button>
      <span class="mono quiet sha" title=${file.sha256 ?? ""}>${file.sha256 ? `sha256 ${file.sha256.slice(0, 16)}…` : "large: no SHA-256 yet"}</span></div>
    ${file.shown === "image" && shownUrl ? html`<img class="shown" src=${shownUrl} alt=${plain(name)}>`
      : file.shown === "page" && shownUrl ? html`<iframe sandbox="allow-scripts" src=${shownUrl} title=${plain(name)}></iframe>`
      : file.table ? tableOf(file) : file.text !== null ? html`${numbered(file.text)}${file.is_cut ? html`<p class="pad quiet">the beginning alone; download it for the rest</p>` : nothing}`
      : html`<p class="pad quiet">This file is no text: download it.</p>`}`;
}

/** @param {any} file */
const tableOf = ({ table, rows }) => html`<div class="scroll" tabindex="0" role="region" aria-label="table"><table class="full"><thead><tr>${(table[0] ?? []).map((/** @type {string} */ cell) => html`<th scope="col"><bdi>${plain(cell)}</bdi></th>`)}</tr></thead>
  <tbody>${table.slice(1).map((/** @type {string[]} */ row) => html`<tr>${row.map((cell) => html`<td><bdi>${plain(cell)}</bdi></td>`)}</tr>`)}</tbody></table></div>
  ${rows === null || rows > table.length - 1 ? html`<p class="pad quiet">the first ${table.length - 1} rows${rows === null ? "" : ` of ${rows}`}</p>` : nothing}`;

/** @param {Context} ctx */
function imageGrid(ctx) {
  const { store, address } = ctx;
  if (!store.images) return html`<p class="empty quiet">Looking for images…</p>`;
  const shown = shownImages(ctx);
  if (!shown) return html`<p class="empty quiet">No image lies below ./outputs.</p>`;
  const { group, step, rows } = shown;
  const go = (/** @type {object} */ changes) => { address.set({ ...changes }); readLinks(ctx); };
  const add = (/** @type {Event} */ event) => {
    event.preventDefault();
    const other = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("other") ?? "").trim();
    if (other) address.set({ runs: [address.query.runs, other].filter(Boolean).join(",") });
  };
  return html`
    <div class="bar flat">
      <label>images <select @change=${(/** @type {Event} */ event) => go({ group: /** @type {HTMLSelectElement} */ (event.target).value, step: null })}>${store.images.groups.map((/** @type {any} */ each) => html`<option value=${each.name} ?selected=${each === group}>${plain(each.name)}</option>`)}</select></label>
      ${group.steps.length > 1 ? html`<label class="steps">step <input type="range" min="0" max=${group.steps.length - 1} step="1" .value=${String(group.steps.indexOf(step))} aria-valuetext=${`step ${step}`}
        @input=${(/** @type {Event} */ event) => go({ step: group.steps[Number(/** @type {HTMLInputElement} */ (event.target).value)] })}><output>${step}</output></label>` : nothing}
      <form class="with" @submit=${add}><label>beside <input type="text" name="other" placeholder="id of a run" spellcheck="false"></label><button>add</button></form>
    </div>
    ${store.images.missing.map((/** @type {string} */ id) => html`<p class="warning">there is no run ${bdi(id)}</p>`)}
    <div class="grid">${rows.map((/** @type {any} */ { id, image, count }) => html`<figure class="card">
      ${image && store.urls.get(`${id}/${image.path}`) ? html`<img src=${store.urls.get(`${id}/${image.path}`).url} alt=${plain(image.path)}>` : html`<p class="pad quiet">${image ? "…" : "none"}</p>`}
      <figcaption><a href=${link(["runs", id])}><bdi>${plain(id)}</bdi></a> <span class="quiet">${group.steps.length < 2 ? "" : image ? `step ${image.step}${image.step === step ? "" : ", the one before"}, of ${counted(count, "image")}` : "none so early"}</span></figcaption></figure>`)}</div>`;
}

/** @type {import("../../app/shell.js").Screen} */
export default { name: "files", title: "Files", enter: (ctx) => { Object.assign(ctx.store, { filesAsked: null, listed: null, images: null }); }, update, view };
