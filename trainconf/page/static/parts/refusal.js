// What could not be done, in the product's words: what, where, what is allowed, what to type.
import { html, nothing } from "../app/dom.js";
import { plain } from "../app/text.js";

/**
 * Text in which `this` is code.
 * @param {string} text
 */
export const worded = (text) => plain(text).split("`").map((part, place) => (place % 2 ? html`<code>${part}</code>` : part));

/** @param {string} where  it may have lines, the last of which points at a place of the one before */
export const placed = (where) => html`<code class="block">${where.split("\n").map((line) => html`${plain(line)}\n`)}</code>`;

/**
 * @param {import("../app/api.js").ApiError} error
 * @param {() => void} [again]
 */
export function refusal(error, again) {
  const { what, where, allowed, hint } = error.refusal;
  return html`
    <section class="refusal" role="alert">
      <p class="what">${worded(what)}</p>
      ${where ? placed(where) : nothing}
      ${allowed?.length ? html`<p>allowed: ${allowed.slice(0, 40).map(plain).join(", ")}${allowed.length > 40 ? ", …" : ""}</p>` : nothing}
      ${hint ? html`<p class="quiet">${worded(hint)}</p>` : nothing}
      ${again ? html`<button @click=${again}>Try again</button>` : nothing}
    </section>`;
}
