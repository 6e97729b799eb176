// Which files differ between what ran and the working tree. Knows nothing of VS Code.
import { join } from "node:path";

/** Of `trainconf diff RUN --json`, whose first side is the run. */
export interface CodeDiff {
  files: { path: string; old_path: string; kind: string }[];
  trouble: string;
}

/** A file on both sides; undefined where it is not there. */
export interface Pair {
  path: string;
  ran: string | undefined;
  now: string | undefined;
}

export function pairs(diff: CodeDiff, ran: string, now: string): Pair[] {
  return diff.files.map(({ path, old_path, kind }) => ({
    path,
    ran: kind === "added" ? undefined : join(ran, old_path || path),
    now: kind === "removed" ? undefined : join(now, path),
  }));
}
