import { expect, test } from "vitest";
import { changed, ROOT, type Shown } from "../src/core/lines";

function lines(all: Record<string, [string, ...string[]]>): Map<string, Shown> {
  return new Map(Object.entries(all).map(([key, [face, ...children]]) => [key, { face, children }]));
}

const BEFORE = lines({ [ROOT]: ["", "a", "b"], a: ["a", "run1", "run2"], b: ["b"], run1: ["Running 3 s"], run2: ["Completed"] });

test("of a tree in which nothing changed no line is drawn anew", () => {
  expect(changed(BEFORE, new Map(BEFORE))).toEqual([]);
});

test("a run that goes on is drawn anew alone, so that the menu of another one keeps it", () => {
  expect(changed(BEFORE, new Map([...BEFORE, ["run1", { face: "Running 4 s", children: [] }]]))).toEqual(["run1"]);
});

test("a run that begins, ends or moves is drawn with its neighbours", () => {
  const more: Shown = { face: "a", children: ["run3", "run1", "run2"] };
  expect(changed(BEFORE, new Map([...BEFORE, ["a", more], ["run3", { face: "Queued", children: [] }]]))).toEqual(["a"]);
  expect(changed(BEFORE, new Map([...BEFORE, ["a", { face: "a", children: ["run2", "run1"] }]]))).toEqual(["a"]);
});

test("another experiment has everything drawn anew", () => {
  const after = new Map([...BEFORE, [ROOT, { face: "", children: ["a"] }], ["run1", { face: "Failed", children: [] }]] as [string, Shown][]);
  expect(changed(BEFORE, after)).toEqual([ROOT]);
  expect(changed(new Map(), BEFORE)).toEqual([ROOT]);
});
