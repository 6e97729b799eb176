// The frame of a chart: two axes, a cursor that all charts share, and a stretch that is dragged to zoom. What is drawn in it is the chart's own.
import { duration, number, shortNumber } from "../app/text.js";
import { ticks, timeTicks } from "./ticks.js";
import { axisTicks } from "./units.js";

/** @typedef {import("../parts/curves.js").Axis} Axis */
/** @typedef {[number, number]} Range */
/**
 * @typedef {object} Frame
 * @property {string} name  of the metric, which tells its unit
 * @property {Axis} x  what its axis is
 * @property {boolean} isLog  whether the other is logarithmic
 * @property {() => Range} xRange
 * @property {() => Range} yRange
 * @property {{quiet: string, grid: string, font: string}} look
 * @property {() => void} draw  the curves, within the axes
 * @property {(at: number | null) => void} onCursor  a value of x
 * @property {(from: number | null, to: number | null) => void} onZoom
 */

export const HEIGHT_PX = 200;
const [LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX] = [60, 10, 8, 26];
const X_TICK_PX = 80; // between two numbers, at least
const LEAST_PX = 4; // of a stretch

/** @type {Set<Plot>} */
const shown = new Set();

/**
 * Show a place of the axis in all charts.
 * @param {number | null} at
 */
function point(at) {
  for (const plot of shown) plot.point(at);
}

export class Plot {
  /**
   * @param {HTMLElement} area
   * @param {Frame} frame
   */
  constructor(area, frame) {
    this.frame = frame;
    this.canvas = document.createElement("canvas");
    this.ctx = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.over = part("within");
    this.line = part("cursor", this.over);
    this.stretch = part("stretch", this.over);
    area.append(this.canvas, this.over);
    this.width = 0;
    /** @type {number | null} x of the cursor, in pixels */ this.left = null;
    /** @type {number | null} where a stretch begins */ this.from = null;
    /** @type {Range} */ this.x = [0, 1];
    /** @type {Range} */ this.y = [0, 1];
    this.box = { left: 0, top: 0, width: 1, height: 1 }; // within the axes, in pixels of the canvas
    this.over.addEventListener("pointerdown", (event) => this.pressed(event));
    this.over.addEventListener("pointermove", (event) => this.moved(event));
    this.over.addEventListener("pointerup", (event) => this.released(event));
    this.over.addEventListener("pointerleave", () => this.from === null && point(null));
    this.over.addEventListener("dblclick", () => frame.onZoom(null, null));
    shown.add(this);
  }

  destroy() {
    shown.delete(this);
    this.canvas.remove();
    this.over.remove();
  }

  /** @param {number} width */
  resize(width) {
    this.width = width;
    const ratio = devicePixelRatio;
    Object.assign(this.canvas, { width: Math.round(width * ratio), height: HEIGHT_PX * ratio });
    place(this.canvas, { width, height: HEIGHT_PX });
    place(this.over, { left: LEFT_PX, top: TOP_PX, width: this.span, height: HEIGHT_PX - TOP_PX - BOTTOM_PX });
    this.box = { left: LEFT_PX * ratio, top: TOP_PX * ratio, width: this.span * ratio, height: (HEIGHT_PX - TOP_PX - BOTTOM_PX) * ratio };
    this.draw();
  }

  /** The pixels of the axis. */
  get span() {
    return Math.max(1, this.width - LEFT_PX - RIGHT_PX);
  }

  // Where values lie

  /** @param {number} value  @returns {number} a place on the canvas */
  toX(value) {
    return this.box.left + ((value - this.x[0]) / (this.x[1] - this.x[0])) * this.box.width;
  }

  /** @param {number} value  @returns {number} a place on the canvas */
  toY(value) {
    const scale = this.frame.isLog ? Math.log10 : Number;
    const [low, high] = [scale(this.y[0]), scale(this.y[1])];
    return this.box.top + (1 - (scale(value) - low) / (high - low)) * this.box.height;
  }

  /** @param {number} left  in pixels from the axis  @returns {number} the value there */
  valueAt(left) {
    return this.x[0] + (left / this.span) * (this.x[1] - this.x[0]);
  }

  // Drawing

  draw() {
    const { ctx: pen, box, frame, canvas } = this;
    const ratio = devicePixelRatio;
    this.x = frame.xRange();
    this.y = frame.yRange();
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.font = frame.look.font.replace(/[\d.]+px/, (size) => `${parseFloat(size) * ratio}px`);
    Object.assign(pen, { fillStyle: frame.look.quiet, strokeStyle: frame.look.grid, lineWidth: ratio, textAlign: "center", textBaseline: "top" });
    pen.beginPath();
    for (const at of this.xTicks()) {
      const left = Math.round(this.toX(at)) + 0.5;
      pen.moveTo(left, box.top);
      pen.lineTo(left, box.top + box.height);
      pen.fillText(this.xWords(at), left, box.top + box.height + 5 * ratio);
    }
    Object.assign(pen, { textAlign: "right", textBaseline: "middle" });
    for (const [at, words] of axisTicks(frame.name, this.y, frame.isLog)) {
      const top = Math.round(this.toY(at)) + 0.5;
      pen.moveTo(box.left, top);
      pen.lineTo(box.left + box.width, top);
      pen.fillText(words, box.left - 6 * ratio, top);
    }
    pen.stroke();
    pen.textBaseline = "alphabetic";
    frame.draw();
    this.mark();
  }

  xTicks() {
    const count = Math.max(2, Math.floor(this.span / X_TICK_PX));
    if (this.frame.x !== "step") return timeTicks(...this.x, count, this.frame.x === "time" ? new Date(this.x[0] * 1000).getTimezoneOffset() * 60 : 0);
    const found = ticks(...this.x, count);
    const whole = found.filter(Number.isInteger);
    return whole.length ? whole : found;
  }

  /** @param {number} at */
  xWords(at) {
    if (this.frame.x === "step") return shortNumber(at);
    if (this.frame.x === "relative") return `${at < 0 ? "−" : ""}${Math.abs(at) < 10 ? `${number(Math.abs(at), 4)}s` : duration(Math.abs(at))}`;
    const day = new Date(at * 1000);
    const isMidnight = !(day.getHours() || day.getMinutes() || day.getSeconds());
    const isShort = this.x[1] - this.x[0] < 300;
    return isMidnight ? day.toLocaleDateString(undefined, { month: "short", day: "numeric" }) : day.toTimeString().slice(0, isShort ? 8 : 5);
  }

  // The reader

  /** @param {number | null} at  a value of x */
  point(at) {
    const left = at === null ? null : ((at - this.x[0]) / (this.x[1] - this.x[0])) * this.span;
    this.left = left === null || left < 0 || left > this.span ? null : left;
    this.mark();
    this.frame.onCursor(this.left === null ? null : at);
  }

  mark() {
    this.line.hidden = this.left === null;
    place(this.line, { left: this.left ?? 0 });
  }

  /**
   * Move the cursor of all charts by pixels of this one.
   * @param {number} step
   */
  step(step) {
    point(this.valueAt(Math.min(this.span, Math.max(0, (this.left ?? this.span / 2) + step))));
  }

  /** @param {PointerEvent} event */
  leftOf(event) {
    return Math.min(this.span, Math.max(0, event.clientX - this.over.getBoundingClientRect().left));
  }

  /** @param {PointerEvent} event */
  pressed(event) {
    if (event.button !== 0) return;
    this.over.setPointerCapture(event.pointerId);
    this.from = this.leftOf(event);
  }

  /** @param {PointerEvent} event */
  moved(event) {
    const left = this.leftOf(event);
    point(this.valueAt(left));
    this.stretch.hidden = this.from === null;
    if (this.from !== null) place(this.stretch, { left: Math.min(left, this.from), width: Math.abs(left - this.from) });
  }

  /** @param {PointerEvent} event */
  released(event) {
    const { from } = this;
    this.from = null;
    this.stretch.hidden = true;
    const left = this.leftOf(event);
    if (from !== null && Math.abs(left - from) >= LEAST_PX) this.frame.onZoom(this.valueAt(Math.min(left, from)), this.valueAt(Math.max(left, from)));
  }
}

/**
 * @param {string} name
 * @param {HTMLElement} [within]
 */
function part(name, within) {
  const made = document.createElement("div");
  made.className = name;
  made.hidden = within !== undefined;
  within?.append(made);
  return made;
}

/**
 * @param {HTMLElement} element
 * @param {Record<string, number>} pixels
 */
function place(element, pixels) {
  for (const [name, value] of Object.entries(pixels)) element.style.setProperty(name, `${value}px`);
}
