// The keyboard: single keys, and `g r` as two. Nothing is taken from a field that is being written in, but Escape, which leaves it.

/** @typedef {Record<string, [string, (event: KeyboardEvent) => unknown]>} Keys  what a key does in words, and the doing */

const NEXT_MS = 1200; // between the two keys of a sequence

/** @param {EventTarget | null} target @returns {target is HTMLElement} */
const isField = (target) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(TEXTAREA|SELECT)$/.test(target.tagName) || (target instanceof HTMLInputElement && !/^(checkbox|radio|range|button)$/.test(target.type)));

/** @param {() => Keys[]} layers the innermost first */
export function listen(layers) {
  let first = "";
  let since = 0;
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (isField(event.target)) {
      if (event.key !== "Escape" || event.target.closest("dialog")) return;
      event.preventDefault(); // a field of a search would be emptied
      event.target.blur();
      return;
    }
    if (event.key === "Enter" && event.target instanceof Element && event.target.closest("a, button, summary, input")) return; // it does what it says
    const both = first && event.timeStamp - since < NEXT_MS ? `${first} ${event.key}` : "";
    first = "";
    const all = layers();
    for (const name of [both, event.key, event.shiftKey ? event.key.toLowerCase() : ""]) { // of two keys before of one, whichever layer has it
      const found = all.find((keys) => keys[name])?.[name];
      if (!found) continue;
      event.preventDefault();
      found[1](event);
      return;
    }
    if (event.key.length === 1) [first, since] = [event.key, event.timeStamp];
  });
}
