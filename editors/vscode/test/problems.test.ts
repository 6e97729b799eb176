import { expect, test } from "vitest";
import { type Checked, problems } from "../src/core/problems";

function checked(place: string, from?: string): Checked {
  const facts: Record<string, string> = from === undefined ? {} : { from };
  return { what: "experiment=a", place, mistakes: [{ what: "no", facts: { ...facts, nearest: "b" }, hint: "type b" }] };
}

test("a mistake stands where it comes from, or else where what was checked stands", () => {
  const place = (each: Checked) => problems([each]).map(({ file, line }) => [file, line])[0];
  expect(place(checked("conf/experiment/a.yaml", "conf/experiment/base one.yaml:4"))).toEqual(["conf/experiment/base one.yaml", 3]);
  expect(place(checked("conf/experiment/a.yaml:7", "command line: a.yaml:4"))).toEqual(["conf/experiment/a.yaml", 6]);
  expect(place(checked("conf/experiment/a.yaml", "shipped conf/config.yaml:3"))).toEqual(["conf/experiment/a.yaml", 0]);
  expect(place(checked("conf/experiment/a.yaml"))).toEqual(["conf/experiment/a.yaml", 0]);
});

test("a mistake is told with what is known of it", () => {
  expect(problems([checked("a", "b.yaml:1")])[0]?.said).toBe("experiment=a: no\n  nearest: b\nhint: type b");
  expect(problems([{ what: "x", place: "a", mistakes: [] }])).toEqual([]);
});
