// What the machine did meanwhile.
import { chartsOf } from "./charts.js";
import charts from "./charts.js";

/** @param {any} run */
export const systemNames = (run) => (run.metrics ?? []).map((/** @type {any} */ { name }) => name).filter((/** @type {string} */ name) => name.startsWith("system."));

/** @type {import("../../app/shell.js").Screen} */
export default {
  ...charts,
  name: "system",
  title: "System",
  view: (ctx) => chartsOf(ctx, systemNames(ctx.store.run), "Nothing was measured of the machine: the run was too short, or it does not measure."),
};
