// The curves of the charts of one screen: asked for together, kept up to date by the stream, all with the same runs, axis and zoom.
import { joined } from "../app/router.js";
import { counted, FINAL, numeric } from "../app/text.js";
import { looksOf } from "./colours.js";

/** @typedef {import("./colours.js").Look} Look */
/** @typedef {{id: string, label: string, look: Look, isLive: boolean, follows: boolean, started: number}} Drawn  a run; started in seconds; followed unless it is known to be over */
/** @typedef {"step" | "time" | "relative"} Axis */
/** @typedef {{x: Axis, smooth: number, log: boolean, from: number | null, to: number | null, group: "" | "std" | "range", but: string}} Options  group: the band of a mean */
/**
 * @typedef {object} Piece  of a curve: it ends where the step goes back
 * @property {string} run
 * @property {string} name
 * @property {number} piece
 * @property {number} attempt
 * @property {number[]} x
 * @property {number[]} min
 * @property {number[]} max
 * @property {number[]} last
 * @property {number[] | null} smooth
 * @property {number} count  of values, of which these may be buckets
 * @property {{x: number, value: string}[]} marks  where it was not finite
 */
/** @typedef {[number | null, number | string, import("../app/text.js").Value, number]} Point  step, time, value, attempt */

const NAMES_AT_ONCE = 12;
const BUCKETS_AT_ONCE = 10_000; // of one answer, which has at most 1 MB
const LAST_MS = 500; // after a run has ended, until its last points are surely there
const AGAIN_MS = 1000; // between two questions of one chart that its own growth made
export const MANY = 20; // runs that are drawn without being asked

/**
 * How many buckets a curve gets: fewer where there are many.
 * @param {number} runs
 */
export const bucketsFor = (runs) => (runs <= 1 ? 1000 : runs <= 5 ? 600 : runs <= MANY ? 400 : 250);

/** @param {number | string} time in seconds, or as ISO 8601 says it */
export const seconds = (time) => (typeof time === "number" ? time : Date.parse(time) / 1000);

/**
 * Take points that were logged after the pieces were asked for.
 * @param {Piece[]} pieces of one run and name, in order; changed in place
 * @param {{run: string, name: string, x: Axis, smooth: number, started: number}} of
 * @param {Point[]} points
 */
export function append(pieces, of, points) {
  for (const [step, time, value, attempt] of points) {
    let piece = pieces[pieces.length - 1];
    const before = piece?.x[piece.x.length - 1];
    const x = of.x === "time" ? seconds(time) : of.x === "relative" ? seconds(time) - of.started : step ?? (before ?? -1) + 1;
    if (!piece || piece.attempt !== attempt || x < before) {
      piece = { run: of.run, name: of.name, piece: pieces.length, attempt, x: [], min: [], max: [], last: [], smooth: of.smooth ? [] : null, count: 0, marks: [] };
      pieces.push(piece);
    }
    const known = numeric(value);
    piece.count++;
    if (!Number.isFinite(known)) {
      piece.marks.push({ x, value: String(value) });
      continue;
    }
    if (piece.smooth) piece.smooth.push(smoothed(piece, known, of.smooth));
    for (const column of [piece.min, piece.max, piece.last]) column.push(known);
    piece.x.push(x);
  }
}

/**
 * The next value of the debiased running mean: its sum is told by its last value and by how many values made it.
 * @param {Piece} piece
 * @param {number} value
 * @param {number} weight
 */
function smoothed(piece, value, weight) {
  const made = piece.count - 1 - piece.marks.length; // what is not finite counts for nothing
  const before = piece.smooth?.length ? piece.smooth[piece.smooth.length - 1] : 0;
  const sum = before * (1 - weight ** made) * weight + value * (1 - weight);
  return sum / (1 - weight ** (made + 1));
}

export class Curves {
  /**
   * @param {object} it
   * @param {import("../app/api.js").Api} it.api
   * @param {AbortSignal} it.signal
   * @param {() => void} it.onPlaces  the places in the stream have changed
   * @param {(from: number | null, to: number | null) => void} it.onZoom
   * @param {(error: unknown) => void} it.onError
   */
  constructor({ api, signal, onPlaces, onZoom, onError }) {
    this.api = api;
    this.signal = signal;
    this.onPlaces = onPlaces;
    this.onZoom = onZoom;
    this.onError = onError;
    /** @type {Drawn[]} */
    this.runs = [];
    /** @type {Options} */
    this.options = { x: "step", smooth: 0, log: false, from: null, to: null, group: "", but: "" };
    /** @type {Drawn[] | null} */
    this.groups = null; // where runs are drawn together
    /** @type {Set<import("./chart.js").Chart>} */
    this.charts = new Set();
    /** @type {Set<import("./chart.js").Chart>} */
    this.due = new Set();
    this.version = 0;
    this.asked = "";
    this.isSoon = false;
  }

  /**
   * Say what is drawn, and how. Charts ask anew only where what they have does not do.
   * @param {Drawn[]} runs
   * @param {Options} options
   */
  setup(runs, options) {
    const asked = JSON.stringify([runs.map(({ id }) => id), options.x, options.smooth, options.from, options.to, options.group, options.but]);
    const ended = this.runs.some(({ id, isLive }) => isLive && runs.some((run) => run.id === id && !run.isLive));
    if (ended) setTimeout(() => !this.signal.aborted && this.renew(), LAST_MS);
    const isFollowed = ids(this.runs) !== ids(runs);
    this.runs = runs;
    this.options = options;
    if (isFollowed) this.onPlaces();
    if (asked !== this.asked) {
      this.asked = asked;
      this.renew();
    } else for (const chart of this.charts) chart.redraw();
  }

  /** Have every chart ask again. */
  renew() {
    this.version++;
    for (const chart of this.charts) chart.refresh();
  }

  /** What each curve is of: a run, or a group of them. */
  get drawn() {
    return this.groups ?? this.runs;
  }

  get buckets() {
    return bucketsFor(this.runs.length);
  }

  /**
   * Ask for the curves of a chart, together with those of the charts that ask at the same time.
   * @param {import("./chart.js").Chart} chart
   */
  ask(chart) {
    this.due.add(chart);
    if (this.isSoon) return;
    this.isSoon = true;
    setTimeout(() => this.flush());
  }

  flush() {
    this.isSoon = false;
    const charts = [...this.due];
    this.due.clear();
    if (!this.runs.length) return charts.forEach((chart) => chart.show([], {}));
    const names = [...new Set(charts.map(({ name }) => name))];
    const room = BUCKETS_AT_ONCE / this.buckets;
    const most = Math.max(1, Math.min(NAMES_AT_ONCE, Math.floor(room / this.runs.length)));
    for (let place = 0; place < names.length; place += most) {
      const some = names.slice(place, place + most);
      this.fetch(some, charts.filter(({ name }) => some.includes(name)), this.options.group ? Infinity : Math.floor(room / most));
    }
  }

  /**
   * @param {string[]} names
   * @param {import("./chart.js").Chart[]} charts
   * @param {number} most  runs of one question
   */
  async fetch(names, charts, most) {
    const { version } = this;
    const { x, smooth, from, to, group, but } = this.options;
    const runs = this.runs.map(({ id }) => id);
    const query = { names: joined(names), x, from, to, buckets: this.buckets, smooth: smooth || null, group, but };
    try {
      const asked = [];
      for (let place = 0; place < runs.length; place += most) asked.push(this.api.get("series", { ...query, runs: runs.slice(place, place + most).join(",") }, { signal: this.signal }));
      const found = await Promise.all(asked);
      if (version !== this.version) return; // something else was asked for meanwhile
      const [{ groups }] = found;
      this.groups = groups ? this.together(groups) : null;
      const series = found.flatMap((each) => each.series);
      for (const chart of charts) chart.show(series.filter(({ name }) => name === chart.name), Object.assign({}, ...found.map(({ cursors }) => cursors)));
      this.onPlaces();
    } catch (error) {
      if (this.signal.aborted) return;
      for (const chart of charts) chart.fail(error);
      this.onError(error);
    }
  }

  /**
   * @param {{id: string, runs: string[]}[]} groups
   * @returns {Drawn[]}
   */
  together(groups) {
    const looks = looksOf(groups.map(({ id }) => id));
    return groups.map(({ id, runs }) => ({
      id, label: `${id} (${counted(runs.length, "run")})`, look: /** @type {Look} */ (looks.get(id)), started: 0,
      isLive: this.runs.some((run) => run.isLive && runs.includes(run.id)), follows: false,
    }));
  }

  /** Where the stream shall go on from, for each run that is followed. */
  places() {
    /** @type {Record<string, number>} */
    const found = {};
    for (const { id, follows } of this.runs) {
      if (!follows) continue;
      for (const { cursors } of this.charts) if (id in cursors) found[id] = Math.min(found[id] ?? Infinity, cursors[id]);
    }
    return found;
  }

  /**
   * Take an event of the stream.
   * @param {string} name
   * @param {any} data
   */
  event(name, data) {
    if (name === "reset" && data.topic === "points") this.renew();
    if (name !== "points") return;
    const run = this.runs.find(({ id }) => id === data.id);
    if (!run) return;
    for (const chart of this.charts) {
      const own = chart.cursors[run.id];
      if (own === undefined || data.cursor <= own) continue;
      chart.cursors[run.id] = data.cursor;
      const points = data.names[chart.name];
      if (data.from !== own || (this.groups && points?.length)) this.again(chart);
      else if (points?.length) this.grow(chart, run, points);
    }
  }

  /**
   * @param {import("./chart.js").Chart} chart
   * @param {Drawn} run
   * @param {Point[]} points
   */
  grow(chart, run, points) {
    const pieces = chart.pieces.filter((piece) => piece.run === run.id);
    const count = pieces.length;
    append(pieces, { run: run.id, name: chart.name, x: this.options.x, smooth: this.options.smooth, started: run.started }, points);
    chart.pieces.push(...pieces.slice(count));
    if (pieces.some((piece) => piece.x.length > 2 * this.buckets)) this.again(chart);
    chart.redraw();
  }

  /** @param {import("./chart.js").Chart} chart */
  again(chart) {
    if (chart.isWaiting) return;
    chart.isWaiting = true;
    setTimeout(() => {
      chart.isWaiting = false;
      if (chart.isConnected) this.ask(chart);
    }, AGAIN_MS);
  }
}

/** @param {Drawn[]} runs  those that are followed */
const ids = (runs) => runs.filter(({ follows }) => follows).map(({ id }) => id).join();

/**
 * How runs are drawn, from their rows; of a run that is yet to be read a row has no state.
 * @param {any[]} rows
 * @param {Map<string, Look>} looks
 * @returns {Drawn[]}
 */
export const drawn = (rows, looks) =>
  rows.map((row) => ({
    id: row.id,
    label: row.name || row.id,
    look: looks.get(row.id) ?? { colour: 0, dash: 0 },
    isLive: Boolean(row.state) && !FINAL.has(row.state),
    follows: !FINAL.has(row.state),
    started: row.started ? seconds(row.started) : 0,
  }));
