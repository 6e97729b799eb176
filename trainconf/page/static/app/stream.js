// What changes while one looks. All tabs of a browser share one stream: the tab that holds the lock reads it and passes each event on.
//
// Each tab says which topics it wants, with the place up to which it has each log and each run's points. The leading tab asks for all of them, each
// from the earliest such place, and follows the places as events pass. So a new request loses nothing; what a tab has already, it drops itself.
// A hidden tab wants nothing.
import { ApiError } from "./api.js";

/**
 * @typedef {object} Topics
 * @property {Record<string, object>} [runs] queries of the table, by a name of the tab's own
 * @property {string[]} [run]
 * @property {Record<string, number>} [log] by `id/rank`, the byte from which on
 * @property {Record<string, number>} [points] by id, the cursor from which on
 * @property {string[]} [sweep]
 * @property {boolean} [now]
 * @property {boolean} [running]  how many go on
 */

const LEAD = "trainconf.stream";
const QUIET_MS = 16_000; // the server says something each 5 s
const STALE_MS = 45_000; // a tab that was killed has not said goodbye
const RENEW_MS = 15_000;
const WAITS_MS = [300, 1000, 2000, 5000];

export class Stream {
  /**
   * @param {import("./api.js").Api} api
   * @param {{event: (name: string, data: any) => void, lost: (since: number | null) => void}} hooks lost: since when, null once it is back
   */
  constructor(api, hooks) {
    this.api = api;
    this.hooks = hooks;
    this.tab = crypto.randomUUID?.() ?? String(Math.random());
    /** @type {Map<string, {topics: Topics, seen: number}>} */
    this.wants = new Map();
    /** @type {Topics} */
    this.topics = {};
    this.leads = false;
    this.asked = "";
    /** @type {AbortController | null} */
    this.request = null;
    /** @type {number | null} */
    this.lostSince = null;
    this.tries = 0;
    this.channel = new BroadcastChannel(LEAD);
    this.channel.onmessage = ({ data }) => this.heard(data);
    document.addEventListener("visibilitychange", () => this.tell());
    addEventListener("pagehide", () => this.channel.postMessage({ kind: "bye", tab: this.tab }));
    addEventListener("pageshow", () => this.tell());
    setInterval(() => this.renew(), RENEW_MS);
    if (navigator.locks) navigator.locks.request(LEAD, () => new Promise(() => this.lead())).catch(() => this.lead()); // not in a frame of another site
    else this.lead(); // not a secure origin: each tab has its own
  }

  /**
   * What this tab shows. Places are taken from here on by the events that pass.
   * @param {Topics} topics
   */
  set(topics) {
    this.topics = topics;
    this.tell();
  }

  tell() {
    const topics = document.hidden ? {} : this.topics;
    if (this.leads) this.want(this.tab, topics);
    else this.channel.postMessage({ kind: "want", tab: this.tab, topics });
  }

  renew() {
    if (!document.hidden) this.tell();
    if (!this.leads) return;
    for (const [tab, { seen }] of this.wants) if (tab !== this.tab && Date.now() - seen > STALE_MS) this.wants.delete(tab);
    this.follow();
  }

  lead() {
    this.leads = true;
    this.channel.postMessage({ kind: "who" });
    this.tell();
  }

  /** @param {any} said */
  heard(said) {
    if (said.kind === "who") this.tell();
    else if (said.kind === "event") this.pass(said.name, said.data);
    else if (said.kind === "lost") this.hooks.lost(said.since);
    else if (this.leads && said.kind === "want") this.want(said.tab, said.topics);
    else if (this.leads && said.kind === "bye") {
      this.wants.delete(said.tab);
      this.follow();
    }
  }

  /**
   * @param {string} tab
   * @param {Topics} topics
   */
  want(tab, topics) {
    if (this.lostSince && tab !== this.tab) this.channel.postMessage({ kind: "lost", since: this.lostSince });
    this.wants.set(tab, { topics: structuredClone(topics), seen: Date.now() });
    this.follow();
  }

  /** Ask again where what is wanted has changed. Places that only moved on are no change. */
  follow() {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => {
      const topics = this.merged();
      const shape = JSON.stringify([topics.runs, topics.run, Object.keys(topics.log), Object.keys(topics.points), topics.sweep, topics.now, topics.running]);
      const isBehind = this.behind(topics);
      if (shape === this.asked && !isBehind) return;
      this.asked = shape;
      this.tries = 0;
      this.read(topics);
    }, 20);
  }

  /** @param {Required<Topics>} topics */
  behind(topics) {
    /** @type {Record<"log" | "points", Record<string, number>>} */
    const places = this.places ?? { log: {}, points: {} };
    const kinds = /** @type {const} */ (["log", "points"]);
    return kinds.some((kind) => Object.entries(topics[kind]).some(([key, place]) => place < (places[kind][key] ?? 0)));
  }

  /** @returns {Required<Topics>} */
  merged() {
    /** @type {Required<Topics>} */
    const all = { runs: {}, run: [], log: {}, points: {}, sweep: [], now: false, running: false };
    const least = (/** @type {Record<string, number>} */ into, /** @type {Record<string, number>} */ more) => {
      for (const [key, place] of Object.entries(more)) into[key] = Math.min(into[key] ?? Infinity, place);
    };
    for (const [tab, { topics }] of this.wants) {
      for (const [key, query] of Object.entries(topics.runs ?? {})) all.runs[`${tab}/${key}`] = query;
      all.run.push(...(topics.run ?? []));
      all.sweep.push(...(topics.sweep ?? []));
      all.now ||= topics.now ?? false;
      all.running ||= topics.running ?? false;
      least(all.log, topics.log ?? {});
      least(all.points, topics.points ?? {});
    }
    all.run = [...new Set(all.run)].sort();
    all.sweep = [...new Set(all.sweep)].sort();
    return all;
  }

  /** @param {Required<Topics>} topics */
  async read(topics) {
    this.request?.abort();
    const request = new AbortController();
    this.request = request;
    const isNothing = !topics.now && !topics.running && [topics.runs, topics.run, topics.log, topics.points, topics.sweep].every((each) => !Object.keys(each).length);
    if (isNothing) return;
    this.places = structuredClone({ log: topics.log, points: topics.points });
    try {
      await this.readOnce(topics, request);
    } catch (error) {
      if (request !== this.request) return;
      if (error instanceof ApiError && error.status === 401) return;
    }
    if (request !== this.request) return; // another has taken its place
    this.lose(this.lostSince ?? Date.now());
    const wait = WAITS_MS[Math.min(this.tries++, WAITS_MS.length - 1)];
    setTimeout(() => request === this.request && this.read(this.merged()), wait);
  }

  /**
   * Read until the stream ends. Raises whatever fetch raises, and ApiError.
   * @param {Required<Topics>} topics
   * @param {AbortController} request
   */
  async readOnce(topics, request) {
    let quiet = setTimeout(() => request.abort(), QUIET_MS);
    try {
      const answer = await this.api.ask("api/stream", { method: "POST", body: JSON.stringify({ topics }), signal: request.signal });
      const reader = /** @type {ReadableStream<any>} */ (answer.body).pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(quiet);
        quiet = setTimeout(() => request.abort(), QUIET_MS);
        if (request !== this.request) return;
        if (this.lostSince) this.lose(null);
        this.tries = 0;
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) this.block(block);
      }
    } finally {
      clearTimeout(quiet);
    }
  }

  /** @param {string} block an event as it stands in the stream */
  block(block) {
    let name = "message";
    let data = "";
    for (const line of block.split("\n")) {
      if (line.startsWith("event:")) name = line.slice(6).trim();
      else if (line.startsWith("data:")) data += line.slice(5);
    }
    if (!data) return;
    const said = JSON.parse(data);
    const place = name === "log" ? [`${said.id}/${said.rank}`, said.end] : name === "points" ? [said.id, said.cursor] : null;
    if (place && this.places) {
      const kind = /** @type {"log" | "points"} */ (name);
      const [key, end] = /** @type {[string, number]} */ (place);
      this.places[kind][key] = end;
      for (const { topics } of this.wants.values()) {
        const own = topics[kind];
        if (own && key in own) own[key] = Math.max(own[key], end);
      }
    }
    this.channel.postMessage({ kind: "event", name, data: said });
    this.pass(name, said);
  }

  /**
   * Hand an event to this tab's screen.
   * @param {string} name
   * @param {any} data
   */
  pass(name, data) {
    if (document.hidden) return; // it goes on from where it was, once it is seen again
    if (name === "runs") {
      const [tab, key] = String(data.key).split("/");
      if (tab !== this.tab) return;
      data = { ...data, key };
    }
    if (name === "log") move(this.topics.log, `${data.id}/${data.rank}`, data.end);
    if (name === "points") move(this.topics.points, data.id, data.cursor);
    this.hooks.event(name, data);
  }

  /** @param {number | null} since */
  lose(since) {
    this.lostSince = since;
    this.channel.postMessage({ kind: "lost", since });
    this.hooks.lost(since);
  }
}

/**
 * @param {Record<string, number> | undefined} places
 * @param {string} key
 * @param {number} end
 */
function move(places, key, end) {
  if (places && key in places) places[key] = Math.max(places[key], end);
}
