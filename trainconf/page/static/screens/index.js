// The screens, in the order of the head of the page. The first is shown where the address names none, and is there from the start.
import runs from "./runs.js";

/**
 * @typedef {object} Place
 * @property {string} name  the first segment of its path
 * @property {string} title
 * @property {() => Promise<{default: import("../app/shell.js").Screen}>} [load]
 * @property {import("../app/shell.js").Screen} [screen]  once it was loaded
 * @property {Place} [one]  what shows one of them, whose name is the next segment
 */

/** @type {Place[]} */
export const places = [
  { name: "runs", title: "Runs", screen: runs, one: { name: "run", title: "Run", load: () => import("./run/index.js") } },
  { name: "compare", title: "Compare", load: () => import("./compare.js") },
  { name: "sweeps", title: "Sweeps", load: () => import("./sweeps.js"), one: { name: "sweep", title: "Sweep", load: () => import("./sweep.js") } },
  { name: "now", title: "Now", load: () => import("./now.js") },
  { name: "help", title: "Help", load: () => import("./help.js") },
];
