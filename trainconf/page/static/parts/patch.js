// Changed files and changed lines.
import { html, nothing } from "../app/dom.js";
import { bytes, plain } from "../app/text.js";

const SIGNS = /** @type {Record<string, string>} */ ({ added: "+", removed: "−", renamed: "→", changed: "·", mode: "m" });

/**
 * One changed file: what became of it, and how many lines.
 * @param {any} file
 */
export const change = (file) => html`
  <span class=${`kind ${file.kind}`} aria-hidden="true">${SIGNS[file.kind] ?? "·"}</span><span class="sr">${file.kind}</span>
  <bdi>${file.old_path !== file.path ? html`${plain(file.old_path)} → ` : nothing}${plain(file.path)}</bdi>
  <span class="counts">${file.added === null ? nothing : html`<span class="plus">+${file.added}</span> <span class="minus">−${file.removed}</span>`}
  ${file.note ? html`<span class="quiet">${plain(file.note)}${file.old_bytes !== null && file.new_bytes !== null ? html`, ${bytes(file.old_bytes)} → ${bytes(file.new_bytes)}` : nothing}</span>` : nothing}</span>`;

/**
 * The changed lines of some files.
 * @param {{hunks: any[], more: number, trouble: string}} found
 */
export function patch({ hunks, more, trouble }) {
  return html`
    ${trouble ? html`<p class="warning">${plain(trouble)}</p>` : nothing}
    <div class="scroll" tabindex="0" role="region" aria-label="changed lines"><table class="patch"><tbody>
      ${hunks.map((hunk, place) => html`
        <tr class="hunk"><td colspan="4">${place && hunks[place - 1].path === hunk.path ? nothing : html`<bdi>${plain(hunk.path)}</bdi> `}<span class="quiet">${plain(hunk.words)}</span></td></tr>
        ${hunk.lines.map((/** @type {any[]} */ [sign, old, now, text]) => html`<tr class=${sign === "+" ? "plus" : sign === "-" ? "minus" : sign === "\\" ? "quiet" : ""}>
          <td class="no">${old ?? nothing}</td><td class="no">${now ?? nothing}</td><td class="sign">${sign === "-" ? "−" : sign === "\\" ? "" : sign}</td><td><bdi>${shown(text)}</bdi></td></tr>`)}`)}
    </tbody></table></div>
    ${more ? html`<p class="quiet">and ${more} more lines of the patch: <code>trainconf diff</code> has all</p>` : nothing}`;
}

/**
 * A text with its lines numbered.
 * @param {string} text
 */
export function numbered(text) {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return html`<div class="scroll code" tabindex="0" role="region" aria-label="text"><table class="patch"><tbody>
    ${lines.map((line, place) => html`<tr><td class="no">${place + 1}</td><td><bdi>${shown(line)}</bdi></td></tr>`)}</tbody></table></div>`;
}

/** @param {string} text  tabs stay what they are */
const shown = (text) => text.split("\t").map(plain).join("\t");
