// Starts trainconf, and reads what it answers. Knows nothing of VS Code.
import { spawn, type ChildProcess } from "node:child_process";

export interface Answer {
  code: number;
  out: string;
  err: string;
}

/** What trainconf said instead of doing what it was asked: its first sentence, its hint, and everything. */
export class Failure extends Error {
  readonly hint: string;

  constructor(readonly command: string, readonly answer: Answer) {
    const told = mistake(answer.err);
    super(told.sentence || `${command} ended with exit code ${answer.code}`);
    this.hint = told.hint;
  }

  get details(): string {
    return `$ ${this.command}\n${this.answer.out}${this.answer.err}`;
  }
}

/** The first mistake on standard error: a sentence with indented facts below it, or else the last line; and its hint. */
export function mistake(err: string): { sentence: string; hint: string } {
  const lines = err.split("\n").filter((line) => line.trim() !== "");
  const at = lines.findIndex((line, place) => /^\S/.test(line) && /^( {2}\S|hint: )/.test(lines[place + 1] ?? ""));
  const spoken = lines.filter((line) => !/^( |hint: )/.test(line));
  const hint = lines.find((line) => line.startsWith("hint: ")) ?? "";
  return { sentence: (at >= 0 ? lines[at] : spoken.at(-1)) ?? "", hint: hint.slice("hint: ".length) };
}

export interface Options {
  signal?: AbortSignal;
  heard?: (text: string) => void;
}

/** trainconf of one Python, in one folder. */
export class Trainconf {
  constructor(readonly python: string, readonly folder: string) {}

  start(words: readonly string[]): ChildProcess {
    // COLUMNS: no terminal says how wide a table may be
    const env = { ...process.env, COLUMNS: "160", NO_COLOR: "1", PYTHONIOENCODING: "utf-8" };
    return spawn(this.python, ["-m", "trainconf", ...words], { cwd: this.folder, env, stdio: ["ignore", "pipe", "pipe"] });
  }

  /** Run it to its end. An abort interrupts it as Ctrl-C does. */
  run(words: readonly string[], options: Options = {}): Promise<Answer> {
    return answered(this.start(words), options);
  }

  /** Its standard output. Raises Failure unless it ends with one of these exit codes. */
  async text(words: readonly string[], options: Options = {}, codes: readonly number[] = [0]): Promise<string> {
    const answer = await this.run(words, options);
    if (!codes.includes(answer.code)) {
      throw new Failure(command(words), answer);
    }
    return answer.out;
  }

  async json<T>(words: readonly string[], codes: readonly number[] = [0]): Promise<T> {
    return JSON.parse(await this.text(words, {}, codes)) as T;
  }
}

export function answered(child: ChildProcess, { signal, heard }: Options = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const answer: Answer = { code: 0, out: "", err: "" };
    const stop = () => child.kill("SIGINT");
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) {
      stop();
    }
    child.stdout?.setEncoding("utf8").on("data", (text: string) => void (answer.out += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      answer.err += text;
      heard?.(text);
    });
    child.on("error", reject);
    child.on("close", (code) => {
      signal?.removeEventListener("abort", stop);
      resolve({ ...answer, code: code ?? 130 });
    });
  });
}

/** A command as a person would type it. */
export function command(words: readonly string[]): string {
  return ["trainconf", ...words].map(quoted).join(" ");
}

export function quoted(word: string): string {
  return /^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

/** What somebody typed, as words: blanks part them, quotes hold them together. Raises Error for a quote that is not closed. */
export function words(text: string): string[] {
  const found: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (const sign of text) {
    if (quote) {
      quote = sign === quote ? "" : quote;
      word = quote ? word + sign : word;
    } else if (sign === "'" || sign === '"') {
      quote = sign;
      word ??= "";
    } else if (/\s/.test(sign)) {
      if (word !== undefined) {
        found.push(word);
      }
      word = undefined;
    } else {
      word = (word ?? "") + sign;
    }
  }
  if (quote) {
    throw new Error(`a ${quote} is not closed`);
  }
  return word === undefined ? found : [...found, word];
}

/** The id that a submission which does not wait prints, with nothing else on its standard output. */
export function submitted(out: string): string | undefined {
  return /^\S+$/.exec(out.trim())?.[0];
}

/** Lines of a terminal as plain text: no colours, and of a line that was written over what was left of it. */
export function plain(text: string): string {
  const uncoloured = text.replace(/\x1b\[[0-9;?]*[ -/]*[@-~]/g, "").replaceAll("\r\n", "\n");
  return uncoloured.split("\n").map((line) => line.slice(line.replace(/\r+$/, "").lastIndexOf("\r") + 1).replaceAll("\r", "")).join("\n");
}
