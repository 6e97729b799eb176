import { expect, test } from "vitest";
import { pairs } from "../src/core/changes";
import { launchOf, type Plan } from "../src/core/launch";

const RANK = { argv: ["/v/bin/python", "train.py", "--lr", "0.5"], env: { RANK_ONLY: "1" }, is_service: false };
const PLAN: Plan = {
  ranks: [RANK],
  env: { PYTHONPATH: "/jobpath", TRAINCONF_RUN_ID: "x", TRAINCONF_RUN_DIR: "/runs/x", TRAINCONF_PARAMS: "/p", TRAINCONF_EXPERIMENT: "digits" },
  secret_env: [],
  not_inherited: ["PYTHONPATH", "VIRTUAL_ENV"],
  first_on_path: ["/v/bin"],
};

test("the script is started with its arguments, variables and Python, in the source directory", () => {
  expect(launchOf(PLAN, "/w/src", "/usr/bin")).toEqual({
    program: "/w/src/train.py", args: ["--lr", "0.5"], python: "/v/bin/python", cwd: "/w/src",
    env: { PYTHONPATH: "/jobpath", VIRTUAL_ENV: null, TRAINCONF_EXPERIMENT: "digits", RANK_ONLY: "1", PATH: "/v/bin:/usr/bin" },
  });
});

test("a module is started as one", () => {
  const plan = { ...PLAN, ranks: [{ ...RANK, argv: ["python3.11", "-m", "pkg.train", "-m"] }] };
  expect(launchOf(plan, "/w", "/b")).toMatchObject({ module: "pkg.train", args: ["-m"] });
});

test("what one debugger cannot start is refused with the reason", () => {
  expect(() => launchOf({ ...PLAN, ranks: [RANK, RANK] }, "/w", "")).toThrow("it starts 2 processes, and one is debugged: choose distributed=none");
  expect(() => launchOf({ ...PLAN, ranks: [{ ...RANK, argv: ["torchrun", "train.py"] }] }, "/w", "")).toThrow("torchrun, which is no Python");
  expect(() => launchOf({ ...PLAN, ranks: [{ ...RANK, argv: ["python", "-X", "dev", "-u", "a.py"] }] }, "/w", "")).toThrow("with -X dev -u");
  expect(() => launchOf({ ...PLAN, ranks: [{ ...RANK, argv: ["python", "-c", "1"] }] }, "/w", "")).toThrow("no script and no module");
});

test("a file that is on one side only has no other", () => {
  const files = [{ path: "a", old_path: "a", kind: "changed" }, { path: "b", old_path: "b", kind: "added" }, { path: "c", old_path: "c", kind: "removed" },
    { path: "e", old_path: "d", kind: "renamed" }];
  expect(pairs({ files, trouble: "" }, "/ran", "/now")).toEqual([
    { path: "a", ran: "/ran/a", now: "/now/a" }, { path: "b", ran: undefined, now: "/now/b" },
    { path: "c", ran: "/ran/c", now: undefined }, { path: "e", ran: "/ran/d", now: "/now/e" },
  ]);
});
