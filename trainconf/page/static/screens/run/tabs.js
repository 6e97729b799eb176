// The parts of a run, in their order.

/**
 * @typedef {object} Tab
 * @property {string} name  the third segment of its path
 * @property {string} title
 * @property {(run: any) => unknown} [count]  stands beside its title
 * @property {() => Promise<{default: import("../../app/shell.js").Screen}>} load
 * @property {import("../../app/shell.js").Screen} [screen]  once it was loaded
 */

/** @type {Tab[]} */
export const tabs = [
  { name: "overview", title: "Overview", load: () => import("./overview.js") },
  { name: "charts", title: "Charts", load: () => import("./charts.js") },
  { name: "log", title: "Log", load: () => import("./log.js") },
  { name: "files", title: "Files", count: (run) => run.files_count, load: () => import("./files.js") },
  { name: "config", title: "Config", load: () => import("./config.js") },
  { name: "code", title: "Code", load: () => import("./code.js") },
  { name: "environment", title: "Environment", load: () => import("./environment.js") },
  { name: "events", title: "Events", load: () => import("./events.js") },
  { name: "system", title: "System", load: () => import("./system.js") },
];
