// A log, as `<tc-log>`: its last lines first, earlier ones when they are asked for, new ones as they come. It shows a window of the file, by bytes.
import { ApiError } from "../app/api.js";
import { html, nothing, render } from "../app/dom.js";
import { encoded } from "../app/router.js";
import { bytes, clock, counted, plain } from "../app/text.js";
import { AnsiLines, byteCount } from "./ansi.js";
import { worded } from "./refusal.js";

/** @typedef {import("./ansi.js").Line} Line */
/** @typedef {import("../app/shell.js").Context} Context */

const BLOCK_BYTES = 65_536;
const FIRST_LINES = 400; // at the end: it takes longer to draw thousands of short ones than to have them
const MOST_LINES = 20_000;
const ALL = "all"; // ranks
const MOST_RANKS = 64; // of ALL
const NEAR_PX = 40; // of the end: there one follows

export class Log extends HTMLElement {
  /** @type {Context | null} */ ctx = null;
  runId = "";
  rank = "0"; // or "agent", or ALL
  /** @type {Map<string, {end: number, lines: AnsiLines}>} */ ranks = new Map(); // of ALL
  start = 0;
  end = 0;
  size = 0;
  isFollowing = true;
  top = 0; // where the reader was
  /** @type {number | null} */ marked = null;
  found = ""; // what the last search said
  /** @type {ApiError | null} */ refused = null;
  isRead = false;

  connectedCallback() {
    this.bar = document.createElement("div");
    this.box = document.createElement("div");
    this.box.className = "log";
    this.box.tabIndex = 0;
    this.box.setAttribute("role", "region");
    this.box.setAttribute("aria-label", "log");
    this.foot = document.createElement("div");
    this.replaceChildren(this.bar, this.box, this.foot);
    this.watch = new ResizeObserver(() => this.isFollowing && this.toEnd());
    this.watch.observe(this.box);
    this.box.addEventListener("scroll", () => this.scrolled(), { passive: true });
  }

  disconnectedCallback() {
    this.watch?.disconnect();
  }

  /** Open the log that the address names: at its first error where the run failed, else at its end. */
  async open() {
    const { ctx } = this;
    if (!ctx) return;
    const { query } = ctx.address;
    const { run } = ctx.store;
    const rank = String(query.rank ?? run.log_files?.[0]?.rank ?? 0);
    const isSame = this.isRead && rank === this.rank && run.id === this.runId;
    if (isSame && (rank !== ALL || this.files().length === this.ranks.size)) return this.frame();
    Object.assign(this, { runId: run.id, rank, isRead: true, marked: null, found: "" });
    if (rank === ALL) return this.openAll();
    if (query.at) return this.openAt(Number(query.at));
    if (run.state === "Failed" && !query.end) {
      const error = await this.ask("log/first-error", { rank });
      if (typeof error?.start === "number") {
        this.found = "first error";
        return this.openAt(error.start);
      }
    }
    return this.openEnd();
  }

  async openEnd() {
    if (this.rank === ALL) return this.openAll();
    this.isFollowing = true;
    const block = await this.ask("log", { rank: this.rank, size: BLOCK_BYTES, lines: FIRST_LINES });
    if (block) this.fill(block);
  }

  /** @param {number} at  a byte; its line is marked, and in the middle */
  async openAt(at) {
    this.isFollowing = false;
    const block = await this.ask("log", { rank: this.rank, end: at + BLOCK_BYTES / 2, size: BLOCK_BYTES });
    if (!block) return;
    this.fill(upToLine(block));
    this.mark(at);
  }

  /** @returns {any[]} the logs of ranks */
  files() {
    return (this.ctx?.store.run?.log_files ?? []).filter((/** @type {any} */ file) => file.rank !== "agent").slice(0, MOST_RANKS);
  }

  /** The ends of all logs, one after the other; from then on lines stand in the order in which they come. */
  async openAll() {
    this.isFollowing = true;
    const files = this.files();
    const blocks = await Promise.all(files.map(({ rank }) => this.ask("log", { rank, size: Math.max(2048, Math.floor(BLOCK_BYTES / files.length)) })));
    if (this.rank !== ALL) return;
    Object.assign(this, { start: 0, end: 0, size: 0, openRow: null, lines: undefined });
    this.ranks.clear();
    this.box?.replaceChildren();
    blocks.forEach((block, place) => block && this.addOf(String(files[place].rank), block));
    this.ctx?.subscribe();
    this.frame();
  }

  /**
   * @param {string} rank
   * @param {{start: number, end: number, text: string}} block  that follows what is there of the rank
   */
  addOf(rank, { start, end, text }) {
    const own = this.ranks.get(rank) ?? { end: start, lines: new AnsiLines(start) };
    this.ranks.set(rank, own);
    this.size = this.end += end - own.end;
    own.end = end;
    for (const line of own.lines.feed(text).whole) { // a line that has not ended is shown once it has
      const made = row(line);
      const name = document.createElement("span");
      name.className = "quiet";
      name.textContent = `[rank ${rank}] `;
      made.prepend(name);
      this.box?.append(made);
    }
    this.trim();
    if (this.isFollowing) this.toEnd();
  }

  /**
   * @param {string} path
   * @param {Record<string, unknown>} query
   */
  async ask(path, query) {
    const ctx = /** @type {Context} */ (this.ctx);
    try {
      const answer = await ctx.api.get(`runs/${encoded(this.runId)}/${path}`, query, { signal: ctx.signal });
      this.refused = null;
      return answer;
    } catch (error) {
      if (ctx.signal.aborted) return null;
      if (!(error instanceof ApiError)) throw error;
      this.refused = error;
      this.frame();
      return null;
    }
  }

  // Lines

  /** @param {{start: number, end: number, size_bytes: number, text: string}} block  all that is shown from now on */
  fill({ start, end, size_bytes: size, text }) {
    Object.assign(this, { start, end, size });
    this.lines = new AnsiLines(start);
    this.box?.replaceChildren();
    this.openRow = null;
    this.add(text);
    this.ctx?.subscribe();
    if (this.isFollowing) this.toEnd();
    this.frame();
  }

  /** @param {string} text  that comes after what is there */
  add(text) {
    const { whole, open } = /** @type {AnsiLines} */ (this.lines).feed(text);
    this.openRow?.remove();
    this.box?.append(...whole.map(row));
    this.openRow = open && row(open);
    if (this.openRow) this.box?.append(this.openRow);
    this.trim();
  }

  /** Let go of the first lines where there are too many and the reader is at the last. */
  trim() {
    const box = /** @type {HTMLElement} */ (this.box);
    if (!this.isFollowing || box.childElementCount <= MOST_LINES) return;
    while (box.childElementCount > MOST_LINES * 0.9) box.firstElementChild?.remove();
    if (this.rank !== ALL) this.start = Number(/** @type {HTMLElement} */ (box.firstElementChild).dataset.start);
  }

  async earlier() {
    const block = await this.ask("log", { rank: this.rank, end: this.start, size: BLOCK_BYTES });
    const box = this.box;
    if (!block || !box || block.end !== this.start) return;
    const { whole, open } = new AnsiLines(block.start).feed(block.text);
    const before = box.scrollHeight - box.scrollTop;
    box.prepend(...whole.map(row), ...(open ? [row(open)] : []));
    box.scrollTop = box.scrollHeight - before; // what was read stays under the eyes
    this.start = block.start;
    this.frame();
  }

  async later() {
    const end = Math.min(this.size, this.end + BLOCK_BYTES);
    const block = await this.ask("log", { rank: this.rank, end, size: end - this.end + 1 }); // the server begins after the first end of a line
    if (block?.start !== this.end) return this.openAt(this.end);
    this.take(block);
    this.ctx?.subscribe();
  }

  /** @param {{start: number, end: number, text: string, size_bytes?: number}} block */
  take({ start, end, text, size_bytes: size }) {
    if (start !== this.end) return;
    this.end = end;
    this.size = Math.max(this.size, size ?? 0, end);
    this.add(text);
    if (this.isFollowing) this.toEnd();
    this.frame();
  }

  /**
   * @param {string} name
   * @param {any} data  of the stream
   */
  event(name, data) {
    if (data.id !== this.runId) return;
    if (name === "reset" && data.topic === "log") return void this.openEnd();
    if (name === "log" && this.rank === ALL) {
      const own = this.ranks.get(String(data.rank));
      if (!own || data.end <= own.end) return;
      this.seenAt = Date.now();
      if (data.start !== own.end) return void this.openAll();
      this.addOf(String(data.rank), data);
      return this.frame();
    }
    if (name !== "log" || String(data.rank) !== this.rank) return;
    if (data.end <= this.end) return;
    this.seenAt = Date.now();
    if (data.start === this.end) this.take(data);
    else if (this.isFollowing) this.openEnd();
    else {
      this.size = Math.max(this.size, data.end);
      this.frame();
    }
  }

  /** From where on the stream shall tell more: only where the window reaches to the end. */
  places() {
    if (this.rank === ALL) return Object.fromEntries([...this.ranks].map(([rank, { end }]) => [`${this.runId}/${rank}`, end]));
    return this.isRead && this.lines && this.end >= this.size ? { [`${this.runId}/${this.rank}`]: this.end } : {};
  }

  // Place

  toEnd() {
    const box = /** @type {HTMLElement} */ (this.box);
    box.scrollTop = box.scrollHeight;
  }

  scrolled() {
    const box = /** @type {HTMLElement} */ (this.box);
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX && this.end >= this.size;
    const isUp = box.scrollTop < this.top; // the reader's doing; what stands around may grow, too
    this.top = box.scrollTop;
    const follows = isAtEnd || (this.isFollowing && !isUp);
    if (follows === this.isFollowing) return;
    this.isFollowing = follows;
    this.frame();
  }

  follow() {
    if (this.isFollowing) this.isFollowing = false;
    else if (this.end >= this.size) [this.isFollowing] = [true, this.toEnd()];
    else this.openEnd();
    this.frame();
  }

  /** @param {number} at  a byte of the line */
  mark(at) {
    this.box?.querySelector(".marked")?.classList.remove("marked");
    let found = null;
    for (const line of this.box?.children ?? []) {
      if (Number(/** @type {HTMLElement} */ (line).dataset.start) > at) break;
      found = line;
    }
    this.marked = at;
    found?.classList.add("marked");
    if (found && this.box) this.box.scrollTop += found.getBoundingClientRect().top - this.box.getBoundingClientRect().top - this.box.clientHeight / 3;
    this.frame();
  }

  /** @param {boolean} isBack */
  async find(isBack) {
    const words = /** @type {HTMLInputElement} */ (this.bar?.querySelector("input")).value;
    if (!words) return;
    const from = this.marked === null ? (isBack ? this.size : this.start) : isBack ? this.marked : this.marked + 1;
    let match = await this.search(words, from, isBack);
    let around = "";
    if (match === null) {
      match = await this.search(words, isBack ? this.size : 0, isBack);
      around = isBack ? "from the end again" : "from the start again";
    }
    if (match === undefined) return;
    this.found = match ? around : "not found";
    if (match) await this.goTo(match.start);
    this.frame();
  }

  /**
   * The next place of a text: null where there is none. The server looks for two seconds at most, and is asked to go on from there.
   * @param {string} words
   * @param {number} from
   * @param {boolean} isBack
   * @returns {Promise<{start: number} | null | undefined>}
   */
  async search(words, from, isBack) {
    for (;;) {
      const answer = await this.ask("log", { rank: this.rank, find: words, from, back: isBack ? 1 : 0 });
      if (!answer) return undefined;
      const { match, looked_to: to, size_bytes: size } = answer;
      if (match || to === undefined || to === from || (isBack ? to <= 0 : to >= size)) return match;
      from = to;
      this.found = `looked through ${bytes(isBack ? size - to : to)} of ${bytes(size)}`;
      this.frame();
    }
  }

  /** @param {number} at */
  async goTo(at) {
    this.isFollowing = false;
    if (at >= this.start && at < this.end) this.mark(at);
    else await this.openAt(at);
  }

  async firstError() {
    if (this.rank === ALL) return;
    const error = await this.ask("log/first-error", { rank: this.rank });
    if (!error) return;
    this.found = typeof error.start === "number" ? "first error" : "no error found";
    if (typeof error.start === "number") await this.goTo(error.start);
    this.frame();
  }

  // What stands around

  frame() {
    const { ctx } = this;
    if (!ctx || !this.bar || !this.foot) return;
    const files = ctx.store.run?.log_files ?? [];
    const typed = (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter") this.find(event.shiftKey);
      if (event.key === "Escape") this.box?.focus();
    };
    render(html`
      <div class="bar" role="toolbar" aria-label="log">
        ${files.length > 1 ? html`<label class="quiet">rank <select @change=${(/** @type {Event} */ event) => ctx.address.set({ rank: /** @type {HTMLSelectElement} */ (event.target).value, at: null })}>
          ${this.files().length > 1 ? html`<option value=${ALL} ?selected=${this.rank === ALL}>${files.length > MOST_RANKS + 1 ? `the first ${MOST_RANKS}` : "all"} ranks</option>` : nothing}
          ${files.map((/** @type {any} */ file) => html`<option value=${file.rank} ?selected=${String(file.rank) === this.rank}>${file.rank} · ${bytes(file.size_bytes)}</option>`)}</select></label>` : nothing}
        ${this.rank === ALL ? nothing : html`<label class="find"><input type="search" id="find" aria-label="find in the log" placeholder="find" spellcheck="false" @keydown=${typed}></label>
        <button @click=${() => this.find(true)} aria-label="find the one before">↑</button><button @click=${() => this.find(false)} aria-label="find the next">↓</button>`}
        <span class="quiet" role="status">${this.found}</span>
        <span class="right">
          ${this.rank === ALL ? nothing : html`<button @click=${() => this.firstError()}>first error</button>`}
          <button aria-pressed=${this.isFollowing ? "true" : "false"} @click=${() => this.follow()}>follow</button>
        </span>
      </div>
      ${this.refused ? html`<p class="mistake" role="alert">${worded(this.refused.refusal.what)}</p>` : nothing}
      ${this.start > 0 ? html`<p class="more"><button class="link" @click=${() => this.earlier()}>↑ earlier</button> <span class="quiet">${bytes(this.start)} before this</span></p>` : nothing}`, this.bar);
    render(html`
      <p class="more">${this.end < this.size ? html`<button class="link" @click=${() => this.later()}>↓ later</button> <button class="link" @click=${() => this.openEnd()}>to the end</button>` : nothing}
        <span class="quiet right">${this.isRead && this.size === 0 && !this.refused ? "nothing was written yet" : `${bytes(this.size)}${this.seenAt ? `, last line ${clock(this.seenAt)}` : ""}`}</span></p>`, this.foot);
  }
}

/**
 * A block up to the end of its last line, where the file goes on after it.
 * @template {{start: number, end: number, size_bytes: number, text: string}} Block
 * @param {Block} block
 * @returns {Block}
 */
function upToLine(block) {
  const cut = block.text.lastIndexOf("\n") + 1;
  if (block.end >= block.size_bytes || cut === 0) return block;
  return { ...block, end: block.end - byteCount(block.text.slice(cut)), text: block.text.slice(0, cut) };
}

/** @param {Line} line */
function row({ spans, turns, start }) {
  const box = document.createElement("div");
  box.dataset.start = String(start);
  for (const { text, look, fore, back } of spans) {
    if (!look && !fore && !back) {
      box.append(plain(text));
      continue;
    }
    const part = document.createElement("span");
    part.className = look;
    part.textContent = plain(text);
    if (fore) part.style.setProperty("color", fore);
    if (back) part.style.setProperty("background", back);
    box.append(part);
  }
  if (turns > 1) {
    const note = document.createElement("small");
    note.textContent = counted(turns, "turn");
    box.append(note);
  }
  return box;
}

customElements.define("tc-log", Log);
