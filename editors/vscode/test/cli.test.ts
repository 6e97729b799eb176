import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { command, Failure, mistake, plain, submitted, Trainconf, words } from "../src/core/cli";

/** A Python that answers as this shell script does. */
function python(script: string): Trainconf {
  const folder = mkdtempSync(join(tmpdir(), "trainconf-"));
  const path = join(folder, "python");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return new Trainconf(path, folder);
}

const TYPO = `note: conf/local.yaml is read
there is no setting 'compute.nodez'
  from     command line: compute.nodez=2
  nearest  compute.nodes

hint: \`trainconf config\` lists the settings
`;

test("a mistake is its sentence and its hint, whatever was said before", () => {
  expect(mistake(TYPO)).toEqual({ sentence: "there is no setting 'compute.nodez'", hint: "`trainconf config` lists the settings" });
});

test("without facts the last line is the mistake", () => {
  expect(mistake("Traceback (most recent call last):\n  File x\nValueError: no\n").sentence).toBe("Traceback (most recent call last):");
  expect(mistake("reading\n--groups composes nothing\n\nhint: leave it out\n").sentence).toBe("--groups composes nothing");
  expect(mistake("one\ntwo\n")).toEqual({ sentence: "two", hint: "" });
  expect(mistake("")).toEqual({ sentence: "", hint: "" });
});

test("words are passed as they are, in the folder of the workspace", async () => {
  const trainconf = python('for word; do echo "<$word>"; done; pwd');
  expect(await trainconf.text(["plan", "params.name=a b", "$(touch x)"])).toBe(
    `<-m>\n<trainconf>\n<plan>\n<params.name=a b>\n<$(touch x)>\n${trainconf.folder}\n`,
  );
});

test("an exit code that is not expected is a Failure with what was said", async () => {
  const trainconf = python("echo part; echo 'it is wrong' >&2; exit 2");
  const failure = await trainconf.text(["plan", "a b"]).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Failure);
  expect((failure as Failure).message).toBe("it is wrong");
  expect((failure as Failure).details).toBe("$ trainconf plan 'a b'\npart\nit is wrong\n");
  expect(await trainconf.text(["diff"], {}, [0, 2])).toBe("part\n");
});

test("a failure that says nothing has its exit code", async () => {
  await expect(python("exit 3").text(["ls"])).rejects.toThrow("trainconf ls ended with exit code 3");
});

test("an abort interrupts the command as Ctrl-C does", async () => {
  const trainconf = python("trap 'echo stopped; exit 130' INT; echo begun >&2; while :; do sleep 0.05; done");
  const abort = new AbortController();
  const answer = await trainconf.run([], { signal: abort.signal, heard: () => abort.abort() });
  expect(answer).toMatchObject({ code: 130, out: "stopped\n" });
});

test("a Python that is not there rejects", async () => {
  await expect(new Trainconf("/nowhere/python", "/").text(["ls"])).rejects.toThrow("ENOENT");
});

test("a command is shown as it would be typed", () => {
  expect(command(["rerun", "run-1", "params.note=it's"])).toBe(`trainconf rerun run-1 'params.note=it'"'"'s'`);
});

test("typed words are parted by blanks, and quotes hold them together", () => {
  expect(words("  params.lr=0.1,0.2 'a b'=\"c d\" '' ")).toEqual(["params.lr=0.1,0.2", "a b=c d", ""]);
  expect(words("")).toEqual([]);
  expect(() => words("a='b")).toThrow("not closed");
});

test("the id of what was submitted is all that is printed", () => {
  expect(submitted("iris-20261129-1247-vwcq\n")).toBe("iris-20261129-1247-vwcq");
  expect(submitted("")).toBeUndefined();
  expect(submitted("two words\n")).toBeUndefined();
});

test("a log has no colours, and of a progress bar its last state", () => {
  expect(plain("\x1b[32mepoch\x1b[0m 1\r\n  0 %\r 50 %\r100 %\r\nend")).toBe("epoch 1\n100 %\nend");
});
