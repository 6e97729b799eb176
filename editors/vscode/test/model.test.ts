import { expect, test } from "vitest";
import { described, describedSweep, duration, experimentName, experimentOf, flat, goingOn, label, ordered, type Row, standing, sweepLabel, type SweepRow, tree } from "../src/core/model";

function row(run: string, more: Partial<Row> = {}): Row {
  return {
    run, experiment: "digits", sweep: null, status: "Completed", metric: null, "metric.name": "val_accuracy", "metric.goal": "maximize",
    created: 1, duration: 3, compute: "local", name: null, ...more,
  };
}

const SWEEP: SweepRow = {
  sweep_id: "digits-20261123-0532-x7k2", kind: "grid", status: "Running", display_name: null, total: 4, trials: 2, metric: { name: "loss", goal: "minimize" },
  best: { run_id: "t1", value: 0.123456, overrides: [] },
};

test("what goes on comes first, then the best, then what has no value, the newest first", () => {
  const rows = [row("bad", { metric: 0.1 }), row("none", { status: "Failed" }), row("newer", { status: "Failed", created: 2 }),
    row("good", { metric: 0.9 }), row("nan", { metric: "NaN", created: 0 }), row("runs", { status: "Running", metric: 0 }), row("waits", { status: "Queued", created: 5 })];
  expect(ordered(rows).map(({ id }) => id)).toEqual(["waits", "runs", "good", "bad", "newer", "none", "nan"]);
  expect(ordered(rows).filter(({ isBest }) => isBest).map(({ id }) => id)).toEqual(["good"]);
});

test("the best is the lowest where the goal is to minimize, and no run alone is the best", () => {
  const [first] = ordered([row("a", { metric: 2, "metric.goal": "minimize" }), row("b", { metric: 1, "metric.goal": "minimize" })]);
  expect(first).toMatchObject({ id: "b", isBest: true });
  expect(ordered([row("a", { metric: 2 })])[0]?.isBest).toBe(false);
});

test("the best of a sweep is the trial that trainconf names, and not the one with the best last value", () => {
  const rows = [row("t1", { sweep: SWEEP.sweep_id, metric: 0.5, "metric.goal": "minimize" }), row("t2", { sweep: SWEEP.sweep_id, metric: 0.3, "metric.goal": "minimize" })];
  const marked = (sweep: SweepRow) => tree(rows, [sweep], [])[0]?.children.flatMap((node) => (node.kind === "sweep" ? node.children : [])).filter(({ isBest }) => isBest).map(({ id }) => id);
  expect(marked(SWEEP)).toEqual(["t1"]);
  expect(marked({ ...SWEEP, best: null })).toEqual([]);
});

test("trials are below their sweep, sweeps and runs below their experiment, also without a file", () => {
  const rows = [row("t1", { sweep: SWEEP.sweep_id }), row("alone"), row("old", { experiment: "gone" }), row("orphan", { sweep: "rm-1" })];
  const found = tree(rows, [SWEEP], [{ choice: "digits", file: "/w/digits.yaml", name: "digits" }, { choice: "new", file: "/w/new.yaml", name: "new" }]);
  expect(found.map(({ id, choice }) => [id, choice?.choice])).toEqual([["digits", "digits"], ["new", "new"], ["gone", undefined]]);
  expect(found[0]?.children.map(({ id }) => id)).toEqual([SWEEP.sweep_id, "alone", "orphan"]);
  expect(found[0]?.children[0]).toMatchObject({ kind: "sweep", children: [{ id: "t1" }] });
});

test("a sweep without trials yet is below the experiment that its id names", () => {
  expect(tree([], [SWEEP], [])[0]).toMatchObject({ id: "digits", choice: undefined, children: [{ kind: "sweep" }] });
  expect(experimentOf("a-b-20261123-0532-x7k2")).toBe("a-b");
});

test("two files of one experiment are two experiments in the tree", () => {
  const choices = [{ choice: "a", file: "a", name: "same" }, { choice: "b", file: "b", name: "same" }];
  expect(tree([row("r", { experiment: "same" })], [], choices).map(({ id, children }) => [id, children.length])).toEqual([["b", 0], ["same", 1]]);
});

test("an experiment's name is what its file says, or the file's own", () => {
  expect(experimentName("vision/resnet", "script: a.py\n")).toBe("resnet");
  expect(experimentName("a", "# x\nexperiment_name: my exp  # why\n")).toBe("my exp");
  expect(experimentName("a", "experiment_name: 'x # y'\n")).toBe("x # y");
  expect(experimentName("a", "experiment_name: ${oc.env:USER}\n")).toBe("a");
});

test("a run is called by its name, its value or its state, and no word is said twice", () => {
  const id = "spirals-of-digits-20261123-0532-x7k2";
  const said = (more: Partial<Row>) => [label(row(id, more)), described(row(id, more))];
  expect(said({ metric: 0.96671 })).toEqual(["0.9667 val_accuracy", "3 s · local · x7k2"]);
  expect(said({ metric: 0.96671, status: "Running" })).toEqual(["0.9667 val_accuracy", "Running · 3 s · local · x7k2"]);
  expect(said({ metric: 0.96671, name: "first" })).toEqual(["first", "0.9667 val_accuracy · 3 s · local · x7k2"]);
  expect(said({ status: "Failed", duration: null, compute: null })).toEqual(["Failed", "x7k2"]);
  expect(said({})).toEqual(["Completed", "3 s · local · x7k2"]);
});

test("a run shows the params in which it differs from those beside it", () => {
  const of = (run: string, params: Record<string, unknown>) => row(run, { params: flat(params) });
  const rows = [of("a", { lr: 0.1, net: { depth: 2, name: "x" }, seed: [1, 2] }), of("b", { lr: 0.2, net: { depth: 2, name: "x" }, seed: [1, 2], extra: null })];
  expect(ordered(rows).map(({ params }) => params)).toEqual(["lr=0.1", "extra=null lr=0.2"]);
  expect(ordered(rows.slice(1)).map(({ params }) => params)).toEqual([""]);
  expect(described(row("a-b", { metric: 0.5, status: "Running" }), "lr=0.1")).toBe("lr=0.1 · Running · 3 s · local · b");
  const many = Object.fromEntries([..."abcdef"].map((name) => [name, 1]));
  expect(ordered([of("a", many), of("b", {})])[0]?.params).toBe("a=1 b=1 c=1 d=1 …");
});

test("what goes on is told with its params", () => {
  expect(goingOn([row("a", { status: "Running", params: { lr: "0.1" } }), row("b"), row("c", { status: "Queued" })])).toBe("a: Running  lr=0.1\nc: Queued");
});

test("a sweep is called by its name or its kind", () => {
  expect([sweepLabel(SWEEP), sweepLabel({ ...SWEEP, display_name: "lr" })]).toEqual(["grid sweep", "lr"]);
  const [node] = tree([row("t", { sweep: SWEEP.sweep_id, status: "Running" })], [SWEEP], []);
  const [sweep] = node?.children ?? [];
  expect(sweep?.kind === "sweep" && describedSweep(sweep)).toBe("best 0.1235 loss · Running · 0 of 4 trials · x7k2");
});

test("durations are short", () => {
  expect([0.4567, 59, 61, 3700].map(duration)).toEqual(["0.46 s", "59 s", "1 min 1 s", "1 h 1 min"]);
});

test("the status bar counts what goes on", () => {
  expect(standing([row("a")])).toBe("");
  expect(standing([row("a", { status: "Running" }), row("b", { status: "Finalizing" }), row("c", { status: "Queued" })])).toBe("2 running, 1 waiting");
});
