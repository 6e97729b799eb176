// The commands: each is a verb of trainconf, on what was chosen in the tree, by a code lens, or in a list.
import { existsSync, promises as files } from "node:fs";
import { join, resolve } from "node:path";
import * as vscode from "vscode";
import { type CodeDiff, pairs } from "./core/changes";
import { submitted, words } from "./core/cli";
import { type ExperimentNode, isActive, type RunNode, type SweepNode } from "./core/model";
import { type Checked, problems } from "./core/problems";
import { firstLine } from "./core/servers";
import type { Folder, Folders } from "./folders";
import type { Logs } from "./logs";
import type { Pages } from "./page";
import { tell, tellFailure } from "./tell";
import type { Texts } from "./texts";
import type { Line } from "./tree";

const BACKGROUND = "submit.detach=true";

/** What is started: an experiment by its name, or a frozen file by its path. */
interface Experiment {
  folder: Folder;
  name: string;
}

interface Recorded {
  folder: Folder;
  node: RunNode | SweepNode;
}

interface Shown {
  run_dir: string;
  spec: { code: { snapshot: string } };
}

export class Actions {
  private readonly problems = vscode.languages.createDiagnosticCollection("trainconf check");

  constructor(
    private readonly context: vscode.ExtensionContext, private readonly folders: Folders, private readonly logs: Logs,
    private readonly pages: Pages, private readonly texts: Texts, private readonly output: vscode.OutputChannel,
  ) {
    const typed = vscode.workspace.onDidChangeTextDocument(({ document }) => this.problems.delete(document.uri)); // check saw another text
    context.subscriptions.push(this.problems, typed);
  }

  register(): void {
    const commands: Record<string, (...given: never[]) => Promise<void> | void> = {
      run: this.onExperiment("Run", (on) => this.submit(on, [])),
      runOn: this.onExperiment("Run on", (on) => this.runOn(on)),
      plan: this.onExperiment("Plan", (on) => this.plan(on)),
      sweep: this.onExperiment("Sweep", (on) => this.sweep(on)),
      debug: this.onExperiment("Debug", (on) => this.debug(on)),
      check: (given?: string | Line, name?: string) => this.checkOrCompare(given, name),
      freeze: (given: Line) => this.freeze(given),
      logs: this.onRecorded("Logs of", ({ folder, node }) => this.logs.show(folder.trainconf, node.id)),
      cancel: this.onRecorded("Cancel", (on) => this.cancel(on), true),
      rerun: this.onRecorded("Run again", (on) => this.rerun(on)),
      download: this.onRecorded("Download outputs of", (on) => this.download(on)),
      whatRan: this.onRecorded("Show the code of", (on) => this.whatRan(on)),
      tensorboard: this.onRecorded("Open in TensorBoard", (on) => this.tensorboard(on)),
      compare: (given: Line, all?: Line[]) => this.compare(all ?? [given]),
      page: (given?: Line) => this.page(given),
      active: () => this.active(),
      troubled: ({ folder }: Line) => tell(folder.trouble ?? { said: "nothing is wrong", type: "" }, this.output),
    };
    for (const [name, action] of Object.entries(commands)) {
      const guarded = async (...given: never[]) => {
        try {
          await action(...given);
        } catch (error) {
          await tellFailure(error, this.output);
        }
      };
      this.context.subscriptions.push(vscode.commands.registerCommand(`trainconf.${name}`, guarded));
    }
  }

  // ---------------------------------------------------------- what was chosen

  /** A code lens gives a folder's path and an experiment's name, the tree a line; the command palette nothing: a list is shown. */
  private onExperiment(title: string, action: (on: Experiment) => Promise<void>) {
    return async (given?: string | Line, name?: string) => {
      const chosen = typeof given === "string" ? await this.named(given, name ?? "") : given ? ofLine(given) : await this.choose(title);
      if (chosen) {
        await action(chosen);
      }
    };
  }

  private async named(path: string, name: string): Promise<Experiment> {
    return { folder: await this.folders.at(path), name };
  }

  private async choose(title: string): Promise<Experiment | undefined> {
    const items = this.folders.all.flatMap((folder) =>
      folder.experiments.flatMap(({ choice }) => (choice ? [{ label: choice.choice, description: folder.at.name, folder, name: choice.choice }] : [])),
    );
    if (!items.length) {
      throw new Error("no experiment was found: `trainconf init` in a terminal makes the first");
    }
    return vscode.window.showQuickPick(items, { title: `${title} which experiment?`, matchOnDescription: true });
  }

  private onRecorded(title: string, action: (on: Recorded) => Promise<void> | void, onlyActive = false) {
    return async (given?: Line) => {
      const chosen = given ? recorded(given) : await this.chooseRecorded(title, onlyActive);
      if (chosen) {
        await action(chosen);
      }
    };
  }

  private async chooseRecorded(title: string, onlyActive: boolean): Promise<Recorded | undefined> {
    const all = this.folders.all.flatMap((folder) =>
      folder.experiments.flatMap(({ children }) => children.flatMap((node) => [node, ...(node.kind === "sweep" ? node.children : [])])
        .map((node) => ({ label: node.id, description: status(node), folder, node }))),
    );
    const items = all.filter(({ node }) => !onlyActive || isActive(status(node)));
    if (!items.length) {
      throw new Error(onlyActive ? "nothing runs" : "there are no runs yet");
    }
    return vscode.window.showQuickPick(items, { title: `${title} which run or sweep?`, matchOnDescription: true });
  }

  // ---------------------------------------------------------- submissions

  private async submit({ folder, name }: Experiment, more: string[], isSweep = false): Promise<void> {
    if (isFrozen(name)) {
      await this.begin(folder, `running ${name}`, ["run", "--detach", name]);
      return;
    }
    await this.begin(folder, `starting ${name}`, [...(isSweep ? ["-m"] : []), `experiment=${name}`, ...more, BACKGROUND]);
  }

  /** Submit in the background, then show the log. */
  private async begin(folder: Folder, title: string, submission: string[]): Promise<void> {
    const out = await this.progress(folder, title, submission);
    await this.folders.refresh();
    const id = submitted(out);
    if (id) {
      this.logs.show(folder.trainconf, id);
    } else {
      void vscode.window.showInformationMessage(out.trim() || "nothing was started");
    }
  }

  private async runOn(on: Experiment): Promise<void> {
    const targets = Object.entries(on.folder.groups)
      .filter(([group]) => group === "compute" || group.startsWith("compute/"))
      .flatMap(([group, choices]) => Object.entries(choices).map(([choice, file]) => ({
        label: `${group}/${choice}`.slice("compute/".length),
        description: file.startsWith(on.folder.path) ? "of this workspace" : "",
      })));
    const target = await vscode.window.showQuickPick(targets, { title: `Run ${on.name} on…` });
    if (target) {
      const more = await ask(`Run ${on.name} on ${target.label}`, "Overrides, such as params.lr=0.1; or nothing");
      if (more) {
        await this.submit(on, [`compute=${target.label}`, ...more]);
      }
    }
  }

  private async sweep(on: Experiment): Promise<void> {
    const kinds = Object.keys(on.folder.groups["sweep"] ?? {}).map((label) => ({ label }));
    const own = { label: "as the experiment says", description: "its sweep and its values" };
    const kind = await vscode.window.showQuickPick([own, ...kinds], { title: `Sweep of ${on.name}` });
    if (!kind) {
      return;
    }
    const hint = "Values, such as params.lr=0.1,0.2 or 'params.lr=loguniform(1e-4,1)' sweep.max_total_runs=20";
    const more = await ask(`Sweep of ${on.name}`, hint, on.folder.rows.find((row) => row.experiment === on.name) ? "" : "params.lr=0.1,0.2");
    if (more) {
      await this.submit(on, [...(kind === own ? [] : [`sweep=${kind.label}`]), ...more], true);
    }
  }

  private async rerun({ folder, node }: Recorded): Promise<void> {
    const more = await ask(`Run ${node.id} again`, "Values to change, such as params.lr=0.2; or nothing");
    if (more) {
      await this.begin(folder, `running ${node.id} again`, ["rerun", node.id, ...more, BACKGROUND]);
    }
  }

  private async plan({ folder, name }: Experiment): Promise<void> {
    const out = await this.progress(folder, `planning ${name}`, ["plan", `experiment=${name}`]);
    await this.texts.show(`plan of ${name}`, out);
  }

  private async debug({ folder, name }: Experiment): Promise<void> {
    const wanted = { type: "trainconf", request: "launch", name: `Debug ${name}`, experiment: name, workspace: folder.path };
    await vscode.debug.startDebugging(folder.within, wanted);
  }

  /** A frozen file is compared with today, anything else is the whole workspace. */
  private async checkOrCompare(given?: string | Line, name = ""): Promise<void> {
    const folder = typeof given === "string" ? await this.folders.at(given) : (given?.folder ?? this.folders.all[0]);
    if (!folder) {
      throw new Error("no folder of this window is a workspace of trainconf");
    }
    if (!isFrozen(name)) {
      await this.check(folder);
      return;
    }
    const out = await this.progress(folder, `comparing ${name} with today`, ["freeze", "--check", name], [0, 1]);
    await this.texts.show(`check of ${name.split("/").at(-1)}`, out || "it is still what would run\n");
  }

  /** Check the workspace as `trainconf check` does; what it finds is among the problems. */
  private async check(folder: Folder): Promise<void> {
    const out = await this.progress(folder, "checking every experiment", ["check", "--json"], [0, 1, 2]);
    const checked = JSON.parse(out) as Checked[];
    const wrong = problems(checked);
    const byFile = new Map<string, vscode.Diagnostic[]>();
    for (const { file, line, said } of wrong) {
      const diagnostic = new vscode.Diagnostic(new vscode.Range(line, 0, line, 1000), said);
      diagnostic.source = "trainconf check";
      byFile.set(file, [...(byFile.get(file) ?? []), diagnostic]);
    }
    this.problems.clear();
    byFile.forEach((said, file) => this.problems.set(vscode.Uri.file(resolve(folder.path, file)), said));
    if (wrong.length) {
      await vscode.commands.executeCommand("workbench.actions.view.problems");
    } else {
      void vscode.window.showInformationMessage(`trainconf check: ${checked.length} checked, none is wrong`);
    }
  }

  private async freeze(given?: Line): Promise<void> {
    const on = given && given.node.kind !== "experiment" ? recorded(given) : undefined;
    const of = on ?? (given ? ofLine(given) : await this.choose("Freeze"));
    if (!of) {
      return;
    }
    const [source, name] = "node" in of ? [of.node.id, of.node.id] : [`experiment=${of.name}`, of.name.replaceAll("/", "-")];
    const file = await vscode.window.showSaveDialog({
      defaultUri: vscode.Uri.file(join(of.folder.path, `${name}.lock.yaml`)), filters: { YAML: ["yaml"] }, title: `Freeze ${name}`,
    });
    if (file) {
      await this.progress(of.folder, `freezing ${name}`, ["freeze", source, "-o", file.fsPath]);
      await vscode.window.showTextDocument(file);
    }
  }

  // ---------------------------------------------------------- what was recorded

  private async cancel({ folder, node }: Recorded): Promise<void> {
    const what = node.kind === "sweep" ? `the sweep ${node.id} and its trials` : node.id;
    const sure = await vscode.window.showWarningMessage(`Cancel ${what}?`, { modal: true, detail: "What runs is ended." }, "Cancel it");
    if (sure) {
      await this.progress(folder, `canceling ${node.id}`, ["cancel", node.id]);
      await this.folders.refresh();
    }
  }

  private async download({ folder, node }: Recorded): Promise<void> {
    const [into] = (await vscode.window.showOpenDialog({
      canSelectFolders: true, canSelectFiles: false, openLabel: "Download to here", title: `Download the outputs of ${node.id}`,
    })) ?? [];
    if (into) {
      await this.progress(folder, `downloading the outputs of ${node.id}`, ["download", node.id, "outputs", into.fsPath]);
      void vscode.window.showInformationMessage(`The outputs of ${node.id} are in ${into.fsPath}`);
    }
  }

  /** The files that differ between what ran and the working tree, side by side. */
  private async whatRan({ folder, node }: Recorded): Promise<void> {
    const id = node.kind === "sweep" ? (node.sweep.best?.run_id ?? node.children[0]?.id ?? node.id) : node.id;
    const { trainconf } = folder;
    const diff = await trainconf.json<CodeDiff>(["diff", id, "--json"], [0, 1, 2]);
    const shown = await trainconf.json<Shown>(["show", id, "--json"]);
    if (diff.trouble) {
      throw new Error(diff.trouble);
    }
    if (!diff.files.length) {
      void vscode.window.showInformationMessage(`The code of ${id} is the code of today.`);
      return;
    }
    const record = JSON.parse(await files.readFile(join(shown.run_dir, "run.json"), "utf8")) as { source_directory: string };
    const ran = await this.restored(folder, shown.spec.code.snapshot);
    const [first, ...more] = pairs(diff, ran, record.source_directory);
    const uri = (path: string | undefined) => (path === undefined ? undefined : vscode.Uri.file(path));
    if (first?.ran && first.now && !more.length) {
      await vscode.commands.executeCommand("vscode.diff", uri(first.ran), uri(first.now), `${first.path}: ${id} ↔ today`);
      return;
    }
    const all = [first, ...more].flatMap((pair) => (pair ? [[uri(pair.now ?? pair.ran), uri(pair.ran), uri(pair.now)]] : []));
    await vscode.commands.executeCommand("vscode.changes", `${id} ↔ today`, all);
  }

  /** A snapshot in a folder of the extension's own: the copy in a run's folder may have been changed by its job. */
  private async restored(folder: Folder, snapshot: string): Promise<string> {
    const into = join(this.context.globalStorageUri.fsPath, "snapshots");
    const path = join(into, snapshot.slice(0, 24));
    if (!existsSync(path)) {
      await files.mkdir(into, { recursive: true });
      await folder.trainconf.text(["snapshot", "restore", snapshot, path]);
    }
    return path;
  }

  private async compare(lines: Line[]): Promise<void> {
    const chosen = lines.flatMap((line) => (line && (line.node.kind === "run" || line.node.kind === "sweep") ? [line] : []));
    const [first] = chosen;
    let ids = chosen.map(({ node }) => node.id);
    const folder = first?.folder ?? this.folders.all[0];
    if (!folder) {
      throw new Error("no folder of this window is a workspace of trainconf");
    }
    if (ids.length < 2 && first?.node.kind !== "sweep") {
      const others = folder.rows.filter((row) => !ids.includes(row.run)).map((row) => ({ label: row.run, description: row.status }));
      const title = first ? `Compare ${first.node.id} with…` : "Compare which runs?";
      ids = [...ids, ...((await vscode.window.showQuickPick(others, { canPickMany: true, title })) ?? []).map(({ label }) => label)];
    }
    if (ids.length > 1 || first?.node.kind === "sweep") {
      await this.texts.show(`compare ${ids.join(" ")}`, await this.progress(folder, "comparing", ["compare", ...ids]));
    }
  }

  private async tensorboard({ folder, node }: Recorded): Promise<void> {
    const child = folder.trainconf.start(["tensorboard", node.id]);
    this.context.subscriptions.push({ dispose: () => child.kill("SIGINT") });
    const location = vscode.ProgressLocation.Notification;
    const link = await vscode.window.withProgress({ location, title: "trainconf: starting TensorBoard", cancellable: true }, (_, token) => {
      token.onCancellationRequested(() => child.kill("SIGINT"));
      return firstLine(child, /(https?:\/\/\S+)/);
    });
    await vscode.env.openExternal(await vscode.env.asExternalUri(vscode.Uri.parse(link)));
  }

  private page(given?: Line): void {
    const folder = given?.folder ?? this.folders.all[0];
    if (!folder) {
      throw new Error("no folder of this window is a workspace of trainconf");
    }
    this.pages.show(folder, (error) => void tellFailure(error, this.output));
  }

  private async active(): Promise<void> {
    if (this.folders.all.some((folder) => folder.isActive)) {
      await vscode.commands.executeCommand("trainconf.logs");
    } else {
      await vscode.commands.executeCommand("trainconf.runs.focus");
    }
  }

  /** Run a command with a notification that can cancel it, as Ctrl-C would. */
  private progress(folder: Folder, title: string, command: string[], codes?: number[]): Thenable<string> {
    const location = vscode.ProgressLocation.Notification;
    return vscode.window.withProgress({ location, title: `trainconf: ${title}`, cancellable: true }, (progress, token) => {
      const abort = new AbortController();
      token.onCancellationRequested(() => abort.abort());
      const heard = (text: string) => progress.report({ message: text.trim().split("\n").at(-1) ?? "" });
      return folder.trainconf.text(command, { signal: abort.signal, heard }, codes);
    });
  }
}

function isFrozen(name: string): boolean {
  return name.startsWith("/");
}

function ofLine({ folder, node }: Line): Experiment | undefined {
  const { choice } = node as ExperimentNode;
  return choice && { folder, name: choice.choice };
}

function recorded({ folder, node }: Line): Recorded | undefined {
  return node.kind === "run" || node.kind === "sweep" ? { folder, node } : undefined;
}

function status(node: RunNode | SweepNode): string {
  return node.kind === "run" ? node.row.status : node.sweep.status;
}

/** Words that somebody types; undefined when they think better of it. */
async function ask(title: string, prompt: string, value = ""): Promise<string[] | undefined> {
  const validateInput = (text: string) => {
    try {
      words(text);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  const typed = await vscode.window.showInputBox({ title, prompt, value, validateInput, ignoreFocusOut: true });
  return typed === undefined ? undefined : words(typed);
}
