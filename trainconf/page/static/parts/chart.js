// A chart of one metric, as `<tc-chart>`. Its frame has axes, cursor and zoom; the curves are drawn here, from the buckets themselves:
// the range of each, the last value, the smooth line over it, the marks of what is not finite, and where an attempt begins.
import { download, html, nothing, render } from "../app/dom.js";
import { duration, number, plain, clock, shortNumber } from "../app/text.js";
import { cssColour, resolved } from "./colours.js";
import { exportCsv, exportSvg } from "./export.js";
import { HEIGHT_PX, Plot } from "../plots/plot.js";
import { axisTicks, measure } from "../plots/units.js";

/** @typedef {import("./curves.js").Curves} Curves */
/** @typedef {import("./curves.js").Piece} Piece */

const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];
const FEW = 8; // runs whose values stand below the chart; of more, the nearest
const STEP_PX = 12; // of the cursor, by key

export class Chart extends HTMLElement {
  /** @type {Curves | null} */ curves = null;
  name = "";
  /** @type {Piece[]} */ pieces = [];
  /** @type {Record<string, number>} */ cursors = {};
  isWaiting = false;
  /** @type {Plot | null} */ plot = null;
  /** @type {unknown} */ failure = null;
  version = -1;
  isLoaded = false;
  isSeen = false;
  isTabled = false;
  isDue = false;
  /** @type {number | null} x of the cursor */ at = null;

  connectedCallback() {
    this.curves?.charts.add(this);
    this.box = document.createElement("section");
    this.box.className = "card chart";
    this.append(this.box);
    this.area = document.createElement("div");
    this.area.className = "plot";
    this.area.tabIndex = 0;
    this.area.setAttribute("role", "img");
    this.area.addEventListener("keydown", (event) => this.key(event));
    this.sight = new IntersectionObserver(([entry]) => this.seen(entry.isIntersecting), { rootMargin: "200px" });
    this.sight.observe(this);
    this.size = new ResizeObserver(() => this.fit());
    this.size.observe(this.area);
    this.restyle = () => this.rebuild();
    addEventListener("restyle", this.restyle);
    this.frame();
  }

  disconnectedCallback() {
    this.curves?.charts.delete(this);
    this.sight?.disconnect();
    this.size?.disconnect();
    if (this.restyle) removeEventListener("restyle", this.restyle);
    this.plot?.destroy();
    this.plot = null;
    this.replaceChildren();
    this.isSeen = false;
    this.version = -1;
  }

  // Data

  /** @param {boolean} isSeen on the screen, or nearly */
  seen(isSeen) {
    this.isSeen = isSeen;
    if (isSeen) this.refresh();
  }

  /** Ask for what is drawn, where it is on the screen and not there already. */
  refresh() {
    const { curves } = this;
    if (!curves || !this.isSeen) return;
    if (this.version === curves.version) return this.redraw();
    this.version = curves.version;
    curves.ask(this);
    this.redraw(); // what is there, at the new zoom, until the answer comes
  }

  /**
   * @param {Piece[]} pieces
   * @param {Record<string, number>} cursors
   */
  show(pieces, cursors) {
    this.pieces = pieces;
    this.cursors = cursors;
    this.failure = null;
    this.isLoaded = true;
    this.redraw();
  }

  /** @param {unknown} error */
  fail(error) {
    this.failure = error;
    this.version = -1;
    this.redraw();
  }

  // Drawing

  redraw() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      if (!this.isConnected) return;
      this.frame();
      if (!this.isSeen) return;
      if (!this.plot) this.build();
      else this.rescale();
    });
  }

  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    this.redraw();
  }

  /** @returns {[number, number]} */
  xRange() {
    const { from, to } = this.curves?.options ?? { from: null, to: null };
    let [low, high] = [Infinity, -Infinity];
    for (const { x, marks } of this.pieces) {
      if (x.length) [low, high] = [Math.min(low, x[0]), Math.max(high, x[x.length - 1])];
      for (const mark of marks) [low, high] = [Math.min(low, mark.x), Math.max(high, mark.x)];
    }
    if (low > high) [low, high] = [0, 1];
    if (low === high) [low, high] = [low - 0.5, high + 0.5];
    return [from ?? low, to ?? high];
  }

  /**
   * The range of what is seen; of a log axis, of what is above zero.
   * @param {number} from
   * @param {number} to
   * @returns {[number, number]}
   */
  yRange(from, to) {
    const isLog = this.curves?.options.log;
    let [low, high] = [Infinity, -Infinity];
    for (const { x, min, max } of this.pieces) {
      for (let place = 0; place < x.length; place++) {
        if (x[place] < from || x[place] > to) continue;
        if (isLog ? min[place] > 0 && min[place] < low : min[place] < low) low = min[place];
        if (max[place] > high) high = max[place];
      }
    }
    if (isLog) return low <= high ? [low / 1.15, high * 1.15] : [0.1, 1];
    if (low > high) return [0, 1];
    if (!low && !high) high = 1; // nothing at all stands on the ground
    const room = (high - low || Math.abs(high) || 1) * 0.06;
    return [low - room, high + room];
  }

  build() {
    const width = this.area?.clientWidth ?? 0;
    const { curves } = this;
    if (!width || !curves) return;
    const { x, log } = curves.options;
    this.shape = `${x} ${log}`;
    this.plot = new Plot(/** @type {HTMLElement} */ (this.area), {
      name: this.name, x, isLog: log,
      xRange: () => this.xRange(),
      yRange: () => this.yRange(...this.xRange()),
      look: { quiet: resolved("--quiet"), grid: resolved("--grid"), font: `11px ${getComputedStyle(this).fontFamily}` },
      draw: () => this.drawCurves(),
      onCursor: (at) => this.cursorMoved(at),
      onZoom: (from, to) => curves.onZoom(from === null ? null : rounded(from), to === null ? null : rounded(to)),
    });
    this.plot.resize(width);
  }

  rescale() {
    const { x, log } = this.curves?.options ?? {};
    if (this.shape !== `${x} ${log}`) return this.rebuild();
    this.plot?.draw();
  }

  fit() {
    const width = this.area?.clientWidth ?? 0;
    if (!width) return;
    if (this.plot && this.plot.width !== width) this.plot.resize(width);
    else if (!this.plot) this.redraw();
  }

  /** @param {Piece} piece */
  lookOf(piece) {
    const run = this.curves?.drawn.find(({ id }) => id === piece.run);
    return { colour: cssColour(run?.look.colour ?? 0), dash: DASHES[(run?.look.dash ?? 0) % DASHES.length], isLive: run?.isLive ?? false, label: run?.label ?? piece.run };
  }

  drawCurves() {
    const { plot } = this;
    if (!plot) return;
    const { ctx: pen, box } = plot;
    const { left, top, width, height } = box;
    const ratio = devicePixelRatio;
    const toX = (/** @type {number} */ value) => plot.toX(value);
    const toY = (/** @type {number} */ value) => plot.toY(value);
    pen.save();
    pen.beginPath();
    pen.rect(left, top, width + 4 * ratio, height);
    pen.clip();
    pen.lineJoin = "round";
    const drawnRuns = new Set(this.pieces.map(({ run }) => run)).size;
    for (const piece of this.pieces) {
      const look = this.lookOf(piece);
      pen.strokeStyle = pen.fillStyle = look.colour;
      this.drawRange(pen, piece, toX, toY, piece.smooth ? 0.1 : 0.2);
      if (piece.smooth) this.drawLine(pen, piece.x, piece.last, toX, toY, { alpha: 0.28, width: ratio, dash: [] });
      this.drawLine(pen, piece.x, piece.smooth ?? piece.last, toX, toY, { alpha: 1, width: 1.6 * ratio, dash: look.dash.map((each) => each * ratio) });
      if (drawnRuns <= 3 && piece.piece > 0 && piece.x.length) this.drawStart(pen, piece, toX(piece.x[0]), box, ratio);
      for (const mark of piece.marks) drawMark(pen, toX(mark.x), mark.value, box, ratio);
      if (look.isLive && piece.x.length && piece === this.lastOf(piece.run)) this.drawEnd(pen, piece, toX, toY, ratio);
    }
    pen.restore();
  }

  /** @param {string} run */
  lastOf(run) {
    return this.pieces.findLast((piece) => piece.run === run);
  }

  /**
   * The lowest and highest value of each bucket.
   * @param {CanvasRenderingContext2D} pen
   * @param {Piece} piece
   * @param {(value: number) => number} toX
   * @param {(value: number) => number} toY
   * @param {number} alpha
   */
  drawRange(pen, { x, min, max }, toX, toY, alpha) {
    if (!x.some((_, place) => max[place] > min[place])) return;
    const floor = this.curves?.options.log ? Number.MIN_VALUE : -Infinity;
    pen.globalAlpha = alpha;
    pen.beginPath();
    for (let place = 0; place < x.length; place++) pen.lineTo(toX(x[place]), toY(Math.max(max[place], floor)));
    for (let place = x.length - 1; place >= 0; place--) pen.lineTo(toX(x[place]), toY(Math.max(min[place], floor)));
    pen.fill();
    pen.globalAlpha = 1;
  }

  /**
   * @param {CanvasRenderingContext2D} pen
   * @param {number[]} x
   * @param {number[]} values
   * @param {(value: number) => number} toX
   * @param {(value: number) => number} toY
   * @param {{alpha: number, width: number, dash: number[]}} how
   */
  drawLine(pen, x, values, toX, toY, { alpha, width, dash }) {
    const isLog = this.curves?.options.log;
    pen.globalAlpha = alpha;
    pen.lineWidth = width;
    pen.setLineDash(dash);
    pen.beginPath();
    let isOpen = false;
    for (let place = 0; place < x.length; place++) {
      if (isLog && values[place] <= 0) {
        isOpen = false; // a log axis has no place for it
        continue;
      }
      const [left, top] = [toX(x[place]), toY(values[place])];
      if (isOpen) pen.lineTo(left, top);
      else pen.moveTo(left, top);
      isOpen = true;
    }
    pen.stroke();
    if (x.length === 1 && !(isLog && values[0] <= 0)) {
      pen.beginPath();
      pen.arc(toX(x[0]), toY(values[0]), width * 1.5, 0, 7);
      pen.fill();
    }
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  /**
   * @param {CanvasRenderingContext2D} pen
   * @param {Piece} piece
   * @param {number} at
   * @param {{top: number, height: number}} box
   * @param {number} ratio
   */
  drawStart(pen, piece, at, { top, height }, ratio) {
    pen.save();
    pen.lineWidth = ratio;
    pen.globalAlpha = 0.7;
    pen.setLineDash([2 * ratio, 3 * ratio]);
    pen.beginPath();
    pen.moveTo(at, top);
    pen.lineTo(at, top + height);
    pen.stroke();
    pen.globalAlpha = 1;
    pen.fillStyle = resolved("--quiet");
    pen.font = `${11 * ratio}px ${getComputedStyle(this).fontFamily}`;
    pen.textAlign = "left";
    pen.fillText(`attempt ${piece.attempt}`, at + 4 * ratio, top + 11 * ratio);
    pen.restore();
  }

  /**
   * @param {CanvasRenderingContext2D} pen
   * @param {Piece} piece
   * @param {(value: number) => number} toX
   * @param {(value: number) => number} toY
   * @param {number} ratio
   */
  drawEnd(pen, { x, smooth, last }, toX, toY, ratio) {
    const values = smooth ?? last;
    pen.beginPath();
    pen.arc(toX(x[x.length - 1]), toY(values[x.length - 1]), 3 * ratio, 0, 7);
    pen.fill();
  }

  // What stands around the plot

  frame() {
    const { curves } = this;
    if (!curves || !this.box) return;
    const isEmpty = this.isLoaded && !this.pieces.some(({ x, marks }) => x.length || marks.length);
    this.area?.setAttribute("aria-label", this.summary());
    render(html`
      <header>
        <h2>${plain(this.name)}</h2>
        <details class="menu"><summary aria-label=${`export ${plain(this.name)}`}>export</summary>
          <div><button @click=${() => this.png()}>PNG</button><button @click=${() => this.svg()}>SVG</button><button @click=${() => this.csv()}>CSV</button></div>
        </details>
      </header>
      ${this.area}
      ${this.failure ? html`<p class="over">These values could not be read. <button class="link" @click=${() => this.refresh()}>Try again</button></p>` : isEmpty ? html`<p class="over quiet">no values yet</p>` : this.isBelow() ? html`<p class="over quiet">no value is above zero: log y shows none</p>` : nothing}
      <div class="legend">${this.legend()}</div>
      <details class="below" @toggle=${(/** @type {Event} */ event) => { this.isTabled = /** @type {HTMLDetailsElement} */ (event.currentTarget).open; this.redraw(); }}>
        <summary>table</summary>${this.isTabled ? this.tableBelow() : nothing}
      </details>`, this.box);
  }

  /** Whether a logarithmic axis has a place for none of the values. */
  isBelow() {
    return this.curves?.options.log && this.isLoaded && this.pieces.some(({ x }) => x.length) && !this.pieces.some(({ max }) => max.some((value) => value > 0));
  }

  summary() {
    const said = this.pieces.slice(0, FEW).map((piece) => `${this.lookOf(piece).label}: ${piece.count} values, last ${this.said(this.bucket(piece, Infinity)?.y)}`);
    return `curves of ${plain(this.name)}. ${said.join(". ")}. A table of them is below.`;
  }

  legend() {
    const { curves, at } = this;
    if (!curves) return nothing;
    const rows = curves.drawn.map((run) => ({ run, value: at === null ? this.end(run.id) : this.near(run.id, at) })).filter(({ value }) => value);
    const shown = rows.length > FEW && at !== null ? rows.slice().sort((a, b) => Math.abs((a.value?.x ?? 0) - at) - Math.abs((b.value?.x ?? 0) - at)).slice(0, FEW) : rows.slice(0, FEW);
    return html`
      <span class="at">${at === null ? "last" : this.xWords(at)}</span>
      ${shown.map(({ run, value }) => html`
        <span class="entry"><i class=${`swatch line-${run.look.colour}`}></i>${curves.runs.length > 1 || curves.groups ? html`<bdi class="who">${plain(shortLabel(run.label))}</bdi>` : nothing}
          <b>${this.said(value?.y)}</b>${value?.raw !== undefined ? html`<span class="quiet">raw ${this.said(value.raw, 4)}</span>` : value?.low !== undefined ? html`<span class="quiet range">${this.said(value.low, 3)} – ${this.said(value.high, 3)}</span>` : nothing}</span>`)}
      ${rows.length > shown.length ? html`<span class="quiet">and ${rows.length - shown.length} more</span>` : nothing}`;
  }

  /** @param {unknown} value  of the metric */
  said(value, digits = 5) {
    return measure(this.name, value, digits);
  }

  /** @param {number} x */
  xWords(x) {
    const kind = this.curves?.options.x;
    return kind === "time" ? clock(x * 1000, true) : kind === "relative" ? `${duration(x)} in` : `step ${number(Math.round(x))}`;
  }

  /** @param {string} run */
  end(run) {
    const piece = this.lastOf(run);
    return piece ? this.bucket(piece, Infinity) : null;
  }

  /**
   * The bucket nearest to a place of the axis.
   * @param {string} run
   * @param {number} at
   */
  near(run, at) {
    let best = null;
    for (const piece of this.pieces) {
      const found = piece.run === run ? this.bucket(piece, at) : null;
      if (found && (!best || Math.abs(found.x - at) <= Math.abs(best.x - at))) best = found;
    }
    return best;
  }

  /**
   * What is nearest to a place of the axis, also where it is not finite; the last of a piece: Infinity.
   * @param {Piece} piece
   * @param {number} at
   * @returns {{x: number, y: number | string, raw?: number, low?: number, high?: number} | null}
   */
  bucket({ x, min, max, last, smooth, marks }, at) {
    const place = at === Infinity ? x.length - 1 : nearest(x, at);
    const mark = marks[at === Infinity ? marks.length - 1 : nearest(marks.map((each) => each.x), at)];
    if (mark && !(at === Infinity ? mark.x < x[place] : Math.abs(mark.x - at) >= Math.abs(x[place] - at))) return { x: mark.x, y: mark.value };
    if (!x.length) return null;
    const hasRange = max[place] > min[place];
    return { x: x[place], y: smooth ? smooth[place] : last[place], raw: smooth ? last[place] : undefined, low: hasRange ? min[place] : undefined, high: hasRange ? max[place] : undefined };
  }

  tableBelow() {
    return html`
      <div class="scroll" tabindex="0" role="region" aria-label=${`values of ${plain(this.name)}`}><table>
        <thead><tr><th scope="col">run</th><th scope="col">attempt</th><th scope="col" class="num">values</th><th scope="col" class="num">first</th><th scope="col" class="num">last</th><th scope="col" class="num">lowest</th><th scope="col" class="num">highest</th><th scope="col">not finite</th></tr></thead>
        <tbody>${this.pieces.map((piece) => html`
          <tr><th scope="row"><bdi>${plain(this.lookOf(piece).label)}</bdi></th><td>${piece.attempt}</td><td class="num">${piece.count}</td>
            <td class="num">${this.said(piece.last[0])}</td><td class="num">${this.said(this.bucket(piece, Infinity)?.y)}</td>
            <td class="num">${this.extreme(piece, piece.min, -1)}</td><td class="num">${this.extreme(piece, piece.max, 1)}</td>
            <td>${piece.marks.slice(0, 5).map(({ x, value }) => `${value} at ${this.xWords(x)}`).join(", ")}${piece.marks.length > 5 ? ` and ${piece.marks.length - 5} more` : ""}</td></tr>`)}
        </tbody></table></div>`;
  }

  /**
   * @param {Piece} piece
   * @param {number[]} values
   * @param {1 | -1} way
   */
  extreme(piece, values, way) {
    if (!values.length) return "";
    let best = 0;
    for (let place = 1; place < values.length; place++) if ((values[place] - values[best]) * way > 0) best = place;
    return html`${this.said(values[best])} <span class="quiet">at ${this.xWords(piece.x[best])}</span>`;
  }

  // The reader

  /** @param {number | null} at */
  cursorMoved(at) {
    if (at === this.at) return;
    this.at = at;
    this.redrawLegend();
  }

  redrawLegend() {
    if (this.isLegendDue) return;
    this.isLegendDue = true;
    requestAnimationFrame(() => {
      this.isLegendDue = false;
      if (this.isConnected) this.frame();
    });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { plot, curves } = this;
    if (!plot || !curves || event.ctrlKey || event.metaKey || event.altKey) return;
    const [from, to] = this.xRange();
    const middle = this.at ?? (from + to) / 2;
    const zoom = (/** @type {number} */ factor) => curves.onZoom(rounded(middle - (middle - from) * factor), rounded(middle + (to - middle) * factor));
    const moves = /** @type {Record<string, () => void>} */ ({
      ArrowLeft: () => plot.step(-STEP_PX),
      ArrowRight: () => plot.step(STEP_PX),
      "+": () => zoom(0.5),
      "-": () => zoom(2),
      0: () => curves.onZoom(null, null),
    });
    if (!moves[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
  }

  // Export

  png() {
    if (!this.plot) return;
    const source = this.plot.canvas;
    const canvas = document.createElement("canvas");
    const ratio = devicePixelRatio;
    const head = 28 * ratio;
    [canvas.width, canvas.height] = [source.width, source.height + head];
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    pen.fillStyle = resolved("--card");
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(source, 0, head);
    pen.fillStyle = resolved("--text");
    pen.font = `600 ${13 * ratio}px ${getComputedStyle(this).fontFamily}`;
    pen.fillText(plain(this.name), 12 * ratio, 19 * ratio);
    canvas.toBlob((blob) => blob && download(`${this.name}.png`, blob));
  }

  svg() {
    const { plot } = this;
    if (!plot) return;
    const text = exportSvg({
      title: plain(this.name), pieces: this.pieces, width: plot.width, height: HEIGHT_PX, x: this.xRange(), y: plot.y,
      isLog: this.curves?.options.log ?? false, look: (piece) => this.lookOf(piece), xWords: (value) => (this.curves?.options.x === "step" ? shortNumber(value) : this.xWords(value)),
      yTicks: axisTicks(this.name, plot.y, this.curves?.options.log ?? false), text: resolved("--text"), quiet: resolved("--quiet"), grid: resolved("--grid"), ground: resolved("--card"),
    });
    download(`${this.name}.svg`, new Blob([text], { type: "image/svg+xml" }));
  }

  csv() {
    download(`${this.name}.csv`, new Blob([exportCsv(this.pieces, this.curves?.options.x ?? "step")], { type: "text/csv" }));
  }
}

/**
 * A cross at the lower edge for NaN, an arrow at the edge where an infinity lies.
 * @param {CanvasRenderingContext2D} pen
 * @param {number} at
 * @param {string} value
 * @param {{top: number, height: number}} box
 * @param {number} ratio
 */
function drawMark(pen, at, value, { top, height }, ratio) {
  const size = 4 * ratio;
  const edge = value === "Infinity" ? top + size + ratio : top + height - size - ratio;
  pen.lineWidth = 1.5 * ratio;
  pen.beginPath();
  if (value === "NaN") {
    pen.moveTo(at - size, edge - size);
    pen.lineTo(at + size, edge + size);
    pen.moveTo(at + size, edge - size);
    pen.lineTo(at - size, edge + size);
    return pen.stroke();
  }
  const way = value === "Infinity" ? -1 : 1;
  pen.moveTo(at, edge + way * size);
  pen.lineTo(at - size, edge - way * size);
  pen.lineTo(at + size, edge - way * size);
  return pen.fill();
}

/**
 * The place of the value nearest to `at` in ascending values.
 * @param {number[]} values
 * @param {number} at
 */
export function nearest(values, at) {
  let [low, high] = [0, values.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle] < at) low = middle;
    else high = middle;
  }
  return at - values[low] <= values[high] - at ? low : high;
}

/** @param {string} label */
const shortLabel = (label) => (label.length > 26 ? `${label.slice(0, 8)}…${label.slice(-12)}` : label);

/** @param {number} value  as short as an address wants it */
const rounded = (value) => Number(value.toPrecision(10));

customElements.define("tc-chart", Chart);
