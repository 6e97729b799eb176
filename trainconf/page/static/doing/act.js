// What can be done, in a dialog that shows the command first. The server makes the command, and does the same by the same operation.
import { ApiError } from "../app/api.js";
import { html, nothing } from "../app/dom.js";
import { encoded, link } from "../app/router.js";
import { FINAL, bdi, plain } from "../app/text.js";
import { worded } from "../parts/refusal.js";

/** @typedef {import("../app/shell.js").Context} Context */
/** @typedef {{id: string, ok: boolean, words: string, new?: string}} Result */
/**
 * @typedef {object} Action
 * @property {string} title
 * @property {string} verb
 * @property {() => object} body
 * @property {string} label  of the button that does it
 * @property {(changed: () => void) => unknown} [form]
 * @property {() => boolean} [isReady]  whether enough was given for a command
 * @property {string} [words]  what it means
 * @property {boolean} [isHard]  whether it ends something
 * @property {(results: Result[]) => void} [done]
 */

const TYPING_MS = 150;
const AGAIN_MS = 700;
const SHOWN_PARAMS = 60;

/**
 * Show what would be typed, and do it when that is asked for.
 * @param {Context} ctx
 * @param {Action} it
 */
export function action(ctx, it) {
  let command = "";
  let refused = /** @type {ApiError | null} */ (null);
  let results = /** @type {Result[] | null} */ (null);
  let isBusy = false;
  let isOpen = true;
  let asked = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let soon;
  const failed = (/** @type {unknown} */ error) => {
    if (!(error instanceof ApiError)) throw error;
    refused = error;
  };
  const preview = async () => {
    const own = ++asked;
    if (it.isReady?.() === false) {
      command = "";
      refused = null;
      return draw();
    }
    try {
      const answer = await ctx.api.post(`actions/${it.verb}`, { ...it.body(), do: false });
      if (own !== asked) return;
      command = answer.command;
      refused = null;
    } catch (error) {
      if (own !== asked) return;
      failed(error);
    }
    draw();
  };
  const changed = () => {
    clearTimeout(soon);
    soon = setTimeout(preview, TYPING_MS);
    draw();
  };
  const run = async () => {
    isBusy = true;
    refused = null;
    draw();
    try {
      let answer = await ctx.api.post(`actions/${it.verb}`, { ...it.body(), do: true });
      command = answer.command ?? command;
      while (answer.pending && isOpen) {
        await new Promise((go) => setTimeout(go, AGAIN_MS));
        answer = await ctx.api.get(`actions/pending/${encoded(answer.pending)}`);
      }
      results = answer.results;
    } catch (error) {
      failed(error);
    }
    isBusy = false;
    if (results?.every(({ ok }) => ok)) {
      const made = results.find((each) => each.new);
      if (!made) {
        ctx.toast(results.length === 1 ? `${results[0].id}: ${results[0].words}` : `Done: ${results.length} of them.`);
        if (isOpen) ctx.dialog.close();
        isOpen = false; // the browser says so later
      }
      it.done?.(results);
    }
    draw();
  };
  const isReadOnly = Boolean(ctx.about?.read_only);
  const draw = () => isOpen && ctx.dialog.open(it.title, html`
    ${it.words ? html`<p>${worded(it.words)}</p>` : nothing}
    ${it.form && !results ? it.form(changed) : nothing}
    <div class="command"><code class="block">${command ? plain(command) : "…"}</code>
      <button @click=${() => ctx.copy(command)} ?disabled=${!command}>copy</button></div>
    ${refused ? said(refused) : nothing}
    ${results ? html`<ul class="results">${results.map((each) => html`<li class=${each.ok ? "good" : "bad"}><span aria-hidden="true">${each.ok ? "✓" : "✕"}</span>
      <div><b><bdi>${plain(each.id)}</bdi></b> <span class="lines">${lines(each.words)}</span>
      ${each.new ? html` <a href=${link(["runs", each.new])} @click=${() => ctx.dialog.close()}>open ${bdi(each.new)}</a>` : nothing}</div></li>`)}</ul>` : nothing}
    ${isReadOnly ? html`<p class="quiet">This page was started with <code>--read-only</code>: type the command in a terminal.</p>` : nothing}
    <div class="buttons">
      ${isBusy ? html`<span class="quiet" role="status">at it…</span>` : nothing}
      <button @click=${() => ctx.dialog.close()}>${results ? "close" : "leave it"}</button>
      ${results || isReadOnly ? nothing : html`<button class=${it.isHard ? "danger" : "primary"} ?disabled=${isBusy || !command} @click=${run}>${it.label}</button>`}
    </div>`, { onClose: () => { isOpen = false; } });
  draw();
  preview();
}

/** @param {ApiError} error */
function said({ refusal }) {
  const more = [refusal, ...(/** @type {any} */ (refusal).more ?? [])];
  return html`<div class="mistakes" role="alert">${more.map(({ what, where, allowed, hint }) => html`<p class="mistake">${worded(what)}
    ${where ? html`<span class="lines">${lines(where)}</span>` : nothing}
    ${allowed?.length ? html`<span class="quiet">allowed: ${allowed.slice(0, 20).map(plain).join(", ")}</span>` : nothing}
    ${hint ? html`<span class="quiet">${worded(hint)}</span>` : nothing}</p>`)}</div>`;
}

/** @param {string} text of several lines */
const lines = (text) => text.split("\n").map((line) => html`<span>${worded(line)}</span>`);

// The verbs

/**
 * @param {string} label
 * @param {string} value
 * @param {(value: string) => void} changed
 */
const field = (label, value, changed, isFirst = false) => html`
  <label class="field"><span><bdi>${plain(label)}</bdi></span><input type="text" spellcheck="false" autocomplete="off" .value=${value} ?autofocus=${isFirst}
    @input=${(/** @type {Event} */ event) => changed(/** @type {HTMLInputElement} */ (event.target).value)}></label>`;

/** @param {string[]} ids */
const these = (ids) => (ids.length === 1 ? plain(ids[0]) : `${ids.length} runs`);

/** @param {Context} ctx @param {string[]} ids @param {() => void} [done] */
export function cancel(ctx, ids, done) {
  let force = false;
  action(ctx, {
    title: `Cancel ${these(ids)}`, verb: "cancel", label: "cancel", isHard: true, body: () => ({ runs: ids, force }), done,
    words: "They get SIGTERM, and SIGKILL after their grace time. What they have started ends with them. Those that have ended stay as they are.",
    form: (changed) => html`<label><input type="checkbox" .checked=${force} @change=${() => { force = !force; changed(); }}> at once, without the grace time</label>`,
  });
}

/** @param {Context} ctx @param {string[]} ids @param {() => void} [done] */
export function tag(ctx, ids, done) {
  let name = "";
  let value = "";
  action(ctx, {
    title: `Tag ${these(ids)}`, verb: "tag", label: "tag", body: () => ({ runs: ids, tags: name ? { [name]: value } : {} }), done,
    isReady: () => name !== "",
    form: (changed) => html`${field("name", name, (said) => { name = said; changed(); }, true)}${field("value", value, (said) => { value = said; changed(); })}`,
  });
}

/** @param {Context} ctx @param {string[]} ids @param {string} name @param {() => void} [done] */
export const untag = (ctx, ids, name, done) =>
  action(ctx, { title: `Take the tag ${plain(name)} away`, verb: "untag", label: "take it away", body: () => ({ runs: ids, names: [name] }), done });

/** @param {Context} ctx @param {string[]} ids @param {string} before @param {() => void} [done] */
export function note(ctx, ids, before, done) {
  let text = before;
  action(ctx, {
    title: `Note on ${these(ids)}`, verb: "note", label: "keep it", body: () => ({ runs: ids, text }), done,
    form: (changed) => html`<label class="field"><span>note</span><textarea rows="4" .value=${text} autofocus
      @input=${(/** @type {Event} */ event) => { text = /** @type {HTMLTextAreaElement} */ (event.target).value; changed(); }}></textarea></label>`,
  });
}

/** @param {Context} ctx @param {string[]} ids @param {boolean} isArchived @param {() => void} [done] */
export const archive = (ctx, ids, isArchived, done) =>
  action(ctx, {
    title: isArchived ? `Show ${these(ids)} again` : `Hide ${these(ids)}`, verb: isArchived ? "unarchive" : "archive", label: isArchived ? "show" : "hide",
    words: isArchived ? "" : "Hidden runs are left out of lists. Nothing of them is removed; `hidden ones` above the table shows them.", body: () => ({ runs: ids }), done,
  });

/** @param {Context} ctx @param {any} run */
export function freeze(ctx, run) {
  let output = `${run.id}.frozen.yaml`;
  action(ctx, {
    title: `Freeze ${plain(run.id)}`, verb: "freeze", label: "write it", body: () => ({ runs: [run.id], output }),
    words: "Writes one file that runs the same again: its config, its code and its software. It belongs into version control.",
    form: (changed) => field("file, from the workspace on", output, (said) => { output = said; changed(); }, true),
  });
}

/**
 * Its params as a form; what was changed becomes words of the command.
 * @param {Context} ctx
 * @param {any} run
 */
export function rerun(ctx, run) {
  const before = Object.entries(flat(run.params ?? {})).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]);
  const now = new Map(before.map(([key, value]) => [key, value]));
  let more = "";
  const words = () => [
    ...before.filter(([key, value]) => now.get(key) !== value).map(([key]) => `params.${key}=${now.get(key)}`),
    ...lineWords(more),
  ];
  action(ctx, {
    title: `Run ${plain(run.id)} again`, verb: "rerun", label: "run", body: () => ({ runs: [run.id], overrides: words() }),
    words: "Its own code and config, with these values. It runs in the background.",
    form: (changed) => html`
      <div class="params">${before.slice(0, SHOWN_PARAMS).map(([key], place) => field(key, now.get(key) ?? "", (said) => { now.set(key, said); changed(); }, place === 0))}</div>
      ${before.length > SHOWN_PARAMS ? html`<p class="quiet">and ${before.length - SHOWN_PARAMS} more: give them below</p>` : nothing}
      ${moreWords("other overrides, one a line", "compute=slurm", more, (said) => { more = said; changed(); })}`,
  });
}

/** @param {Record<string, any>} tree @returns {Record<string, any>} */
export const flat = (tree, before = "") => Object.assign({}, ...Object.entries(tree).map(([key, value]) =>
  value && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length ? flat(value, `${before}${key}.`) : { [before + key]: value }));

const SWEEP = /** @type {Record<string, [string, string]>} */ ({
  pause: ["pause", "No further trial starts for now; those that run go on."], stop: ["stop", "No further trial starts; those that run go on to their end."],
  resume: ["go on", "It goes on from where it was."],
});

/**
 * Other limits; what was given becomes words of the command.
 * @param {Context} ctx
 * @param {string} sweep
 * @param {() => void} [done]
 */
function extend(ctx, sweep, done) {
  const limits = new Map([["max_total_runs", ""], ["max_concurrent_runs", ""], ["max_duration_minutes", ""]]);
  const labels = ["trials in all", "trials at once", "minutes in all"];
  let more = "";
  const changes = () => [...[...limits].filter(([, value]) => value.trim()).map(([name, value]) => `sweep.${name}=${value.trim()}`), ...lineWords(more)];
  action(ctx, {
    title: `Extend ${plain(sweep)}`, verb: "extend", label: "extend", body: () => ({ sweep, changes: changes() }), done, isReady: () => changes().length > 0,
    words: "It goes on with these limits, where it stands now. What is left empty stays as it is.",
    form: (changed) => html`${[...limits.keys()].map((name, place) => field(labels[place], limits.get(name) ?? "", (said) => { limits.set(name, said); changed(); }, place === 0))}
      ${moreWords("other changes, one a line", "sweep.policy.slack_factor=0.3", more, (said) => { more = said; changed(); })}`,
  });
}

/** @param {string} text of several lines, a word on each */
const lineWords = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/**
 * @param {string} label
 * @param {string} hint
 * @param {string} value
 * @param {(value: string) => void} changed
 */
const moreWords = (label, hint, value, changed) => html`
  <label class="field"><span>${label}</span><textarea rows="2" spellcheck="false" placeholder=${hint} .value=${value}
    @input=${(/** @type {Event} */ event) => changed(/** @type {HTMLTextAreaElement} */ (event.target).value)}></textarea></label>`;

/** @param {Context} ctx @param {string} verb @param {string} sweep @param {() => void} [done] */
export function steer(ctx, verb, sweep, done) {
  if (verb === "cancel") return cancel(ctx, [sweep], done);
  if (verb === "extend") return extend(ctx, sweep, done);
  const [label, words] = SWEEP[verb];
  action(ctx, { title: `${verb[0].toUpperCase()}${verb.slice(1)} ${plain(sweep)}`, verb, label, words, body: () => ({ sweep }), done });
}

/**
 * The buttons of one run.
 * @param {Context} ctx
 * @param {any} run
 * @param {() => void} done
 */
export const runButtons = (ctx, run, done) => html`
  ${FINAL.has(run.state) ? nothing : html`<button class="danger" @click=${() => cancel(ctx, [run.id], done)}>cancel…</button>`}
  <button @click=${() => rerun(ctx, run)}>rerun…</button>
  <button @click=${() => tag(ctx, [run.id], done)}>tag…</button>
  <button @click=${() => note(ctx, [run.id], run.note ?? "", done)}>note…</button>
  <button @click=${() => freeze(ctx, run)}>freeze…</button>
  <button @click=${() => archive(ctx, [run.id], Boolean(run.archived), done)}>${run.archived ? "show again…" : "hide…"}</button>`;

/**
 * The buttons of the chosen runs.
 * @param {Context} ctx
 * @param {string[]} ids
 * @param {boolean} isArchived
 * @param {() => void} done
 */
export const chosenButtons = (ctx, ids, isArchived, done) => html`
  <button @click=${() => tag(ctx, ids, done)}>tag…</button>
  <button @click=${() => note(ctx, ids, "", done)}>note…</button>
  <button class="danger" @click=${() => cancel(ctx, ids, done)}>cancel…</button>
  <button @click=${() => archive(ctx, ids, isArchived, done)}>${isArchived ? "show again…" : "hide…"}</button>`;
