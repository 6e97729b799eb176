// The dialog in which runs are given colours.
import { html } from "../app/dom.js";
import { plain } from "../app/text.js";
import { COLOUR_COUNT, looksOf, ownColour, paint } from "./colours.js";

/** @typedef {import("../app/shell.js").Context} Context */

const NAMES = ["blue", "orange", "green", "pink", "violet", "ochre", "teal", "red"]; // of the style sheet's --line-0 and so on

/**
 * The button that opens it.
 * @param {Context} ctx
 * @param {string[]} ids
 */
export const colourButton = (ctx, ids) => html`<button @click=${() => colouring(ctx, ids)}>${ids.length === 1 ? "colour…" : "colours…"}</button>`;

/**
 * @param {Context} ctx
 * @param {string[]} ids
 */
function colouring(ctx, ids) {
  const give = (/** @type {string} */ id, /** @type {number | null} */ colour) => {
    paint(id, colour);
    draw();
  };
  const choice = (/** @type {string} */ id, /** @type {number} */ colour, /** @type {number} */ now) => html`
    <label class=${`paint line-${colour}`} title=${NAMES[colour]}><input type="radio" name=${id} aria-label=${NAMES[colour]} .checked=${colour === now} @change=${() => give(id, colour)}><i></i></label>`;
  const draw = () => {
    const looks = looksOf(ids);
    ctx.dialog.open("Colours", html`
      <p class="quiet">A run keeps the colour that it is given here, in this browser.</p>
      ${ids.map((id) => html`<fieldset class="paints"><legend><bdi>${plain(id)}</bdi></legend>
        ${Array.from({ length: COLOUR_COUNT }, (_, colour) => choice(id, colour, /** @type {import("./colours.js").Look} */ (looks.get(id)).colour))}
        <button class="link" ?disabled=${ownColour(id) === null} @click=${() => give(id, null)}>by itself</button></fieldset>`)}`);
  };
  draw();
}
