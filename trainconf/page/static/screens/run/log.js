// The log of a run, rank by rank.
import { html } from "../../app/dom.js";
import "../../parts/log.js";

/** @typedef {import("../../app/shell.js").Context} Context */

/** @returns {import("../../parts/log.js").Log | null} */
const log = () => document.querySelector("tc-log");

/** @type {import("../../app/shell.js").Screen} */
export default {
  name: "log",
  title: "Log",
  update(ctx) {
    // The element is there once the tab was drawn.
    requestAnimationFrame(() => requestAnimationFrame(() => log()?.open()));
    ctx.render();
  },
  view: (ctx) => (ctx.store.run.log_files?.length ? html`<tc-log .ctx=${ctx}></tc-log>` : html`<p class="empty quiet">This run has written no log yet.</p>`),
  topics: () => ({ log: log()?.places() ?? {} }),
  event: (_, name, data) => log()?.event(name, data),
  keys: {
    "/": ["find in the log", () => document.getElementById("find")?.focus()],
    f: ["follow, or stay", () => log()?.follow()],
    E: ["the first error", () => log()?.firstError()],
    G: ["the end", () => log()?.openEnd()],
  },
};
