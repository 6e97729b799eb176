// A run keeps its colour as long as the page is open, and one that somebody gave it for good: eight that the colour-blind tell apart, then the same with
// dashes. Given ones are kept by the browser, so they are there on a page that changes nothing, too.
import { keep, recall } from "../app/kept.js";

export const COLOUR_COUNT = 8;
const KEPT = "trainconf.colours";
const MOST_KEPT = 1000; // the runs that were given one last

/** @typedef {{colour: number, dash: number}} Look  the place among the colours, and how often they were all used before */

/** @type {Map<string, Look>} */
const looks = new Map();

/** @type {Map<string, number> | null} by run; null: to be read */
let own = null;
addEventListener("storage", ({ key }) => {
  if (key !== KEPT) return;
  own = null; // another tab gave one
  dispatchEvent(new Event("repaint"));
});

/** The colours that runs were given. */
function given() {
  if (own) return own;
  let said = [];
  try {
    said = JSON.parse(recall(KEPT) ?? "[]");
  } catch {
    // Damaged: no run was given any.
  }
  own = new Map((Array.isArray(said) ? said : []).filter((each) => Array.isArray(each) && Number.isInteger(each[1]) && each[1] >= 0 && each[1] < COLOUR_COUNT));
  return own;
}

/**
 * The colour that a run was given.
 * @param {string} id
 */
export const ownColour = (id) => given().get(id) ?? null;

/**
 * Give a run a colour of its own; null: it has one by itself again. What shows runs hears of it by the event `repaint`.
 * @param {string} id
 * @param {number | null} colour
 */
export function paint(id, colour) {
  const all = given();
  all.delete(id);
  if (colour === null) looks.delete(id);
  else all.set(id, colour);
  for (const first of all.keys()) if (all.size > MOST_KEPT) all.delete(first);
  keep(KEPT, JSON.stringify([...all]));
  dispatchEvent(new Event("repaint"));
}

/**
 * The looks of runs that are shown together: no two alike, and none changed that was given before unless it is another's here.
 * @param {string[]} ids
 * @returns {Map<string, Look>}
 */
export function looksOf(ids) {
  const taken = new Set();
  const found = new Map();
  const key = (/** @type {Look} */ look) => look.dash * COLOUR_COUNT + look.colour;
  for (const id of ids) {
    const colour = ownColour(id);
    if (colour === null) continue;
    const look = { colour, dash: 0 };
    taken.add(colour);
    looks.set(id, look);
    found.set(id, look);
  }
  for (const id of ids) {
    const look = looks.get(id);
    if (found.has(id) || !look || taken.has(key(look))) continue;
    taken.add(key(look));
    found.set(id, look);
  }
  for (const id of ids) {
    if (found.has(id)) continue;
    let place = 0;
    while (taken.has(place)) place++;
    const look = { colour: place % COLOUR_COUNT, dash: Math.floor(place / COLOUR_COUNT) };
    taken.add(place);
    looks.set(id, look);
    found.set(id, look);
  }
  return found;
}

/** Forget all looks, as a page does that is opened anew; for tests. */
export function forget() {
  looks.clear();
  own = null;
}

/**
 * The colour as the style sheet has it now, light or dark.
 * @param {number} colour
 */
export const cssColour = (colour) => resolved(`--line-${colour}`);

/** @type {HTMLElement | undefined} */
let probe;

/**
 * The value of a colour of the style sheet, as a canvas understands it.
 * @param {string} name
 */
export function resolved(name) {
  if (!probe) {
    probe = document.createElement("i");
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.setProperty("color", `var(${name})`);
  return getComputedStyle(probe).color;
}
