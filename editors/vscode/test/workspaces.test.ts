import { chmodSync, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isBelow, workspacesOf } from "../src/core/workspaces";

function folder(...below: string[]): string {
  const made = mkdtempSync(join(tmpdir(), "trainconf-"));
  below.forEach((path) => mkdirSync(join(made, path), { recursive: true }));
  return made;
}

test("a folder that is a workspace is the only one, whatever is below it", () => {
  const at = folder("conf/experiment", "ml/conf/experiment");
  expect(workspacesOf(at)).toEqual([at]);
});

test("workspaces below a folder are found, not in hidden folders, not in packages, not far below", () => {
  const at = folder("b/conf/experiment", "libs/a/conf/trainconf", ".cache/x/.trainconf", "node_modules/y/.trainconf", "1/2/3/.trainconf", "empty");
  expect(workspacesOf(at)).toEqual([join(at, "b"), join(at, "libs/a")]);
});

test("of many workspaces the first eight are looked at, and a folder that may not be read has none", () => {
  const at = folder(...[...Array(12).keys()].map((number) => `p${number}/.trainconf`), "shut");
  chmodSync(join(at, "shut"), 0);
  expect(workspacesOf(at)).toHaveLength(8);
  expect(workspacesOf(join(at, "gone"))).toEqual([]);
});

test("a neighbour whose name begins alike is not below", () => {
  expect([isBelow("/w/a/b", "/w/a"), isBelow("/w/ab", "/w/a"), isBelow("/w/a", "/w/a"), isBelow("/w", "/")]).toEqual([true, false, false, true]);
});
