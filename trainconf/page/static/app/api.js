// Questions to the server. The token goes in a header; what is refused comes back in the server's words.
import { keep, recall } from "./kept.js";
import { encoded, parse, queryOf } from "./router.js";

/** @typedef {{what: string, where?: string | null, allowed?: string[] | null, hint?: string | null}} Refusal */

export class ApiError extends Error {
  /**
   * @param {number} status 0: the server did not answer
   * @param {Refusal} refusal
   * @param {number} [againMs]  after which the same may be answered; 0: it will not be
   */
  constructor(status, refusal, againMs = 0) {
    super(refusal.what);
    this.status = status;
    this.againMs = againMs;
    this.refusal = refusal;
  }
}

const KEPT = "trainconf.token";

/** Take the token out of the address, where it would be seen, and keep it for this origin. Whether there was one. */
export function takeToken() {
  const { token } = parse(location.hash);
  if (token === null) return false;
  keep(KEPT, token);
  history.replaceState(null, "", location.hash.replace(/^#t=[^/]*/, "#") === "#" ? "#/runs" : location.hash.replace(/^#t=[^/]*/, "#"));
  return true;
}

export class Api {
  /** @param {{onLocked: () => void, onWaits: (what: string) => void}} hooks  onWaits: what is still waited for; empty once all has come */
  constructor(hooks) {
    this.hooks = hooks;
    /** @type {Map<object, string>} */
    this.waits = new Map();
  }

  get token() {
    return recall(KEPT) ?? "";
  }

  /**
   * The answer to a GET of `api/PATH`. Raises ApiError.
   * @param {string} path
   * @param {Record<string, unknown>} [query] what is null, undefined or empty is left out; of a list, each value by itself
   * @param {{signal?: AbortSignal}} [how]
   * @returns {Promise<any>}
   */
  async get(path, query = {}, how = {}) {
    const said = queryOf(query);
    return (await this.wait(`api/${path}${said && `?${said}`}`, how)).json();
  }

  /**
   * The answer to a GET, which is asked for again for as long as the server says that it is at it.
   * @param {string} url
   * @param {{signal?: AbortSignal}} how
   */
  async wait(url, how) {
    const own = {};
    try {
      for (;;) {
        try {
          return await this.ask(url, how);
        } catch (error) {
          if (!(error instanceof ApiError) || !error.againMs) throw error;
          this.tell(own, error.message);
          await new Promise((done) => setTimeout(done, error.againMs));
          how.signal?.throwIfAborted();
        }
      }
    } finally {
      this.tell(own, "");
    }
  }

  /**
   * @param {object} who
   * @param {string} what  it waits for; empty: for nothing more
   */
  tell(who, what) {
    if (what) this.waits.set(who, what);
    else if (!this.waits.delete(who)) return;
    this.hooks.onWaits([...this.waits.values()][0] ?? "");
  }

  /**
   * The answer to a POST of a JSON body. Raises ApiError.
   * @param {string} path
   * @param {unknown} body
   * @param {{signal?: AbortSignal}} [how]
   * @returns {Promise<any>}
   */
  async post(path, body, how = {}) {
    return (await this.ask(`api/${path}`, { ...how, method: "POST", body: JSON.stringify(body) })).json();
  }

  /**
   * @param {string} url
   * @param {RequestInit} how
   * @returns {Promise<Response>}
   */
  async ask(url, how) {
    /** @type {Record<string, string>} */
    const headers = { Authorization: `Bearer ${this.token}` };
    if (how.body) headers["Content-Type"] = "application/json";
    let answer;
    try {
      answer = await fetch(url, { ...how, headers, cache: "no-store" });
    } catch (error) {
      if (how.signal?.aborted) throw error;
      throw new ApiError(0, { what: "the server does not answer", hint: "is `trainconf ui` still running?" });
    }
    if (answer.ok) return answer;
    if (answer.status === 401) this.hooks.onLocked();
    let refusal = { what: `the server answered ${answer.status}` };
    try {
      refusal = (await answer.json()).error ?? refusal;
    } catch {
      // Not JSON: whatever stands between the page and the server said it; the status is all that can be told.
    }
    throw new ApiError(answer.status, refusal, 1000 * Number(answer.headers.get("retry-after") ?? 0));
  }
}

/**
 * Path segments as part of a URL.
 * @param {string[]} parts
 */
export const at = (...parts) => parts.map(encoded).join("/");
