// What a debugger starts for an experiment, from its plan. Knows nothing of VS Code.
import { delimiter, isAbsolute, join } from "node:path";

/** Of `trainconf plan --json` what a debugger needs. */
export interface Plan {
  ranks: { argv: string[]; env: Record<string, string>; is_service: boolean }[];
  env: Record<string, string>;
  secret_env: string[];
  not_inherited: string[];
  first_on_path: string[];
}

/** What debugpy is asked to launch. A variable that is null is taken away. */
export interface Launch {
  program?: string;
  module?: string;
  args: string[];
  python: string;
  cwd: string;
  env: Record<string, string | null>;
}

const PYTHON = /^python[\d.]*$/;
const WITH_A_VALUE = new Set(["-W", "-X"]);

/**
 * The only process of a plan as debugpy starts it, in the source directory: breakpoints are set there, not in a run's copy.
 * No run is recorded: the variables that name one are left out, and what the script logs goes nowhere.
 * Raises Error where the plan has more than one process, or one that is not Python.
 */
export function launchOf(plan: Plan, source: string, path: string): Launch {
  const [rank, ...more] = plan.ranks.filter((each) => !each.is_service);
  if (!rank || more.length) {
    throw new Error(`it starts ${1 + more.length} processes, and one is debugged: choose distributed=none`);
  }
  const [python = "", ...words] = rank.argv;
  if (!PYTHON.test(python.split("/").at(-1) ?? "")) {
    throw new Error(`it starts ${python}, which is no Python`);
  }
  const flags: string[] = [];
  while (words[0]?.startsWith("-") && words[0] !== "-m" && words[0] !== "-c") {
    flags.push(...words.splice(0, WITH_A_VALUE.has(words[0]) ? 2 : 1));
  }
  if (flags.length) {
    throw new Error(`it starts Python with ${flags.join(" ")}, which a debugger does not pass on`);
  }
  const isModule = words[0] === "-m";
  const what = words[isModule ? 1 : 0];
  if (!what || what === "-c") {
    throw new Error("it starts no script and no module");
  }
  const started = isModule ? { module: what } : { program: isAbsolute(what) ? what : join(source, what) };
  const own = { ...plan.env, ...rank.env };
  const kept = Object.entries(own).filter(([name]) => !/^TRAINCONF_(RUN_ID|RUN_DIR|PARAMS|ATTEMPT)$/.test(name));
  const env: Record<string, string | null> = Object.fromEntries(plan.not_inherited.map((name) => [name, null]));
  Object.assign(env, Object.fromEntries(kept));
  env["PATH"] = [...plan.first_on_path, own["PATH"] ?? path].join(delimiter);
  return { ...started, args: words.slice(isModule ? 2 : 1), python, cwd: source, env };
}
