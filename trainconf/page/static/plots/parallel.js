// Parallel coordinates and a scatter on canvas. Each axis can be brushed; who cannot see or drag has the same ranges as fields, and a table.
import { number, plain } from "../app/text.js";
import { isIn, placeOn, valueAt } from "./axes.js";
import { resolved } from "../parts/colours.js";

/** @typedef {import("./axes.js").Axis} Axis */
/** @typedef {import("./axes.js").Line} Line */
/** @typedef {import("./axes.js").Shown} Shown */

const TOP = 14;
const BOTTOM = 30; // with the tick of what is missing
const SIDE = 54; // half of what the name of an axis has
const CLOSE_PX = 9;

/** A canvas that is sharp, follows its size, and is drawn again where it changes. */
class Plot extends HTMLElement {
  /** @type {any} */
  it = null;
  /** @type {Line | null} */
  hovered = null;

  connectedCallback() {
    if (!this.canvas) {
      this.canvas = document.createElement("canvas");
      this.canvas.setAttribute("role", "img");
      this.append(this.canvas);
      this.canvas.addEventListener("pointermove", (event) => this.moved(event));
      this.canvas.addEventListener("pointerdown", (event) => this.pressed(event));
      this.canvas.addEventListener("pointerup", (event) => this.released(event));
      this.canvas.addEventListener("pointerleave", () => this.moved(null));
    }
    this.canvas.setAttribute("aria-label", this.getAttribute("label") ?? "");
    this.watch = new ResizeObserver(() => this.paint());
    this.watch.observe(this);
    this.restyle = () => this.paint();
    addEventListener("restyle", this.restyle);
  }

  disconnectedCallback() {
    this.watch?.disconnect();
    if (this.restyle) removeEventListener("restyle", this.restyle);
  }

  /** @param {any} it */
  set data(it) {
    this.it = it;
    this.paint();
  }

  paint() {
    const { canvas, it } = this;
    if (!canvas || !it) return;
    const { width, height } = this.getBoundingClientRect();
    if (width < 2 || height < 2) return;
    const dots = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * dots) || canvas.height !== Math.round(height * dots)) {
      [canvas.width, canvas.height] = [Math.round(width * dots), Math.round(height * dots)];
      canvas.style.setProperty("width", `${width}px`);
      canvas.style.setProperty("height", `${height}px`);
    }
    const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = `11px ${getComputedStyle(this).fontFamily}`;
    this.draw(pen, width, height);
  }

  /** @param {CanvasRenderingContext2D} _pen @param {number} _width @param {number} _height */
  draw(_pen, _width, _height) {}
  /** @param {PointerEvent | null} _event */
  moved(_event) {}
  /** @param {PointerEvent} _event */
  pressed(_event) {}
  /** @param {PointerEvent} _event */
  released(_event) {}
}

const inks = () => Object.fromEntries(["text", "quiet", "line", "accent", "card", "line-1", "edge"].map((name) => [name, resolved(`--${name}`)]));

/**
 * `data`: axes, lines, brushes, best (the number of a trial), onBrush(axis, brush or null), onPick(line), onHover(line or null).
 */
export class Parallel extends Plot {
  /** @type {{place: number, from: number} | undefined} */
  drag;
  /** @type {boolean[]} */
  within = [];

  /** @param {number} place */
  x(place) {
    const { width } = this.getBoundingClientRect();
    const count = this.it?.axes.length ?? 1;
    return count < 2 ? width / 2 : SIDE + (place / (count - 1)) * (width - 2 * SIDE);
  }

  /** @param {number | null} at */
  y(at) {
    const { height } = this.getBoundingClientRect();
    return at === null ? height - 10 : height - BOTTOM - at * (height - TOP - BOTTOM);
  }

  /** @override @param {CanvasRenderingContext2D} pen */
  draw(pen) {
    if (!this.it) return;
    const { axes, lines, brushes, best } = /** @type {Shown} */ (this.it);
    const ink = inks();
    this.parentElement?.style.setProperty("--axes", String(axes.length)); // so wide that each has room for its name
    this.within = lines.map((/** @type {Line} */ line) => isIn(axes, brushes, line));
    const isBrushed = this.within.includes(false);
    const trace = (/** @type {Line} */ line) => {
      pen.beginPath();
      axes.forEach((axis, place) => pen[place ? "lineTo" : "moveTo"](this.x(place), this.y(placeOn(axis, line.values[axis.key]))));
      pen.stroke();
    };
    pen.lineJoin = "round";
    const many = lines.length > 300 ? 0.35 : lines.length > 80 ? 0.6 : 0.85;
    lines.forEach((line, place) => {
      if (this.within?.[place]) return;
      [pen.strokeStyle, pen.globalAlpha, pen.lineWidth] = [ink.quiet, 0.1, 1];
      trace(line);
    });
    const order = lines.map((_, place) => place).filter((place) => this.within?.[place]).sort((a, b) => (lines[a].rank ?? -1) - (lines[b].rank ?? -1));
    for (const place of order) {
      const { rank } = lines[place];
      pen.strokeStyle = rank === null ? ink.quiet : ink.accent;
      pen.globalAlpha = (rank === null ? 0.3 : 0.12 + 0.88 * rank ** 2) * (isBrushed ? 1 : many);
      pen.lineWidth = rank !== null && rank > 0.9 ? 1.6 : 1;
      trace(lines[place]);
    }
    pen.globalAlpha = 1;
    for (const [number_, colour, wide] of [[best, ink["line-1"], 2.2], [this.hovered?.number ?? null, ink.text, 2]]) {
      const line = number_ === null ? undefined : lines.find((each) => each.number === number_);
      if (!line) continue;
      [pen.strokeStyle, pen.lineWidth] = [/** @type {string} */ (colour), /** @type {number} */ (wide)];
      trace(line);
    }
    axes.forEach((axis, place) => this.axis(pen, axis, this.x(place), ink, place, brushes[axis.key]));
  }

  /**
   * @param {CanvasRenderingContext2D} pen
   * @param {Axis} axis
   * @param {number} x
   * @param {Record<string, string>} ink
   * @param {number} place
   * @param {[number, number] | undefined} brush
   */
  axis(pen, axis, x, ink, place, brush) {
    [pen.strokeStyle, pen.lineWidth] = [ink.edge, 1];
    pen.beginPath();
    pen.moveTo(x, this.y(0));
    pen.lineTo(x, this.y(1));
    pen.stroke();
    const isLast = place === (this.it?.axes.length ?? 0) - 1 && place > 0;
    pen.textAlign = isLast ? "left" : "right";
    const say = (/** @type {string} */ text, /** @type {number} */ y) => {
      const said = text.length > 9 ? `${text.slice(0, 8)}…` : text;
      const at = isLast ? x + 6 : x - 6;
      const { width } = pen.measureText(said);
      [pen.fillStyle, pen.globalAlpha] = [ink.card, 0.8];
      pen.fillRect(isLast ? at - 2 : at - width - 2, y - 6, width + 4, 12);
      [pen.fillStyle, pen.globalAlpha] = [ink.quiet, 1];
      pen.fillText(said, at, y + 4);
    };
    if (axis.kind === "choice") {
      const step = Math.ceil(axis.choices.length / 12);
      axis.choices.forEach((choice, each) => each % step || say(plain(choice === null ? "null" : typeof choice === "object" ? JSON.stringify(choice) : choice), this.y(placeOn(axis, choice))));
    } else for (const at of axis.high > axis.low ? [0, 0.25, 0.5, 0.75, 1] : [0.5]) say(number(valueAt(axis, at), 3), this.y(at));
    if (axis.hasMissing) say("none", this.y(null));
    if (!brush) return;
    [pen.fillStyle, pen.globalAlpha] = [ink.accent, 0.28];
    pen.fillRect(x - 6, this.y(brush[1]), 12, Math.max(3, this.y(brush[0]) - this.y(brush[1])));
    pen.globalAlpha = 1;
    [pen.strokeStyle, pen.lineWidth] = [ink.accent, 1];
    pen.strokeRect(x - 6, this.y(brush[1]), 12, Math.max(3, this.y(brush[0]) - this.y(brush[1])));
  }

  /** @param {PointerEvent} event */
  spot(event) {
    const box = this.getBoundingClientRect();
    const x = event.clientX - box.left;
    const axes = /** @type {Axis[]} */ (this.it?.axes ?? []);
    let near = -1;
    axes.forEach((_, place) => { if (Math.abs(this.x(place) - x) < 14 && (near < 0 || Math.abs(this.x(place) - x) < Math.abs(this.x(near) - x))) near = place; });
    const y = event.clientY - box.top;
    return { x, y, near, part: Math.min(1, Math.max(0, (this.y(0) - y) / (this.y(0) - this.y(1)))) };
  }

  /** @override @param {PointerEvent} event */
  pressed(event) {
    const spot = this.spot(event);
    if (spot.near < 0) {
      if (this.hovered) this.it?.onPick(this.hovered);
      return;
    }
    this.canvas?.setPointerCapture(event.pointerId);
    this.drag = { place: spot.near, from: spot.part };
  }

  /** @override @param {PointerEvent | null} event */
  moved(event) {
    if (!this.it) return;
    const spot = event && this.spot(event);
    if (this.drag && spot) {
      const { place, from } = this.drag;
      const brush = /** @type {[number, number]} */ ([Math.min(from, spot.part), Math.max(from, spot.part)]);
      if (brush[1] - brush[0] > 0.01) this.it = { ...this.it, brushes: { ...this.it.brushes, [this.it.axes[place].key]: brush } };
      return this.paint();
    }
    this.canvas?.classList.toggle("axis", Boolean(spot && spot.near >= 0));
    const found = spot && spot.near < 0 ? this.nearest(spot.x, spot.y) : null;
    if (found === this.hovered) return;
    this.hovered = found;
    this.it.onHover(found);
    this.paint();
  }

  /** @override @param {PointerEvent} event */
  released(event) {
    if (!this.drag || !this.it) return;
    const { place, from } = this.drag;
    this.drag = undefined;
    const { part } = this.spot(event);
    this.it.onBrush(this.it.axes[place], Math.abs(part - from) > 0.01 ? [Math.min(from, part), Math.max(from, part)] : null);
  }

  /** @param {number} x @param {number} y  the line under the pointer */
  nearest(x, y) {
    const { axes, lines } = /** @type {Shown} */ (this.it);
    let left = 0;
    while (left < axes.length - 2 && this.x(left + 1) < x) left++;
    if (axes.length < 2) return null;
    const part = (x - this.x(left)) / (this.x(left + 1) - this.x(left));
    let [found, close] = [/** @type {Line | null} */ (null), CLOSE_PX];
    lines.forEach((line, place) => {
      if (!this.within?.[place]) return;
      const [a, b] = [left, left + 1].map((each) => this.y(placeOn(axes[each], line.values[axes[each].key])));
      const far = Math.abs(a + (b - a) * part - y);
      if (far < close) [found, close] = [line, far];
    });
    return found;
  }
}

/** `data`: x and y, which are axes; lines, within(line), best, onPick(line), onHover(line or null). */
export class Scatter extends Plot {
  /** @type {{line: Line, x: number, y: number}[]} */
  points = [];

  /** @override @param {CanvasRenderingContext2D} pen @param {number} width @param {number} height */
  draw(pen, width, height) {
    if (!this.it) return;
    const { x, y, lines, within, best } = this.it;
    const ink = inks();
    const [left, right, top, bottom] = [52, 14, 12, 30];
    const across = (/** @type {number} */ at) => left + 8 + at * (width - left - right - 16);
    const up = (/** @type {number} */ at) => height - bottom - 8 - at * (height - top - bottom - 16);
    pen.strokeStyle = ink.line;
    pen.strokeRect(left, top, width - left - right, height - top - bottom);
    pen.fillStyle = ink.quiet;
    const ticks = (/** @type {Axis} */ axis) => (axis.kind === "choice" ? axis.choices.slice(0, 12).map((each) => /** @type {[number, string]} */ ([placeOn(axis, each) ?? 0, plain(typeof each === "object" ? JSON.stringify(each) : each).slice(0, 8)]))
      : (axis.high > axis.low ? [0, 0.5, 1] : [0.5]).map((at) => /** @type {[number, string]} */ ([at, number(valueAt(axis, at), 3)])));
    pen.textAlign = "center";
    for (const [at, text] of ticks(x)) pen.fillText(text, across(at), height - 12);
    pen.textAlign = "right";
    for (const [at, text] of ticks(y)) pen.fillText(text, left - 6, up(at) + 4);
    this.points = [];
    for (const line of lines) {
      const [a, b] = [placeOn(x, line.values[x.key]), placeOn(y, line.values[y.key])];
      if (a !== null && b !== null) this.points.push({ line, x: across(a), y: up(b) });
    }
    for (const point of this.points) {
      const isOn = within(point.line);
      const isMarked = point.line.number === best || point.line === this.hovered;
      pen.fillStyle = point.line.number === best ? ink["line-1"] : isOn ? ink.accent : ink.quiet;
      pen.globalAlpha = isMarked ? 1 : isOn ? 0.65 : 0.15;
      pen.beginPath();
      pen.arc(point.x, point.y, isMarked ? 5 : 3.2, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  /** @override @param {PointerEvent | null} event */
  moved(event) {
    const box = this.getBoundingClientRect();
    let [found, close] = [/** @type {Line | null} */ (null), CLOSE_PX];
    for (const { line, x, y } of event ? this.points : []) {
      const far = Math.hypot(x - (/** @type {PointerEvent} */ (event).clientX - box.left), y - (/** @type {PointerEvent} */ (event).clientY - box.top));
      if (far < close) [found, close] = [line, far];
    }
    if (found === (this.hovered ?? null)) return;
    this.hovered = found;
    this.it?.onHover(found);
    this.paint();
  }

  /** @override */
  pressed() {
    if (this.hovered) this.it?.onPick(this.hovered);
  }
}

customElements.define("tc-parallel", Parallel);
customElements.define("tc-scatter", Scatter);
