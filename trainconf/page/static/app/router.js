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
  const words = mark < 0 ? [] : said.slice(mark + 1).split("&").filter(Boolean);
  const query = Object.fromEntries(words.map((word) => [word.split("=")[0], word.slice((word.indexOf("=") + 1 || Infinity))].map((part) => decoded(part.replaceAll("+", " ")))));
  return { path: path.length ? path : ["runs"], query, token };
}

/**
 * A name as a part of a URL. Of a name on the disk the server tells each byte that is no UTF-8 as half a surrogate pair; it becomes that byte again.
 * @param {unknown} text
 */
export const encoded = (text) =>
  String(text).split(/(\p{Surrogate})/u).map((part, place) => (place % 2 ? `%${(part.charCodeAt(0) & 255).toString(16).padStart(2, "0")}` : encodeURIComponent(part))).join("");

/** @param {string} part  of a URL */
const decoded = (part) => part.replace(/(?:%[0-9a-f]{2})+/gi, (bytes) => {
  let found = "";
  for (let at = 0, length = 0; at < bytes.length; at += length) {
    for (length = 12; length; length -= 3) {
      try {
        found += decodeURIComponent(bytes.slice(at, at + length));
        break;
      } catch {
        // Not whole characters: fewer bytes may be, and one that is none by itself is told as the server tells it.
      }
    }
    if (length) continue;
    length = 3;
    found += String.fromCharCode(0xdc00 + parseInt(bytes.slice(at + 1, at + 3), 16));
  }
  return found;
});

/**
 * The words of a query; what is null, undefined or empty is left out.
 * @param {Record<string, unknown>} query  of a list, each value by itself
 */
export const queryOf = (query) =>
  Object.entries(query)
    .flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((each) => [name, each]))
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map((pair) => pair.map(encoded).join("="))
    .join("&");

/**
 * The fragment for a path and a query; what is null, undefined or empty is left out.
 * @param {string[]} path
 * @param {Record<string, unknown>} [query]
 */
export function link(path, query = {}) {
  const said = queryOf(query).replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%2F", "/");
  return `#/${path.map(encoded).join("/")}${said && `?${said}`}`;
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
