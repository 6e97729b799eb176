// A run keeps its colour as long as the page is open: eight that the colour-blind tell apart, then the same with dashes.
export const COLOUR_COUNT = 8;

/** @typedef {{colour: number, dash: number}} Look  the place among the colours, and how often they were all used before */

/** @type {Map<string, Look>} */
const looks = new Map();

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
    const look = looks.get(id);
    if (!look || taken.has(key(look))) continue;
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

/** Forget all looks; for tests. */
export const forget = () => looks.clear();

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
