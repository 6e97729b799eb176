import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { candidates, choose, type Found, isOlder, look, missing } from "../src/core/python";

const GOOD: Found = {
  executable: "/v/python", python: [3, 11], version: "0.1.0", verbs: ["lsp", "config", "plan", "ls", "sweep"], pygls: true, debugpy: true,
};

async function verdict(...found: (Partial<Found> | undefined)[]) {
  const paths = found.map((_, place) => `p${place}`);
  return choose(paths, "/", async (path) => {
    const one = found[Number(path.slice(1))];
    return one && { ...GOOD, executable: path, ...one };
  });
}

test("a setting is taken at its word", () => {
  expect(candidates("${workspaceFolder}/env/bin/python", "/w", "/other")).toEqual(["/w/env/bin/python"]);
});

test("the workspace's own environment comes first, then the Python extension's, then the path", () => {
  const folder = mkdtempSync(join(tmpdir(), "trainconf-"));
  expect(candidates("", folder, "/x/python")).toEqual(["/x/python", "python3", "python"]);
  mkdirSync(join(folder, ".venv", "bin"), { recursive: true });
  writeFileSync(join(folder, ".venv", "bin", "python"), "");
  expect(candidates("", folder, undefined)).toEqual([join(folder, ".venv", "bin", "python"), "python3", "python"]);
  expect(candidates("", join(folder, "below"), undefined, folder)).toEqual([join(folder, ".venv", "bin", "python"), "python3", "python"]);
  expect(candidates("${workspaceFolder}/x", join(folder, "below"), undefined, folder)).toEqual([join(folder, "x")]);
});

test("the first Python with a trainconf that will do is taken", async () => {
  expect(await verdict(undefined, { version: "", verbs: [] }, {}, {})).toMatchObject({ found: { executable: "p2" } });
});

test("without any trainconf the command installs it into the first Python that starts", async () => {
  expect(await verdict(undefined, { version: "", verbs: [] }, { version: "", verbs: [] })).toEqual({
    trouble: { said: "p1 (Python 3.11) has no trainconf", type: "p1 -m pip install 'trainconf[editor]'" },
  });
});

test("a trainconf that is too old is told before a Python without any", async () => {
  const { trouble } = (await verdict({ version: "", verbs: [] }, { version: "0.0.9" })) as { trouble: { said: string; type: string } };
  expect(trouble.said).toBe("trainconf 0.0.9 of p1 (Python 3.11) is too old for this extension");
  expect(trouble.type).toBe("p1 -m pip install --upgrade 'trainconf[editor]'");
});

test("a trainconf without a verb that is used is too old, whatever its version says", async () => {
  expect(await verdict({ verbs: ["ls", "plan"] })).toMatchObject({ trouble: { type: expect.stringContaining("--upgrade") } });
});

test("a Python that is too old is told, and one that does not start", async () => {
  expect(await verdict({ python: [3, 8], version: "", verbs: [] })).toMatchObject({ trouble: { said: expect.stringContaining("3.10 or later") } });
  expect(await verdict(undefined)).toEqual({ trouble: { said: "no Python was found: p0 do not start. Set trainconf.python to one", type: "" } });
});

test("a package of one feature is asked for by its name, in a path that a shell takes", () => {
  expect(missing(GOOD, "pygls", "checking")).toBeUndefined();
  expect(missing({ ...GOOD, executable: "/my env/python", pygls: false }, "pygls", "checking")?.type).toBe(
    "'/my env/python' -m pip install 'trainconf[editor]'",
  );
});

test("a file that is no Python is undefined, and so is what answers nonsense", async () => {
  const folder = mkdtempSync(join(tmpdir(), "trainconf-"));
  const path = join(folder, "python");
  expect(await look(path, folder)).toBeUndefined();
  writeFileSync(path, "#!/bin/sh\necho no json\n");
  chmodSync(path, 0o755);
  expect(await look(path, folder)).toBeUndefined();
});

test("the Python of this machine is looked at", async () => {
  const found = await look("python3", "/");
  expect(found?.python[0]).toBe(3);
});

test("versions are compared by their numbers", () => {
  expect(isOlder("0.9.0", "0.10.0")).toBe(true);
  expect(isOlder("0.1", "0.1.0")).toBe(false);
  expect(isOlder("0.2.0rc1", "0.1.9")).toBe(false);
  expect(isOlder("", "0.1.0")).toBe(true);
});
