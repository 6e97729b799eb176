// The code of a run: its files as they were, and what differs from another run's or from today's.
import { ApiError } from "../../app/api.js";
import { html, nothing } from "../../app/dom.js";
import { encoded } from "../../app/router.js";
import { bytes, counted, plain } from "../../app/text.js";
import { change, numbered, patch } from "../../parts/patch.js";
import { worded } from "../../parts/refusal.js";

/** @typedef {import("../../app/shell.js").Context} Context */

const TODAY = "today";

/** @param {Context} ctx */
async function update(ctx) {
  const { store, address: { query } } = ctx;
  const path = `runs/${encoded(ctx.address.path[1])}/code`;
  const get = (/** @type {string} */ end, /** @type {object} */ words) => ctx.api.get(path + end, { ...words }, { signal: ctx.signal });
  const asked = JSON.stringify([query.with, query.file]);
  if (store.codeAsked === asked) return;
  Object.assign(store, { codeAsked: asked, codeMistake: null, file: null, filePath: null });
  try {
    store.code ??= await get("", {});
    if (query.with && store.changedWith !== query.with) {
      store.changes = await get("/diff", { with: query.with });
      store.changedWith = query.with;
    }
    if (store.codeAsked !== asked) return;
    const files = query.with ? store.changes.files : store.code.files;
    const file = query.file ?? (query.with ? files[0]?.path : (files.find((/** @type {any} */ each) => each.path === store.code.script) ?? files.find((/** @type {any} */ each) => each.kind === "file"))?.path);
    store.filePath = file;
    ctx.render();
    if (file) {
      const found = await get(query.with ? "/diff" : "/file", { path: file, with: query.with });
      if (store.codeAsked === asked) store.file = found;
    }
  } catch (error) {
    if (ctx.signal.aborted) return;
    if (!(error instanceof ApiError) || error.status === 401) throw error;
    store.codeMistake = error;
  }
  ctx.render();
}

/** @param {Context} ctx */
function view(ctx) {
  const { code, changes, file, filePath, codeMistake } = ctx.store;
  if (!code) return html`<p class="empty quiet">${codeMistake ? worded(codeMistake.refusal.what) : "Reading…"}</p>`;
  const other = ctx.address.query.with;
  const isReady = !other || ctx.store.changedWith === other;
  const files = other ? (isReady ? changes.files : []) : code.files;
  return html`<div class="sections">
    ${git(code)}
    <div class="bar flat">
      <form class="with" @submit=${(/** @type {Event} */ event) => compareWith(ctx, event)}>
        <label>compare with <input type="text" name="other" placeholder="id of a run, last, today" spellcheck="false" .value=${other ?? ""} list="others"></label><datalist id="others"><option value=${TODAY}></option><option value="last"></option></datalist>
        <button>compare</button></form>
      ${other ? html`<button class="link" @click=${() => ctx.address.set({ with: null, file: null })}>its files</button>` : html`<button class="link" @click=${() => ctx.address.set({ with: TODAY, file: null })}>what has changed since</button>`}
      <span class="quiet">${code.words ? nothing : other ? counted(files.length, "changed file") : html`${counted(code.total, "file")}, ${bytes(code.size_bytes)}`}</span>
    </div>
    ${codeMistake ? html`<p class="mistake" role="alert">${worded(codeMistake.refusal.what)}</p>` : nothing}
    ${code.words ? html`<p class="warning"><span aria-hidden="true">!</span> ${plain(code.words)}</p>` : html`
    <div class="two">
      <ul class="plain tree card pad" aria-label="files">${files.map((/** @type {any} */ each) => html`<li><button class="link" aria-current=${each.path === filePath ? "true" : nothing} @click=${() => ctx.address.set({ file: each.path })}>
        ${other ? change(each) : html`<bdi>${plain(each.path)}</bdi> <span class="counts quiet">${each.kind === "file" ? bytes(each.size_bytes) : each.kind}</span>`}</button></li>`)}
        ${files.length ? nothing : html`<li class="quiet">${!isReady ? (codeMistake ? "" : "comparing…") : other ? changes.trouble || "no file differs" : "no file"}</li>`}
        ${!other && code.total > files.length ? html`<li class="quiet">and ${code.total - files.length} more</li>` : nothing}</ul>
      <div class="card text">${!filePath ? nothing : !file ? html`<p class="pad quiet">Reading…</p>` : other ? patch(file) : html`<p class="pad quiet"><bdi>${plain(file.path)}</bdi>${file.sha256 && file.kind === "file" ? html` <span class="mono">sha256 ${file.sha256.slice(0, 12)}</span>` : nothing}</p>${file.text === null ? html`<p class="pad">${plain(file.note)}</p>` : numbered(file.text)}`}</div>
    </div>`}
  </div>`;
}

/** @param {any} code */
function git({ git: found, snapshot, source_directory: source }) {
  const facts = [found?.branch && ["branch", found.branch], found?.commit && ["commit", `${found.commit.slice(0, 12)}${found.dirty ? ", and changes that were not committed" : ""}`], source && ["from", source], snapshot && ["snapshot", snapshot.slice(0, 12)]];
  return html`<p class="inline">${facts.filter(Boolean).map(([name, value]) => html`<span><span class="quiet">${name}</span> <bdi>${plain(value)}</bdi></span>`)}</p>`;
}

/** @param {Context} ctx @param {Event} event */
function compareWith(ctx, event) {
  event.preventDefault();
  const other = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("other") ?? "").trim();
  ctx.store.changedWith = ctx.store.codeAsked = null;
  ctx.address.set({ with: other || null, file: null }, { push: true });
  update(ctx);
}

/** @type {import("../../app/shell.js").Screen} */
export default { name: "code", title: "Code", enter: (ctx) => { Object.assign(ctx.store, { code: undefined, codeAsked: null, changedWith: null }); }, update, view };
