// The dialog in which the columns of the table are chosen: what is searched, never all of what there is.
import { ApiError } from "../app/api.js";
import { html, nothing } from "../app/dom.js";
import { counted, plain } from "../app/text.js";

/** @typedef {import("../app/shell.js").Context} Context */

const KINDS = [["param", "Params"], ["metric", "Metrics"], ["tag", "Tags"], ["fact", "Facts"]];
const TYPING_MS = 120;

/**
 * @param {Context} ctx
 * @param {string[]} columns  shown now
 * @param {(columns: string[]) => void} changed
 */
export function columnPicker(ctx, columns, changed) {
  let shown = [...columns];
  let found = /** @type {{name: string, kind: string, runs: number}[]} */ ([]);
  let more = 0;
  let words = "";
  let refused = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typing;
  const change = (/** @type {string[]} */ next) => {
    shown = next;
    changed(shown);
    draw();
  };
  const search = async () => {
    try {
      const answer = await ctx.api.get("columns", { search: words, limit: 50 }, { signal: ctx.signal });
      found = answer.columns;
      more = Number(answer.more);
      refused = "";
    } catch (error) {
      if (!(error instanceof ApiError)) return;
      refused = error.refusal.what;
    }
    draw();
  };
  const typed = (/** @type {InputEvent} */ event) => {
    words = /** @type {HTMLInputElement} */ (event.target).value;
    clearTimeout(typing);
    typing = setTimeout(search, TYPING_MS);
  };
  const line = (/** @type {string} */ name, /** @type {string} */ note) => html`
    <li><label><input type="checkbox" .checked=${shown.includes(name)} @change=${() => change(shown.includes(name) ? shown.filter((each) => each !== name) : [...shown, name])}>
      <bdi>${plain(name)}</bdi></label> <span class="quiet">${note}</span></li>`;
  const turns = (/** @type {any} */ { name, kind }) => (kind === "metric" ? [name, `${name}:min`, `${name}:max`] : [name]);
  const draw = () => ctx.dialog.open("Columns", html`
    <input type="search" aria-label="search the columns" placeholder="search" .value=${words} @input=${typed} autofocus>
    ${refused ? html`<p class="mistake" role="alert">${refused}</p>` : nothing}
    ${shown.length ? html`<h3>Shown</h3><ol class="picks">${shown.map((name, place) => html`
      <li><label><input type="checkbox" .checked=${true} @change=${() => change(shown.filter((each) => each !== name))}> <bdi>${plain(name)}</bdi></label>
        <button class="quiet" aria-label=${`move ${plain(name)} to the left`} ?disabled=${place === 0} @click=${() => change(swapped(shown, place))}>↑</button></li>`)}</ol>` : nothing}
    ${KINDS.map(([kind, title]) => {
      const some = found.filter((each) => each.kind === kind);
      return some.length ? html`<h3>${title}</h3><ul class="picks">${some.flatMap((each) => turns(each).filter((name) => !shown.includes(name)).map((name) => line(name, counted(each.runs, "run"))))}</ul>` : nothing;
    })}
    ${found.length || refused ? nothing : html`<p class="quiet">${words ? "No column has this name." : "There are no params or metrics yet."}</p>`}
    ${more ? html`<p class="quiet">There are more; search for them.</p>` : nothing}`);
  draw();
  search();
}

/**
 * @param {string[]} names
 * @param {number} place  of the one that goes before its neighbour
 */
function swapped(names, place) {
  const next = [...names];
  [next[place - 1], next[place]] = [next[place], next[place - 1]];
  return next;
}
