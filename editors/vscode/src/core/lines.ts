// What of the tree is drawn anew. Knows nothing of VS Code.

export const ROOT = "";

/** What a line shows, as one text, and which lines are below it. */
export interface Shown {
  face: string;
  children: readonly string[];
}

const NOTHING: Shown = { face: "", children: [] };

/**
 * The lines that are drawn anew: those that show something else, and those with other lines below them.
 * VS Code forgets what is below a line that is drawn anew until it has asked again, and a menu that is open loses its line: so no more than these.
 */
export function changed(before: ReadonlyMap<string, Shown>, after: ReadonlyMap<string, Shown>): string[] {
  const differs = ([key, { face, children }]: [string, Shown]) => {
    const old = before.get(key) ?? (key === ROOT ? NOTHING : undefined);
    return old !== undefined && (old.face !== face || old.children.join("\n") !== children.join("\n"));
  };
  const found = [...after].filter(differs).map(([key]) => key);
  return found.includes(ROOT) ? [ROOT] : found;
}
