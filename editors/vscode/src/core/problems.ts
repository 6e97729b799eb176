// What `trainconf check --json` tells, as problems in files. Knows nothing of VS Code.

/** A choice, a command in a comment, or a frozen file. Its place is a file of the workspace, with the line of a command. */
export interface Checked {
  what: string;
  place: string;
  mistakes: { what: string; facts: Record<string, string>; hint?: string }[];
}

/** A problem in a file, at a line counted from 0. */
export interface Problem {
  file: string;
  line: number;
  said: string;
}

/** One for each mistake: where it comes from if that is a line of a file of the workspace, or else where what was checked stands. */
export function problems(checked: readonly Checked[]): Problem[] {
  return checked.flatMap(({ what, place, mistakes }) =>
    mistakes.map((mistake) => {
      const from = /^(?!shipped |command line: )(\S.*\.ya?ml):(\d+)$/.exec(mistake.facts["from"] ?? "");
      const [, file = place, line = "1"] = from ?? /^(.*?):(\d+)$/.exec(place) ?? [];
      return { file, line: Math.max(0, Number(line) - 1), said: `${what}: ${told(mistake)}` };
    }),
  );
}

function told({ what, facts, hint }: Checked["mistakes"][number]): string {
  const known = Object.entries(facts).filter(([name]) => name !== "from").map(([name, value]) => `\n  ${name}: ${value}`);
  return [what, ...known, hint ? `\nhint: ${hint}` : ""].join("");
}
