// Where workspaces of trainconf are. Knows nothing of VS Code.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const MARKS = [join("conf", "experiment"), join("conf", "trainconf"), ".trainconf"];
const DEPTH = 2;
const MOST = 8;

export function isWorkspace(path: string): boolean {
  return MARKS.some((mark) => existsSync(join(path, mark)));
}

/** A folder of the window where it is a workspace, or else those at most two folders below it, the first eight. */
export function workspacesOf(folder: string): string[] {
  return search(folder, DEPTH).slice(0, MOST);
}

function search(folder: string, depth: number): string[] {
  if (isWorkspace(folder)) {
    return [folder];
  }
  return depth ? foldersIn(folder).flatMap((name) => search(join(folder, name), depth - 1)) : [];
}

function foldersIn(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory() && !/^(\.|node_modules$)/.test(entry.name)).map(({ name }) => name).sort();
  } catch {
    return []; // it may not be read, or is gone
  }
}

export function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
