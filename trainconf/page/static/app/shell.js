// The frame of the page: its places, the screen that the address names, keys, notices, and what is said when something is amiss.
import { save } from "../doing/save.js";
import { dialog } from "../parts/dialog.js";
import { refusal } from "../parts/refusal.js";
import { places } from "../screens/index.js";
import { Api, ApiError, takeToken } from "./api.js";
import { copy, html, nothing, render } from "./dom.js";
import { keep, recall } from "./kept.js";
import { listen } from "./keys.js";
import { Address, link } from "./router.js";
import { Stream } from "./stream.js";
import { bdi, clock, plain } from "./text.js";
import { startTheme, toggleTheme } from "./theme.js";

/**
 * @typedef {object} Context  what a screen is given
 * @property {Api} api
 * @property {Address} address
 * @property {Record<string, any>} store  of this visit of the screen
 * @property {() => void} render  at the next frame
 * @property {any} about  the answer to /api/about
 * @property {(words: string) => void} toast
 * @property {typeof dialog} dialog
 * @property {AbortSignal} signal  ends when the screen is left
 * @property {() => void} subscribe  what `topics` says has changed
 * @property {(job: Promise<any>) => Promise<any>} ask  the answer, or undefined once the refusal is on the screen
 * @property {(words: string) => Promise<void>} copy  to the clipboard, which is said
 * @property {() => unknown} tools  buttons of what each screen can
 * @property {() => boolean} rests  whether nothing is asked for by itself now
 * @property {() => string} up  the address of the list that this is one of, as it was left
 */

/**
 * @typedef {object} Screen
 * @property {string} name  the first segment of its path
 * @property {string} title
 * @property {(path: string[]) => string} [key]  two paths of one key are one visit
 * @property {(ctx: Context) => unknown} [enter]  once for each visit
 * @property {(ctx: Context) => unknown} [update]  after `enter` and after each change of the address
 * @property {(ctx: Context) => unknown} view
 * @property {(ctx: Context) => import("./stream.js").Topics} [topics]
 * @property {(ctx: Context, name: string, data: any) => unknown} [event]
 * @property {(ctx: Context) => unknown} [leave]
 * @property {(ctx: Context) => unknown} [heading]  what the browser's tab says
 * @property {(ctx: Context) => string | undefined} [command]  that shows the same in a terminal
 * @property {(ctx: Context) => [string, Record<string, unknown> | null]} [data]  the name of its export, and the query of its numbers
 * @property {Record<string, [string, (ctx: Context, event: KeyboardEvent) => unknown]>
 *   | ((ctx: Context) => Record<string, [string, (ctx: Context, event: KeyboardEvent) => unknown]>)} [keys]
 */

const HOST = "trainconf.host";
const TOAST_MS = 4000;

export class Shell {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.api = new Api({ onLocked: () => this.lock(), onWaits: (what) => this.waits(what) });
    this.address = new Address(() => this.go());
    this.isLocked = false;
    this.isLive = true;
    /** @type {number | null} */
    this.lostSince = null;
    this.waitsFor = "";
    this.running = 0;
    /** @type {{id: number, words: string}[]} */
    this.toasts = [];
    /** @type {any} */
    this.about = null;
    /** @type {Screen} */
    this.screen = /** @type {Screen} */ (places[0].screen);
    this.visit = "";
    /** @type {Context | null} */
    this.ctx = null;
    /** @type {ApiError | null} */
    this.refused = null;
    this.leaving = new AbortController();
    this.isDue = false;
    /** @type {Map<string, string>} */
    this.kept = new Map(); // the address of each place, as it was left
  }

  async start() {
    takeToken();
    addEventListener("hashchange", () => takeToken() && location.reload()); // a new link in an old page
    startTheme(() => this.restyle());
    this.draw();
    if (!this.api.token) return this.lock();
    this.stream = new Stream(this.api, { event: (name, data) => this.event(name, data), lost: (since) => this.lost(since) });
    listen(() => this.layers());
    addEventListener("repaint", () => this.repaint());
    this.address.read();
    this.go();
    try {
      this.about = await this.api.get("about");
      keep(HOST, this.about.host);
      if (this.ctx) this.ctx.about = this.about;
    } catch (error) {
      if (error instanceof ApiError && error.status !== 401) this.refuse(error);
    }
    this.draw();
  }

  // The screen

  /** Show what the address names. */
  go() {
    if (this.isLocked) return;
    const { path } = this.address;
    const top = places.find(({ name }) => name === path[0]) ?? places[0];
    const place = path.length > 1 ? top.one ?? top : top;
    if (place === top) this.kept.set(top.name, location.hash);
    const { screen } = place;
    if (!screen) {
      this.load(place);
      return;
    }
    const visit = `${screen.name} ${screen.key ? screen.key(path) : path.join("/")}`;
    if (visit !== this.visit) this.enter(screen, visit);
    const ctx = /** @type {Context} */ (this.ctx);
    this.guard(() => screen.update?.(ctx));
    this.subscribe();
    this.draw();
  }

  /** @param {import("../screens/index.js").Place} place */
  async load(place) {
    try {
      place.screen = (await /** @type {NonNullable<typeof place.load>} */ (place.load)()).default;
    } catch (error) {
      return this.refuse(new ApiError(0, { what: `the part of the page for ${place.title} did not come`, hint: "is `trainconf ui` still running?" }));
    }
    this.go();
  }

  /**
   * @param {Screen} screen
   * @param {string} visit
   */
  enter(screen, visit) {
    if (this.ctx) this.screen.leave?.(this.ctx);
    this.leaving.abort();
    this.leaving = new AbortController();
    const isFirst = this.visit === "";
    Object.assign(this, { screen, visit, refused: null });
    const { signal } = this.leaving;
    this.ctx = {
      api: this.api, address: this.address, store: {}, about: this.about ?? {}, dialog, signal,
      render: () => !signal.aborted && this.draw(),
      subscribe: () => !signal.aborted && this.subscribe(),
      toast: (words) => this.toast(words),
      ask: (job) => job.catch((error) => void (signal.aborted || this.refuse(error))),
      copy: async (words) => { await copy(words); this.toast("Copied."); },
      tools: () => this.tools(), rests: () => document.hidden || !this.isLive, up: () => this.to(this.address.path[0]),
    };
    const ctx = this.ctx;
    this.guard(() => screen.enter?.(ctx));
    if (isFirst) return;
    requestAnimationFrame(() => {
      const main = this.root.querySelector("main");
      main?.scrollTo(0, 0);
      /** @type {HTMLElement | null} */ (main)?.focus({ preventScroll: true });
    });
  }

  /** @param {() => unknown} work of a screen, which may be a promise */
  guard(work) {
    const { signal } = this.leaving;
    const failed = (/** @type {unknown} */ error) => signal.aborted || this.refuse(error);
    try {
      const done = work();
      if (done instanceof Promise) done.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  /** @param {unknown} error */
  refuse(error) {
    if (!(error instanceof ApiError)) console.error(error);
    if (error instanceof ApiError && error.status === 401) return;
    this.refused = error instanceof ApiError ? error : new ApiError(0, { what: `the page failed: ${error}` });
    this.draw();
  }

  // What changes by itself

  subscribe() {
    if (this.ctx) this.stream?.set(this.isLive ? { running: true, ...this.screen.topics?.(this.ctx) } : {});
  }

  /**
   * @param {string} name
   * @param {any} data
   */
  event(name, data) {
    const ctx = this.ctx;
    if (name === "running") {
      this.running = data.count;
      this.draw();
    } else if (ctx) this.guard(() => this.screen.event?.(ctx, name, data));
  }

  /** @param {number | null} since */
  lost(since) {
    this.lostSince = since;
    this.draw();
  }

  /** @param {string} what */
  waits(what) {
    this.waitsFor = what;
    this.draw();
  }

  lock() {
    this.isLocked = true;
    this.stream?.set({});
    this.draw();
  }

  /** A run was given another colour. */
  repaint() {
    const ctx = this.ctx;
    if (ctx) this.guard(() => this.screen.update?.(ctx));
    this.restyle();
  }

  restyle() {
    dispatchEvent(new Event("restyle"));
    this.draw();
  }

  // Keys

  /** @returns {import("./keys.js").Keys[]} */
  layers() {
    if (dialog.isOpen) return [{}];
    const ctx = this.ctx;
    if (!ctx || this.isLocked) return [];
    const own = typeof this.screen.keys === "function" ? this.screen.keys(ctx) : this.screen.keys ?? {};
    const bound = Object.fromEntries(
      Object.entries(own).map(([key, [words, run]]) => [key, [words, (/** @type {KeyboardEvent} */ event) => this.guard(() => run(ctx, event))]]),
    );
    return [/** @type {import("./keys.js").Keys} */ (bound), this.keys()];
  }

  /** @returns {import("./keys.js").Keys} */
  keys() {
    const go = (/** @type {string} */ name) => () => this.address.go(this.to(name));
    const ctx = /** @type {Context} */ (this.ctx);
    const command = this.screen.command?.(ctx);
    return {
      "g r": ["go to the runs", go("runs")],
      "g c": ["go to the comparison", go("compare")],
      "g s": ["go to the sweeps", go("sweeps")],
      "g n": ["go to what runs now", go("now")],
      ".": ["live on or off", () => this.toggleLive()],
      e: ["export", () => this.export()],
      ...(command ? { y: ["copy the command", () => ctx.copy(command)] } : {}),
      t: ["light or dark", () => { toggleTheme(); this.restyle(); }],
      "?": ["these keys", () => this.help()],
      Escape: ["back", () => this.back()],
    };
  }

  toggleLive() {
    this.isLive = !this.isLive;
    this.subscribe();
    this.toast(this.isLive ? "Live again." : "Not live: the page stays as it is now. Press . to go on.");
  }

  back() {
    if (document.activeElement instanceof HTMLElement && document.activeElement !== document.body) document.activeElement.blur();
    const { path } = this.address;
    this.address.go(this.to(path.length > 1 ? path[0] : "runs"));
  }

  /**
   * The address of a place: as it was left, and with what is chosen; from the place itself, without all that was set.
   * @param {string} name
   */
  to(name) {
    const { path, query } = this.address;
    if (name === "compare" && query.chosen?.includes(",")) return link([name], { runs: query.chosen });
    return (path.length < 2 && path[0] === name ? null : this.kept.get(name)) ?? link([name]);
  }

  export() {
    const ctx = /** @type {Context} */ (this.ctx);
    save(ctx, ...(this.screen.data?.(ctx) ?? /** @type {[string, null]} */ ([this.screen.name, null])));
  }

  tools() {
    const { e, y } = this.keys();
    return html`<button @click=${e[1]}>${e[0]}</button>${y ? html`<button @click=${y[1]}>${y[0]}</button>` : nothing}`;
  }

  help() {
    const group = (/** @type {string} */ title, /** @type {import("./keys.js").Keys} */ keys) => html`
      <h3>${title}</h3>
      <dl class="keys">${Object.entries(keys).map(([key, [words]]) => html`<dt>${keyCaps(key)}</dt><dd>${words}</dd>`)}</dl>`;
    const [own, all] = this.layers();
    dialog.open("Keys", html`
      ${Object.keys(own).length ? group(this.screen.title, own) : nothing}
      ${group("Everywhere", all)}
      <p class="quiet">All is reached by Tab, too. <a href=${link(["help"])} @click=${() => dialog.close()}>Help</a> says more.</p>`);
  }

  // Notices

  /** @param {string} words */
  toast(words) {
    const id = Date.now() + Math.random();
    this.toasts.push({ id, words });
    setTimeout(() => {
      this.toasts = this.toasts.filter((each) => each.id !== id);
      this.draw();
    }, TOAST_MS);
    this.draw();
  }

  // Drawing

  /** Draw at the next frame. */
  draw() {
    if (this.isDue) return;
    this.isDue = true;
    const now = () => {
      if (!this.isDue) return;
      this.isDue = false;
      render(this.isLocked ? this.locked() : this.view(), this.root);
    };
    if (document.hidden) setTimeout(now); // no frames are made for a hidden tab
    else requestAnimationFrame(now);
  }

  view() {
    const ctx = this.ctx;
    if (!ctx) return nothing;
    const heading = this.screen.heading?.(ctx) ?? this.screen.title;
    document.title = `${heading} · trainconf`;
    return html`
      <a class="skip" href="#main" @click=${this.skip}>Skip to the content</a>
      ${this.head()}
      <div class="strips" role="status">
        ${this.lostSince ? html`<p class="strip">Not connected since ${clock(this.lostSince)}; trying again. What you see is as of then.</p>` : nothing}
        ${this.waitsFor ? html`<p class="strip still">${plain(this.waitsFor)}. The page asks again by itself.</p>` : nothing}
        ${this.isLive ? nothing : html`<p class="strip still">Not live. <button class="link" @click=${() => this.toggleLive()}>Go on</button></p>`}
      </div>
      <main id="main" tabindex="0" class=${`screen-${this.screen.name}`}>
        ${this.refused ? refusal(this.refused, () => { this.refused = null; this.visit = ""; this.go(); }) : nothing}
        ${this.drawScreen(ctx)}
      </main>
      <div class="toasts" role="status">${this.toasts.map(({ words }) => html`<p>${words}</p>`)}</div>`;
  }

  /** @param {Context} ctx */
  drawScreen(ctx) {
    try {
      return this.screen.view(ctx);
    } catch (error) {
      console.error(error);
      return refusal(new ApiError(0, { what: `the page failed: ${error}` }));
    }
  }

  head() {
    const { workspace, host, user, read_only: isReadOnly } = this.about ?? {};
    const chosen = (this.address.query.chosen ?? "").split(",").filter(Boolean);
    /** @type {Record<string, unknown>} */
    const counts = { compare: chosen.length > 1 ? chosen.length : nothing, now: this.running ? html`${this.running}<span class="dot on" aria-hidden="true"></span>` : nothing };
    return html`
      <header>
        <a class="brand" href=${link(["runs"])}>trainconf</a>
        <nav aria-label="Places">
          ${places.map(({ name, title }) => html`
            <a href=${this.to(name)} aria-current=${name === this.address.path[0] ? "page" : nothing}
              >${title}<span class="count">${counts[name] ?? nothing}</span></a>`)}
        </nav>
        <p class="place">
          ${isReadOnly ? html`<span class="quiet">read only</span>` : nothing}
          ${workspace ? html`<span title=${`${user ?? ""}@${host}:${workspace.path}`}>${bdi(workspace.name)} <span class="quiet">@ ${bdi(host)}</span></span>` : nothing}
        </p>
        <button class="link" title="keys (?)" @click=${() => this.help()}><kbd>?</kbd> keys</button>
      </header>`;
  }

  /** @param {Event} event */
  skip(event) {
    event.preventDefault();
    document.getElementById("main")?.focus();
  }

  locked() {
    const host = recall(HOST) ?? location.hostname;
    document.title = "trainconf";
    return html`
      <main class="alone">
        <h1>trainconf</h1>
        <p>This page belongs to a <code>trainconf ui</code> on ${bdi(host)}. Open the link that it printed, or type <code>trainconf ui --link</code> there.</p>
      </main>`;
  }
}

/** @param {string} key */
const keyCaps = (key) => key.split(" ").map((each) => html`<kbd>${each}</kbd> `);
