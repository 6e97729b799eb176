// What the browser keeps for this page. Where it keeps nothing, as in a frame of another site, it is for as long as the page is open.

/** @type {Map<string, string | null>} */
const memory = new Map();

/** @param {string} name */
export function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return memory.get(name) ?? null;
  }
}

/** @param {string} name @param {string} value  empty: it is forgotten */
export function keep(name, value) {
  try {
    if (value) localStorage.setItem(name, value);
    else localStorage.removeItem(name);
  } catch {
    memory.set(name, value || null);
  }
}
