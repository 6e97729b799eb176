// The folders of the window that are workspaces of trainconf: the Python of each, and what is known of its runs.
import { promises as files } from "node:fs";
import { join, relative } from "node:path";
import * as vscode from "vscode";
import { Failure, Trainconf } from "./core/cli";
import { type Choice, COLUMNS, type ExperimentNode, experimentName, flat, isActive, type Params, type Row, type SweepRow, tree } from "./core/model";
import { candidates, choose, type Found, type Trouble } from "./core/python";
import { isBelow, isWorkspace, workspacesOf } from "./core/workspaces";

export type Groups = Record<string, Record<string, string>>;

/** One of them. `trouble` says why nothing is known. */
export class Folder {
  rows: Row[] = [];
  sweeps: SweepRow[] = [];
  experiments: ExperimentNode[] = [];
  groups: Groups = {};
  found: Found | undefined;
  trouble: Trouble | undefined;
  private choices: Choice[] | undefined;
  private params = new Map<string, Params>();
  private reading: Promise<void> | undefined;
  private again = false;

  readonly at: vscode.WorkspaceFolder;

  /** `within` is the folder of the window, and `path` the workspace: the same, or below it. */
  constructor(readonly within: vscode.WorkspaceFolder, path: string) {
    const name = `${within.name}/${relative(within.uri.fsPath, path)}`;
    this.at = path === within.uri.fsPath ? within : { uri: vscode.Uri.file(path), name, index: within.index };
  }

  get path(): string {
    return this.at.uri.fsPath;
  }

  /** trainconf of this folder. Raises Error where no Python has it. */
  get trainconf(): Trainconf {
    if (!this.found) {
      throw new Error(this.trouble?.said ?? "trainconf is still being looked for");
    }
    return new Trainconf(this.found.executable, this.path);
  }

  async lookForPython(): Promise<void> {
    const setting = vscode.workspace.getConfiguration("trainconf", this.at).get<string>("python", "");
    const chosen = await choose(candidates(setting, this.path, await pythonOfExtension(this.at), this.within.uri.fsPath), this.path);
    this.found = "found" in chosen ? chosen.found : undefined;
    this.trouble = "trouble" in chosen ? chosen.trouble : undefined;
  }

  /** Config files have changed: which experiments there are is asked anew. */
  forgetChoices(): void {
    this.choices = undefined;
  }

  /** Read what there is; while that goes on, further calls are one more reading. */
  refresh(): Promise<void> {
    this.again = true;
    this.reading ??= this.read().finally(() => (this.reading = undefined));
    return this.reading;
  }

  private async read(): Promise<void> {
    while (this.again && this.found) {
      this.again = false;
      const limit = vscode.workspace.getConfiguration("trainconf", this.at).get<number>("runs.limit", 200);
      const trainconf = this.trainconf;
      try {
        [this.rows, this.sweeps] = await Promise.all([
          trainconf.json<Row[]>(["ls", "--json", "--limit", String(limit), "--columns", COLUMNS.join(",")]),
          trainconf.json<SweepRow[]>(["sweep", "ls", "--json"]),
        ]);
        await this.addParams(trainconf, limit);
        this.choices ??= await this.readChoices(trainconf);
        this.trouble = undefined;
      } catch (error) {
        this.trouble = { said: error instanceof Error ? error.message : String(error), type: error instanceof Failure ? error.hint : "" };
      }
      this.experiments = tree(this.rows, this.sweeps, this.choices ?? []);
    }
  }

  /** Params of runs that were not seen before are asked for: a run's never change. */
  private async addParams(trainconf: Trainconf, limit: number): Promise<void> {
    if (this.rows.some(({ run }) => !this.params.has(run))) {
      const all = await trainconf.json<{ run_id: string; params: Record<string, unknown> }[]>(["ls", "--json", "--limit", String(limit)]);
      this.params = new Map(all.map(({ run_id, params }) => [run_id, flat(params)]));
    }
    this.rows = this.rows.map((row) => ({ ...row, params: this.params.get(row.run) ?? {} }));
  }

  private async readChoices(trainconf: Trainconf): Promise<Choice[]> {
    this.groups = await trainconf.json<Groups>(["config", "--groups", "--json"]);
    const found = Object.entries(this.groups).flatMap(([group, choices]) =>
      Object.entries(choices).map(([name, file]) => ({ group: `${group}/`, choice: `${group}/${name}`.slice("experiment/".length), file })),
    );
    const own = found.filter(({ group, file }) => group.startsWith("experiment/") && file.startsWith(join(this.path, "/")));
    return Promise.all(own.map(async ({ choice, file }) => ({ choice, file, name: experimentName(choice, await textOf(file)) })));
  }

  get isActive(): boolean {
    return this.rows.some((row) => isActive(row.status));
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return await files.readFile(file, "utf8");
  } catch {
    return ""; // a broken link: it is listed under its own name
  }
}

/** The interpreter that the Python extension uses for a folder, where that extension is there. */
async function pythonOfExtension(folder: vscode.WorkspaceFolder): Promise<string | undefined> {
  const extension = vscode.extensions.getExtension("ms-python.python");
  const api = (await extension?.activate()) as
    | { environments?: { getActiveEnvironmentPath(resource: vscode.Uri): { path: string } | undefined } } | undefined;
  return api?.environments?.getActiveEnvironmentPath(folder.uri)?.path;
}

/** All of them, with one event for whatever changes. */
export class Folders implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly watchers = new Map<string, vscode.Disposable>();
  private known = new Map<string, Folder>();
  private timer: NodeJS.Timeout | undefined;
  private soon: NodeJS.Timeout | undefined;
  private readonly asked = new Set<string>();
  isShown = false;
  readonly onDidChange = this.changed.event;

  get all(): Folder[] {
    return [...this.known.values()];
  }

  of(path: string): Folder | undefined {
    return this.known.get(path);
  }

  /** That of a folder of the window: itself, or the first workspace below it. */
  in(at: vscode.WorkspaceFolder | undefined): Folder | undefined {
    return at ? (this.of(at.uri.fsPath) ?? this.all.find(({ within }) => within.uri.fsPath === at.uri.fsPath)) : this.all[0];
  }

  /** The workspace at a path, also where it is below another. Raises Error where no folder of the window has it. */
  async at(path: string): Promise<Folder> {
    if (!this.known.has(path)) {
      this.asked.add(path);
      await this.find();
    }
    const folder = this.of(path);
    if (!folder) {
      this.asked.delete(path);
      throw new Error(`${path} is in no folder of this window`);
    }
    return folder;
  }

  /** Find the folders anew, and the Python of each that is new or named. */
  async find(renewed: readonly Folder[] = []): Promise<void> {
    const wanted = (vscode.workspace.workspaceFolders ?? []).filter(({ uri }) => uri.scheme === "file").flatMap((at) => {
      const asked = [...this.asked].filter((path) => isBelow(path, at.uri.fsPath) && isWorkspace(path));
      return [...workspacesOf(at.uri.fsPath), ...asked].map((path) => ({ at, path }));
    });
    const before = this.known;
    this.known = new Map(wanted.map(({ at, path }) => [path, before.get(path) ?? new Folder(at, path)]));
    for (const [path, watcher] of this.watchers) {
      if (!this.known.has(path)) {
        watcher.dispose();
        this.watchers.delete(path);
      }
    }
    await Promise.all(this.all.filter((folder) => !before.has(folder.path) || renewed.includes(folder)).map((folder) => this.begin(folder)));
    this.changed.fire();
    this.tick();
  }

  private async begin(folder: Folder): Promise<void> {
    if (!this.watchers.has(folder.path)) {
      this.watchers.set(folder.path, this.watch(folder));
    }
    await folder.lookForPython();
    await folder.refresh();
  }

  private watch(folder: Folder): vscode.Disposable {
    const runs = vscode.workspace.createFileSystemWatcher(new vscode.RelativePattern(folder.at, "runs/*/*/events.jsonl"));
    const conf = vscode.workspace.createFileSystemWatcher(new vscode.RelativePattern(folder.at, "conf/**/*.yaml"));
    const seen = (forget: boolean) => () => {
      if (forget) {
        folder.forgetChoices();
      }
      clearTimeout(this.soon);
      this.soon = setTimeout(() => void this.refresh(), 300);
    };
    for (const [watcher, forget] of [[runs, false], [conf, true]] as const) {
      watcher.onDidCreate(seen(forget));
      watcher.onDidChange(seen(forget));
      watcher.onDidDelete(seen(forget));
    }
    return vscode.Disposable.from(runs, conf);
  }

  async refresh(): Promise<void> {
    await Promise.all(this.all.map((folder) => folder.refresh()));
    this.changed.fire();
  }

  /** Files are watched; a clock besides sees what other machines write, and runs whose agent was killed. */
  private tick(): void {
    clearTimeout(this.timer);
    const seconds = vscode.workspace.getConfiguration("trainconf").get<number>("refreshSeconds", 5);
    this.timer = setTimeout(async () => {
      if (this.isShown || this.all.some((folder) => folder.isActive)) {
        await this.refresh();
      }
      this.tick();
    }, Math.max(1, seconds) * 1000);
  }

  dispose(): void {
    clearTimeout(this.timer);
    clearTimeout(this.soon);
    vscode.Disposable.from(this.changed, ...this.watchers.values()).dispose();
  }
}
