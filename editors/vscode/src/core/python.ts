// Which Python has trainconf, and what to type where none has. Knows nothing of VS Code.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { answered, quoted } from "./cli";

export const OLDEST = "0.1.0";
const VERBS = ["lsp", "config", "plan", "ls", "sweep"];
const PACKAGE = "'trainconf[editor]'";
const LOOK = `
import importlib.util, json, sys
found = {"executable": sys.executable, "python": sys.version_info[:2], "version": "", "verbs": []}
try:
    import trainconf
    found["version"] = getattr(trainconf, "__version__", "")
    from trainconf.cli.verbs import VERBS
    found["verbs"] = list(VERBS)
except ImportError:
    pass
for name in ("pygls", "debugpy"):
    found[name] = importlib.util.find_spec(name) is not None
print(json.dumps(found))
`;

export interface Found {
  executable: string;
  python: [number, number];
  version: string;
  verbs: string[];
  pygls: boolean;
  debugpy: boolean;
}

/** Why a Python will not do, and the command that mends it; empty where nothing is to be typed. */
export interface Trouble {
  said: string;
  type: string;
}

/**
 * Where a Python may be, the likeliest first. A setting is taken at its word: nothing else is tried.
 * `within` is the folder of the window, in which the workspace is.
 */
export function candidates(setting: string, folder: string, ofExtension: string | undefined, within = folder): string[] {
  if (setting) {
    return [setting.replaceAll("${workspaceFolder}", within)];
  }
  const here = [folder, within].flatMap((at) => [".venv", "venv"].map((name) => join(at, name, "bin", "python"))).filter((path) => existsSync(path));
  return [...new Set([...here, ...(ofExtension ? [ofExtension] : []), "python3", "python"])];
}

/** What a Python has; undefined where it does not start. */
export async function look(python: string, folder: string): Promise<Found | undefined> {
  try {
    const answer = await answered(spawn(python, ["-c", LOOK], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] }));
    return answer.code === 0 ? (JSON.parse(answer.out) as Found) : undefined;
  } catch {
    return undefined; // there is no such file, or it is no Python
  }
}

/** The first Python that has trainconf, or else what is wrong with the first that starts. */
export async function choose(
  paths: readonly string[], folder: string, looked: typeof look = look,
): Promise<{ found: Found } | { trouble: Trouble }> {
  let first: Found | undefined;
  for (const path of paths) {
    const found = await looked(path, folder);
    if (found && !trouble(found)) {
      return { found };
    }
    first = first?.version ? first : found?.version ? found : (first ?? found);
  }
  const none = { said: `no Python was found: ${paths.join(", ")} do not start. Set trainconf.python to one`, type: "" };
  return { trouble: (first && trouble(first)) ?? none };
}

/** Why a Python will not do at all. */
export function trouble(found: Found): Trouble | undefined {
  const named = `${found.executable} (Python ${found.python.join(".")})`;
  if (found.python[0] < 3 || (found.python[0] === 3 && found.python[1] < 10)) {
    return { said: `${named} is too old: trainconf needs Python 3.10 or later. Set trainconf.python to another`, type: "" };
  }
  if (!found.version) {
    return { said: `${named} has no trainconf`, type: install(found) };
  }
  if (isOlder(found.version, OLDEST) || VERBS.some((verb) => !found.verbs.includes(verb))) {
    return { said: `trainconf ${found.version} of ${named} is too old for this extension`, type: install(found, "--upgrade ") };
  }
  return undefined;
}

/** What is missing for one feature of the editor; the others work. */
export function missing(found: Found, name: "pygls" | "debugpy", what: string): Trouble | undefined {
  return found[name] ? undefined : { said: `${what} needs ${name}, which ${found.executable} does not have`, type: install(found) };
}

function install(found: Found, flags = ""): string {
  return `${quoted(found.executable)} -m pip install ${flags}${PACKAGE}`;
}

/** Whether a version comes before another. What follows the numbers, as in 0.2.0rc1, does not count. */
export function isOlder(version: string, than: string): boolean {
  const numbers = (text: string) => (/^\d+(\.\d+)*/.exec(text)?.[0] ?? "0").split(".").map(Number);
  const [a, b] = [numbers(version), numbers(than)];
  const at = [...Array(Math.max(a.length, b.length)).keys()].find((place) => (a[place] ?? 0) !== (b[place] ?? 0));
  return at !== undefined && (a[at] ?? 0) < (b[at] ?? 0);
}
