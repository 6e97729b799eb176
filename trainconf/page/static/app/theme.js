// Light or dark: as the system says, until the reader says otherwise.
import { keep, recall } from "./kept.js";

const KEPT = "trainconf.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

/** @param {() => void} changed */
export function startTheme(changed) {
  apply();
  dark.addEventListener("change", changed);
}

/** Turn to the other one; back to the system's where that is it. */
export function toggleTheme() {
  const next = isDark() ? "light" : "dark";
  keep(KEPT, next === (dark.matches ? "dark" : "light") ? "" : next);
  apply();
  return next;
}

export const isDark = () => (recall(KEPT) ?? (dark.matches ? "dark" : "light")) === "dark";

function apply() {
  const said = recall(KEPT);
  if (said) document.documentElement.dataset.theme = said;
  else delete document.documentElement.dataset.theme;
}
