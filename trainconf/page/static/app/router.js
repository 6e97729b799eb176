// The address: `#/runs/ID/log?rank=0`. All of it is in the fragment, which no browser sends to a server.

/** @typedef {Record<string, string>} Query */

/**
 * The path and the query that a fragment says, and the token where it brings one.
 * @param {string} hash
 * @returns {{path: string[], query: Query, token: string | null}}
 */
export function parse(hash) {
  let said = hash.replace(/^#/, "");
  let token = null;
  if (said.startsWith("t=")) {
    const end = said.indexOf("/");
    token = end < 0 ? said.slice(2) : said.slice(2, end);
    said = end < 0 ? "" : said.slice(end);
  }
  const mark = said.indexOf("?");
  const path = (mark < 0 ? said : said.slice(0, mark)).split("/").filter(Boolean).map(decoded);
  const query = mark < 0 ? {} : Object.fromEntries(new URLSearchParams(said.slice(mark + 1)));
  return { path: path.length ? path : ["runs"], query, token };
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * The fragment for a path and a query; what is null, undefined or empty is left out.
 * @param {string[]} path
 * @param {Record<string, unknown>} [query]
 */
export function link(path, query = {}) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") words.set(name, String(value));
  }
  const said = words.toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%2F", "/");
  return `#/${path.map(encodeURIComponent).join("/")}${said && `?${said}`}`;
}

/** @param {string[]} names  as one word of a query */
export const joined = (names) => names.map((name) => name.replace(/[%,]/g, encodeURIComponent)).join(",");

/** @param {string} text  that `joined` made */
export const listed = (text) => text.split(",").filter(Boolean).map(decoded);

export class Address {
  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    this.path = ["runs"];
    /** @type {Query} */
    this.query = {};
    addEventListener("hashchange", () => this.read());
    addEventListener("popstate", () => this.read());
    this.seen = "";
  }

  /** Take the address that the browser shows. */
  read() {
    if (location.hash === this.seen) return;
    this.seen = location.hash;
    Object.assign(this, { path: parse(this.seen).path, query: parse(this.seen).query });
    this.changed();
  }

  /**
   * Change parts of the query; null removes one.
   * @param {Record<string, unknown>} changes
   * @param {{push?: boolean}} [how] push: a step that `back` undoes
   */
  set(changes, how = {}) {
    this.go(link(this.path, { ...this.query, ...changes }), how.push ? "push" : "replace");
  }

  /**
   * Go to a fragment.
   * @param {string} hash
   * @param {"push" | "replace"} [how]
   */
  go(hash, how = "push") {
    if (hash === location.hash) return;
    history[how === "push" ? "pushState" : "replaceState"](null, "", hash);
    this.read();
  }
}
