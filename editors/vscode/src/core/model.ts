// Experiments, sweeps and runs as the tree shows them. Knows nothing of VS Code.

export const COLUMNS = ["run", "experiment", "sweep", "status", "metric", "metric.name", "metric.goal", "created", "duration", "compute", "name"];
const FINAL = new Set(["Completed", "Failed", "Canceled", "NotResponding"]);
const MOST_PARAMS = 4;
const WAITING = new Set(["NotStarted", "Queued", "Preparing"]);

/** Params by their dotted names, each as it is shown. */
export type Params = Record<string, string>;

/** A line of `trainconf ls --json --columns`, with the run's params. */
export interface Row {
  run: string;
  experiment: string;
  sweep: string | null;
  status: string;
  metric: number | string | null;
  "metric.name": string | null;
  "metric.goal": string | null;
  created: number | null;
  duration: number | null;
  compute: string | null;
  name: string | null;
  params?: Params;
}

/** A line of `trainconf sweep ls --json`. */
export interface SweepRow {
  sweep_id: string;
  kind: string;
  status: string;
  display_name: string | null;
  total: number | null;
  trials: number;
  best: { run_id: string; value: number; overrides: string[] } | null;
  metric: { name: string; goal: string } | null;
}

/** An experiment of the workspace: the words `experiment=CHOICE`, its file, and the name under which its runs are kept. */
export interface Choice {
  choice: string;
  file: string;
  name: string;
}

export interface RunNode {
  kind: "run";
  id: string;
  row: Row;
  isBest: boolean;
  params: string; // in which it differs from those beside it
}

export interface SweepNode {
  kind: "sweep";
  id: string;
  sweep: SweepRow;
  children: RunNode[];
}

export interface ExperimentNode {
  kind: "experiment";
  id: string;
  choice: Choice | undefined;
  children: (SweepNode | RunNode)[];
}

export type Node = ExperimentNode | SweepNode | RunNode;

export function isActive(status: string): boolean {
  return !FINAL.has(status);
}

export function isWaiting(status: string): boolean {
  return WAITING.has(status);
}

/** The experiments with their sweeps and runs: what goes on first, then the best by the metric of each, then the newest. */
export function tree(rows: readonly Row[], sweeps: readonly SweepRow[], choices: readonly Choice[]): ExperimentNode[] {
  const experiments = new Map<string, ExperimentNode>();
  const of = (name: string): ExperimentNode => {
    const known = experiments.get(name);
    const choice = choices.find((each) => each.name === name);
    const node: ExperimentNode = known ?? { kind: "experiment", id: name, choice, children: [] };
    experiments.set(name, node);
    return node;
  };
  choices.forEach((choice) => {
    const name = experiments.has(choice.name) ? choice.choice : choice.name; // two files may name one experiment
    experiments.set(name, { kind: "experiment", id: name, choice, children: [] });
  });
  for (const sweep of sweeps) {
    const trials = rows.filter((row) => row.sweep === sweep.sweep_id);
    const node: SweepNode = { kind: "sweep", id: sweep.sweep_id, sweep, children: ordered(trials, sweep.best?.run_id ?? null) };
    of(trials[0]?.experiment ?? experimentOf(sweep.sweep_id)).children.push(node);
  }
  const known = new Set(sweeps.map((sweep) => sweep.sweep_id));
  const alone = rows.filter((row) => row.sweep === null || !known.has(row.sweep));
  for (const name of new Set(alone.map((row) => row.experiment))) {
    of(name).children.push(...ordered(alone.filter((row) => row.experiment === name)));
  }
  return [...experiments.values()].sort((a, b) => Number(!a.choice) - Number(!b.choice) || a.id.localeCompare(b.id));
}

/** Runs in the order of the tree. The best bears its mark: of a sweep the one that trainconf names, else the first that has ended, of several. */
export function ordered(rows: readonly Row[], named?: string | null): RunNode[] {
  const sorted = [...rows].sort((a, b) => rank(a) - rank(b) || byMetric(a, b) || (b.created ?? 0) - (a.created ?? 0));
  const first = rows.length > 1 ? sorted.find((row) => !isActive(row.status) && score(row) !== undefined) : undefined;
  const best = named === undefined ? first : rows.find(({ run }) => run === named);
  const names = differing(rows);
  return sorted.map((row) => ({ kind: "run", id: row.run, row, isBest: row === best, params: given(row, names) }));
}

/** The params of a run as they are in its record, by dotted names. */
export function flat(params: Record<string, unknown>, above = ""): Params {
  const parts = Object.entries(params).map(([name, value]): Params => {
    const isMapping = typeof value === "object" && value !== null && !Array.isArray(value);
    return isMapping ? flat(value as Record<string, unknown>, `${above}${name}.`) : { [above + name]: typeof value === "string" ? value : JSON.stringify(value) };
  });
  return Object.assign({}, ...parts) as Params;
}

/** The names of the params that are not the same in all of these runs. */
function differing(rows: readonly Row[]): string[] {
  const names = new Set(rows.flatMap(({ params }) => Object.keys(params ?? {})));
  return [...names].filter((name) => new Set(rows.map(({ params }) => params?.[name])).size > 1).sort();
}

/** Params as a person would type them, as many as there is room for. */
export function given({ params = {} }: Row, names = Object.keys(params)): string {
  const known = names.filter((name) => name in params).map((name) => `${name}=${params[name]}`);
  return known.length > MOST_PARAMS ? `${known.slice(0, MOST_PARAMS).join(" ")} …` : known.join(" ");
}

function rank(row: Row): number {
  return isActive(row.status) ? 0 : score(row) !== undefined ? 1 : 2;
}

function byMetric(a: Row, b: Row): number {
  return isActive(a.status) ? 0 : (score(b) ?? 0) - (score(a) ?? 0);
}

/** Higher is better; undefined without a number. */
function score(row: Row): number | undefined {
  return typeof row.metric !== "number" ? undefined : row["metric.goal"] === "minimize" ? -row.metric : row.metric;
}

/** The experiment in an id such as digits-20261123-0532-x7k2. */
export function experimentOf(id: string): string {
  return id.replace(/-\d{8}-\d{4}-\w+$/, "");
}

/** The name under which the runs of an experiment's file are kept: what it says itself, or else the file's own. */
export function experimentName(choice: string, text: string): string {
  const said = /^experiment_name:[ \t]*(?:"([^"\n]+)"|'([^'\n]+)'|([^\s#"'][^\n#]*))/m.exec(text);
  const name = (said?.[1] ?? said?.[2] ?? said?.[3])?.trim();
  return name && !name.includes("${") ? name : (choice.split("/").at(-1) ?? choice);
}

/** What a run is called in a narrow tree: its name, or else its value, or else its state. Its id is long, and begins as that of its neighbours. */
export function label(row: Row): string {
  return row.name ?? value(row) ?? row.status;
}

export function sweepLabel(sweep: SweepRow): string {
  return sweep.display_name ?? `${sweep.kind} sweep`;
}

/** What stands beside the label of a run: its params, its value, its state, what it ran on, and the letters by which commands know it. */
export function described(row: Row, params = ""): string {
  const state = row.status === "Completed" ? undefined : row.status;
  const parts = [params, value(row), state, row.duration === null ? undefined : duration(row.duration), row.compute, lastLetters(row.run)];
  return parts.filter((part) => part && part !== label(row)).join(" · ");
}

function value(row: Row): string | undefined {
  return typeof row.metric === "number" ? `${number(row.metric)} ${row["metric.name"] ?? ""}`.trim() : undefined;
}

/** Of digits-20261123-0532-x7k2 the last part. */
export function lastLetters(id: string): string {
  return id.split("-").at(-1) ?? id;
}

export function describedSweep({ sweep, children }: SweepNode): string {
  const ended = children.filter(({ row }) => !isActive(row.status)).length;
  const best = sweep.best ? [`best ${number(sweep.best.value)} ${sweep.metric?.name ?? ""}`.trim()] : [];
  const state = sweep.status === "Completed" ? [] : [sweep.status];
  const kind = sweep.display_name === null ? [] : [sweep.kind];
  return [...best, ...state, `${ended} of ${sweep.total ?? sweep.trials} trials`, ...kind, lastLetters(sweep.sweep_id)].join(" · ");
}

export function number(value: number): string {
  return String(Number(value.toPrecision(4)));
}

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) {
    return `${Number(seconds.toPrecision(2))} s`;
  }
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** All params of a run, a line each. */
export function lines({ params = {} }: Row): string[] {
  return Object.entries(params).map(([name, value]) => `${name}=${value}`);
}

/** What goes on, a line each, with the first params. */
export function goingOn(rows: readonly Row[]): string {
  return rows.filter((row) => isActive(row.status)).map((row) => `${row.run}: ${row.status}  ${given(row)}`.trimEnd()).join("\n");
}

/** What the status bar says; empty when nothing goes on. */
export function standing(rows: readonly Row[]): string {
  const active = rows.filter((row) => isActive(row.status));
  const waiting = active.filter((row) => isWaiting(row.status)).length;
  const parts = [[active.length - waiting, "running"], [waiting, "waiting"]] as const;
  return parts.filter(([count]) => count).map(([count, word]) => `${count} ${word}`).join(", ");
}
