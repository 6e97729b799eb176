// What of the page needs no browser. tests/page/test_scripts.py runs it.
import "./no_document.js";

import assert from "node:assert/strict";

import { encoded, joined, link, listed, parse } from "../../../trainconf/page/static/app/router.js";
import { bytes, clock, common, duration, number, plain, short, shortNumber } from "../../../trainconf/page/static/app/text.js";
import { AnsiLines } from "../../../trainconf/page/static/parts/ansi.js";
import { forget, looksOf, ownColour, paint } from "../../../trainconf/page/static/parts/colours.js";
import { append, Curves, drawn } from "../../../trainconf/page/static/parts/curves.js";
import { exportCsv, exportSvg } from "../../../trainconf/page/static/parts/export.js";
import { brushOf, isIn, placeOn, rangeOf, valueAt } from "../../../trainconf/page/static/plots/axes.js";
import { logTicks, ticks, timeTicks } from "../../../trainconf/page/static/plots/ticks.js";
import { axisTicks, measure } from "../../../trainconf/page/static/plots/units.js";

/** @param {{spans: {text: string}[]}} line */
const said = (line) => line.spans.map(({ text }) => text).join("");

Deno.test("an address says its path, its query and, once, a token", () => {
  assert.deepEqual(parse(""), { path: ["runs"], query: {}, token: null });
  assert.deepEqual(parse("#t=abc-_9"), { path: ["runs"], query: {}, token: "abc-_9" });
  assert.deepEqual(parse("#t=abc/runs/x%2Fy/log?rank=1"), { path: ["runs", "x/y", "log"], query: { rank: "1" }, token: "abc" });
  assert.deepEqual(parse("#/runs/%"), { path: ["runs", "%"], query: {}, token: null });
});

Deno.test("each address that is made is read back the same", () => {
  for (const [path, query] of /** @type {[string[], Record<string, string>][]} */ ([
    [["runs"], {}], [["runs", "a b/ü?#&"], { filter: "params.lr>0.1 tag:a,b &=#?%", chosen: "a,b" }], [["sweeps", "\n"], { x: "+ %2C" }],
  ])) {
    const again = parse(link(path, query));
    assert.deepEqual([again.path, again.query], [path, query]);
  }
  assert.equal(link(["runs"], { a: null, b: undefined, c: "" }), "#/runs");
});

Deno.test("a byte of a name that is no UTF-8 is that byte in an address, and is seen as what it is", () => {
  const name = "a\udcff\u00e5\udcc3-\u{1f480}";
  assert.equal(encoded(name), "a%ff%C3%A5%c3-%F0%9F%92%80");
  const { path, query } = parse(link(["runs", name], { chosen: `${name},x` }));
  assert.deepEqual([path, query], [["runs", name], { chosen: `${name},x` }]);
  assert.deepEqual(listed(joined([name, "b"])), [name, "b"]);
  assert.equal(plain(name), "a\\udcff\u00e5\\udcc3-\u{1f480}");
  assert.equal(encoded("\ud800"), "%00");
});

Deno.test("names with commas and percent signs are one word of an address, and names again", () => {
  const names = ["metrics.a,b:min", "acc %", "100%2C", "loss"];
  const { query } = parse(link(["runs"], { columns: joined(names) }));
  assert.deepEqual(listed(query.columns), names);
  assert.deepEqual(listed("typed %,loss,"), ["typed %", "loss"]);
});

Deno.test("names show their control characters, and what turns the direction of text", () => {
  assert.equal(plain("a\u001b[31m\n\u202egpj.exe\u0000"), "a\\x1b[31m\\n\\u202egpj.exe\\x00");
});

Deno.test("numbers, durations and sizes are short", () => {
  assert.deepEqual([0, 12, -3, 0.1, 1 / 3, 1e-7, 123456.789, 1e12, true, "x"].map((each) => number(each)), ["0", "12", "−3", "0.1", "0.33333", "1e−7", "123457", "1e12", "true", "x"]);
  assert.deepEqual([0, 9.94, 59.6, 130, 3725, 200000, null, NaN].map(duration), ["0.0s", "9.9s", "1m 00s", "2m 10s", "1h 02m", "2d 07h", "", ""]);
  assert.deepEqual([0, 999, 1000, 65536, 12_345_678, 999_949_999, 999_999_999, 2e15].map(bytes), ["0 B", "999 B", "1.0 kB", "65.5 kB", "12.3 MB", "999.9 MB", "1.0 GB", "2000.0 TB"]);
  assert.equal(short("digits-20261123-0532-x7k2"), "digits-20…-0532-x7k2");
});

Deno.test("how much texts begin with in common", () => {
  assert.deepEqual([["abc", "abd", "abe"], ["a", ""], ["ab", "ab"], ["x"], []].map(common), [2, 0, 2, 1, 0]);
});

Deno.test("a line that was written over is one line, with the number of its turns", () => {
  const { whole, open } = new AnsiLines(0).feed(" 10%\r 50%\r100%\ndone\r\nab\b\bcd");
  assert.deepEqual(whole.map((line) => [said(line), line.turns, line.start]), [["100%", 2, 0], ["done", 0, 15]]);
  assert.equal(open && said(open), "cd");
});

Deno.test("a progress bar that comes in pieces is folded the same, and later lines begin where they do", () => {
  const text = `${Array.from({ length: 500 }, (_, turn) => `\r${turn}%|███`).join("")}\nnext\n`;
  const once = new AnsiLines(7).feed(text);
  const lines = new AnsiLines(7);
  const pieces = [];
  for (let place = 0; place < text.length; place += 11) pieces.push(...lines.feed(text.slice(place, place + 11)).whole);
  assert.deepEqual(pieces.map((line) => [said(line), line.turns, line.start]), once.whole.map((line) => [said(line), line.turns, line.start]));
  assert.equal(once.whole[1].start, 7 + new TextEncoder().encode(text).length - 5);
});

Deno.test("colours are classes or 24 bits, go on in the next line, and end; every other escape is dropped", () => {
  const { whole } = new AnsiLines(0).feed(
    "\u001b[1;31mred\nstill\u001b[0m plain\u001b[38;5;196mx\u001b[38;2;1;2;300my\u001b[m\n\u001b]8;;http://evil\u0007link\u001b]8;;\u001b\\ \u001b[2J\u001b[?25l\u001bPq\u001b\\end\n",
  );
  assert.deepEqual(whole[0].spans, [{ text: "red", look: "t-bold f-1", fore: null, back: null }]);
  assert.deepEqual(whole[1].spans.map(({ text, look, fore }) => [text, look, fore]), [["still", "t-bold f-1", null], [" plain", "", null], ["x", "", "#ff0000"], ["y", "", "#0102ff"]]);
  assert.equal(said(whole[2]), "link end");
});

Deno.test("points that come later continue the smooth line exactly", () => {
  const values = Array.from({ length: 40 }, (_, place) => Math.sin(place));
  const smoothOf = (/** @type {number[]} */ all) => {
    let sum = 0;
    return all.map((value, place) => (sum = sum * 0.9 + value * 0.1) / (1 - 0.9 ** (place + 1)));
  };
  const whole = smoothOf(values);
  const pieces = [{ run: "r", name: "loss", piece: 0, attempt: 1, x: [...Array(30).keys()], min: values.slice(0, 30), max: values.slice(0, 30), last: values.slice(0, 30), smooth: whole.slice(0, 30), count: 30, marks: [] }];
  append(pieces, { run: "r", name: "loss", x: "step", smooth: 0.9, started: 0 }, values.slice(30).map((value, place) => [30 + place, 0, value, 1]));
  assert.equal(pieces.length, 1);
  pieces[0].smooth.forEach((value, place) => assert.ok(Math.abs(value - whole[place]) < 1e-9));
});

Deno.test("a step that goes back and a new attempt begin a piece; what is not finite is a mark", () => {
  /** @type {import("../../../trainconf/page/static/parts/curves.js").Piece[]} */
  const pieces = [];
  append(pieces, { run: "r", name: "loss", x: "step", smooth: 0, started: 0 }, [[0, 0, 1, 1], [1, 0, "NaN", 1], [2, 0, 3, 1], [1, 0, 4, 1], [2, 0, 5, 2], [3, 0, "-Infinity", 2]]);
  assert.deepEqual(pieces.map(({ attempt, x, last, marks }) => [attempt, x, last, marks]), [
    [1, [0, 2], [1, 3], [{ x: 1, value: "NaN" }]], [1, [1], [4], []], [2, [2], [5], [{ x: 3, value: "-Infinity" }]],
  ]);
});

Deno.test("a chosen run is followed until it is known to be over, and the stream is told of each change", () => {
  /** @type {string[][]} */
  const told = [];
  const curves = new Curves(/** @type {any} */ ({ api: null, signal: { aborted: true }, onPlaces: () => told.push(Object.keys(curves.places())) }));
  curves.charts.add(/** @type {any} */ ({ cursors: { a: 5, b: 6, c: 7 }, refresh() {}, redraw() {} }));
  const setup = (/** @type {any[]} */ rows) => curves.setup(drawn(rows, new Map()), { x: "step", smooth: 0, log: false, from: null, to: null, group: "", but: "" });
  setup([{ id: "a" }, { id: "b" }, { id: "c", state: "Completed" }]); // of the first two no row has come yet
  assert.deepEqual(curves.runs.map(({ isLive }) => isLive), [false, false, false]);
  setup([{ id: "a", state: "Running" }, { id: "b", state: "Failed" }, { id: "c", state: "Completed" }]);
  setup([{ id: "a", state: "Running" }, { id: "b", state: "Failed" }, { id: "c", state: "Completed" }]);
  assert.deepEqual(curves.runs.map(({ isLive }) => isLive), [true, false, false]);
  setup([{ id: "c", state: "Running" }]);
  assert.deepEqual(told, [["a", "b"], ["a"], ["c"]]);
});

Deno.test("a run keeps its look while others come and go, and no two that are shown together are alike", () => {
  forget();
  const first = looksOf(["a", "b", "c"]);
  const second = looksOf(["c", "d", "a"]);
  assert.deepEqual([second.get("c"), second.get("a")], [first.get("c"), first.get("a")]);
  const many = looksOf(Array.from({ length: 30 }, (_, place) => `r${place}`));
  assert.equal(new Set([...many.values()].map(({ colour, dash }) => `${colour} ${dash}`)).size, 30);
});

Deno.test("a run keeps the colour that it was given, also in a page that is opened anew, and the others make room", () => {
  forget();
  looksOf(["a", "b"]);
  paint("b", 0);
  forget();
  const looks = looksOf(["a", "b", "c"]);
  assert.deepEqual([ownColour("b"), looks.get("b")], [0, { colour: 0, dash: 0 }]);
  assert.equal(new Set([...looks.values()].map(({ colour, dash }) => `${colour} ${dash}`)).size, 3);
  paint("c", 0); // as somebody wants it
  assert.equal(looksOf(["b", "c"]).get("c")?.colour, 0);
  paint("b", null);
  paint("c", null);
  assert.deepEqual([ownColour("b"), looksOf(["c", "b"]).get("b")], [null, { colour: 1, dash: 0 }]);
  for (const damaged of ["{", "[1]", '[["a", 9]]', '[["a", "red"]]', "null"]) {
    localStorage.setItem("trainconf.colours", damaged);
    forget();
    assert.equal(ownColour("a"), null);
  }
});

Deno.test("a chart is exported with every point, and a hostile name stays text", () => {
  const piece = { run: 'a,"b"', name: "loss", piece: 0, attempt: 1, x: [0, 2], min: [1, 2], max: [1, 3], last: [1, 2.5], smooth: null, count: 2, marks: [{ x: 1, value: "NaN" }] };
  assert.equal(exportCsv([piece], "step"), 'run,metric,attempt,step,min,max,last,smooth\n"a,""b""",loss,1,0,1,1,1,\n"a,""b""",loss,1,1,,,NaN,\n"a,""b""",loss,1,2,2,3,2.5,\n');
  const picture = exportSvg({
    title: "<script>", pieces: [piece], width: 400, height: 200, x: [0, 2], y: [1, 3], isLog: true, look: () => ({ colour: "red", dash: [6, 3], label: "<b>" }),
    xWords: String, yTicks: [[1, "<i>"]], text: "black", quiet: "grey", grid: "silver", ground: "white",
  });
  assert.ok(!picture.includes("<script>") && !picture.includes("<b>") && !picture.includes("<i>") && !picture.includes("NaN") && picture.includes("stroke-dasharray"));
  assert.deepEqual(ticks(0, 10), [0, 2, 4, 6, 8, 10]);
});

/** @param {Partial<import("../../../trainconf/page/static/plots/axes.js").Axis>} facts */
const axisOf = (facts) => ({ key: "a", label: "a", kind: /** @type {"number"} */ ("number"), low: 0, high: 10, log: false, flip: false, choices: [], hasMissing: false, ...facts });

Deno.test("a value stands where its axis says: linear, logarithmic, flipped, among choices; what is missing stands nowhere", () => {
  assert.equal(placeOn(axisOf({}), 2.5), 0.25);
  assert.equal(placeOn(axisOf({ flip: true }), 2.5), 0.75);
  assert.ok(Math.abs((placeOn(axisOf({ log: true, low: 0.001, high: 1 }), 0.1) ?? 0) - 2 / 3) < 1e-9);
  assert.equal(placeOn(axisOf({ low: 3, high: 3 }), 3), 0.5);
  const choice = axisOf({ kind: "choice", choices: ["sgd", null, [1, 2]] });
  assert.deepEqual(["sgd", null, [1, 2], "adam", undefined].map((each) => placeOn(choice, each)), [0, 0.5, 1, null, null]);
  for (const missing of [undefined, null, "x", NaN, true]) assert.equal(placeOn(axisOf({}), missing), null);
  assert.equal(placeOn(axisOf({ log: true, low: 0.1, high: 1 }), 0), null);
});

Deno.test("the value at a place is the one that stands there, however the axis is turned", () => {
  for (const axis of [axisOf({}), axisOf({ flip: true }), axisOf({ log: true, low: 0.001, high: 1 }), axisOf({ log: true, low: 0.001, high: 1, flip: true })]) {
    for (const place of [0, 0.2, 0.5, 1]) assert.ok(Math.abs((placeOn(axis, valueAt(axis, place)) ?? NaN) - place) < 1e-9);
  }
});

Deno.test("a line is kept by all brushes or by none, and what lacks a brushed axis is out", () => {
  const axes = [axisOf({}), axisOf({ key: "b" })];
  const line = (/** @type {Record<string, unknown>} */ values) => ({ number: 0, values, rank: null });
  assert.equal(isIn(axes, {}, line({})), true);
  assert.equal(isIn(axes, { a: [0.2, 0.3] }, line({ a: 2.5 })), true);
  assert.equal(isIn(axes, { a: [0.2, 0.3], b: [0, 0.5] }, line({ a: 2.5, b: 9 })), false);
  assert.equal(isIn(axes, { b: [0, 1] }, line({ a: 2.5 })), false);
});

Deno.test("a range means the same on an axis that is turned, logarithmic or longer", () => {
  const axis = axisOf({ low: 0.001, high: 10 });
  const range = rangeOf(axis, [0.1, 0.5]) ?? ["", ""];
  const values = Array.from({ length: 50 }, (_, place) => 10 ** (place / 12 - 3));
  const inside = (/** @type {import("../../../trainconf/page/static/plots/axes.js").Axis} */ of) =>
    values.filter((value) => isIn([of], { a: brushOf(of, range) ?? [2, 2] }, { number: 0, rank: null, values: { a: value } }));
  assert.deepEqual(inside(axis), values.filter((value) => value >= 1.0009 && value <= 5.0005));
  for (const other of [{ flip: true }, { log: true }, { log: true, flip: true }, { high: 500 }]) assert.deepEqual(inside({ ...axis, ...other }), inside(axis));
  assert.deepEqual(rangeOf({ ...axis, flip: true }, [0.5, 0.9]), range);
  const choice = axisOf({ kind: "choice", choices: ["sgd", null, [1, 2], "~"] });
  assert.deepEqual([rangeOf(choice, [0.3, 1]), rangeOf(choice, [0.4, 0.5])], [["null", '"~"'], null]);
  assert.deepEqual(brushOf({ ...choice, flip: true, choices: ["new", ...choice.choices] }, ["null", '"~"']), [0, 0.5]);
  for (const damaged of [["", ""], ["x", "1"], ["0", '"a"']]) assert.equal(brushOf({ ...axis, log: true }, /** @type {[string, string]} */ (damaged)), null);
});

Deno.test("the words of an axis tell its numbers apart, however near they are to each other", () => {
  assert.deepEqual([0, -0.5, 2500, 20_000, 3e6, 1e-7].map(shortNumber), ["0", "−0.5", "2500", "20k", "3M", "1e−7"]);
  for (const [low, high] of [[12_185_000, 12_186_000], [0.99985, 0.99991], [-40_100, -40_000], [5e11, 5.00001e11]]) {
    const words = ticks(low, high).map(shortNumber);
    assert.equal(new Set(words).size, words.length, `${words}`);
  }
});

Deno.test("an axis has round numbers: of ten, of powers of ten, of minutes and days", () => {
  assert.deepEqual(ticks(0.2, 0.7), [0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
  assert.deepEqual(ticks(3, 3), [3]);
  assert.deepEqual(logTicks(1e-7, 1e7), [1e-6, 1e-3, 1, 1e3, 1e6]);
  assert.deepEqual(logTicks(0.3, 7), [0.5, 1, 2, 5]);
  assert.equal(logTicks(2.1, 2.4).length > 1, true);
  assert.deepEqual(timeTicks(0, 600, 4), [0, 300, 600]);
  assert.deepEqual(timeTicks(1, 200_000, 3, -7200), [79_200, 165_600]); // midnight, two hours ahead of UTC
  assert.deepEqual(timeTicks(0, 0.4, 4), [0, 0.1, 0.2, 0.3, 0.4]);
});

Deno.test("a value is told in the unit that the name of its metric tells", () => {
  assert.equal(measure("system.memory_bytes", 1.2e9), "1.118 GiB");
  assert.equal(measure("system.gpu_0/memory_bytes", 81559 * 2 ** 20), "79.65 GiB");
  assert.equal(measure("system.disk_read_bytes_per_s", 3 * 2 ** 20), "3 MiB/s");
  assert.equal(measure("system.disk_read_bytes_per_s", 0), "0 B/s");
  assert.equal(measure("bytes", 1023), "1023 B");
  assert.equal(measure("sent/bytes", -2048), "−2 KiB");
  assert.equal(measure("system.cpu_percent", 99.5), "99.5 %");
  assert.equal(measure("power_watts", 310), "310 W");
  assert.equal(measure("loss", 0.125), "0.125");
  assert.equal(measure("kilobytes", 12), "12", "another unit");
  assert.equal(measure("memory_bytes", "NaN"), "NaN");
  assert.equal(measure("memory_bytes", undefined), "");
});

Deno.test("all numbers of an axis are in one unit, and round in it", () => {
  assert.deepEqual(axisTicks("memory_bytes", [0, 1.5 * 2 ** 30], false).map(([, words]) => words), ["0 GiB", "0.5 GiB", "1 GiB", "1.5 GiB"]);
  assert.deepEqual(axisTicks("memory_bytes", [500 * 2 ** 20, 520 * 2 ** 20], false).map(([at]) => at / 2 ** 20), [500, 505, 510, 515, 520]);
  assert.deepEqual(axisTicks("read_bytes_per_s", [100, 2000], false).at(-1)?.[1], "1.5 KiB/s");
  assert.deepEqual(axisTicks("memory_bytes", [2 ** 10, 2 ** 13], true).map(([, words]) => words), ["1 KiB", "2 KiB", "4 KiB", "8 KiB"]);
  assert.ok(axisTicks("memory_bytes", [1, 2 ** 40], true).length <= 8);
  assert.deepEqual(axisTicks("memory_bytes", [1.1e9, 1.2e9], true).length > 1, true);
  assert.deepEqual(axisTicks("read_bytes_per_s", [-0.06, 1.06], false), [[0, "0 B/s"], [1, "1 B/s"]], "no part of a byte");
  assert.deepEqual(axisTicks("huge", [1e300, 2e300], false).at(-1), [2e300, "2e300"]);
  assert.deepEqual(axisTicks("cpu_percent", [0, 100], false).at(-1), [100, "100 %"]);
  assert.deepEqual(axisTicks("loss", [0, 1], false).map(([at]) => at), ticks(0, 1, 7));
  assert.deepEqual(axisTicks("loss", [1, 1000], true).map(([at]) => at), logTicks(1, 1000));
});

Deno.test("a clock tells the day of another year, and its time where seconds count", () => {
  const now = new Date();
  assert.match(clock(now.toISOString()), /^\d\d:\d\d$/);
  assert.match(clock(`${now.getFullYear() + 3}-06-15T12:30:45Z`), /^\d{4}-06-1\d$/);
  assert.match(clock(`${now.getFullYear() - 1}-06-15T12:30:45Z`, true), /^\d{4}-06-1\d \d\d:\d\d:45$/);
});
