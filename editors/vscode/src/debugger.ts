// Debug an experiment: its script under debugpy, as a run would start it.
import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import * as vscode from "vscode";
import type { Folder, Folders } from "./folders";
import { launchOf, type Plan } from "./core/launch";
import { missing } from "./core/python";
import { tell, tellFailure } from "./tell";

interface Wanted extends vscode.DebugConfiguration {
  experiment?: string;
  overrides?: string[];
  workspace?: string;
  justMyCode?: boolean;
  stopOnEntry?: boolean;
}

export class Debugger implements vscode.DebugConfigurationProvider, vscode.DebugAdapterDescriptorFactory {
  constructor(private readonly folders: Folders, private readonly output: vscode.OutputChannel) {}

  /** What a launch.json says, or a command: `experiment` and `overrides`. What debugpy is asked for is put beside them. */
  async resolveDebugConfigurationWithSubstitutedVariables(
    at: vscode.WorkspaceFolder | undefined, wanted: Wanted,
  ): Promise<vscode.DebugConfiguration | undefined> {
    const folder = wanted.workspace ? this.folders.of(wanted.workspace) : this.folders.in(at);
    if (!folder?.found) {
      await tellFailure(new Error(folder?.trouble?.said ?? "no folder of this window is a workspace of trainconf"), this.output);
      return undefined;
    }
    const trouble = missing(folder.found, "debugpy", "Debugging");
    if (trouble) {
      void tell(trouble, this.output);
      return undefined;
    }
    if (!wanted.experiment) {
      await tellFailure(new Error('say what to debug in launch.json: "experiment": "NAME"'), this.output);
      return undefined;
    }
    try {
      return await this.planned(folder, wanted, [`experiment=${wanted.experiment}`, ...(wanted.overrides ?? [])]);
    } catch (error) {
      await tellFailure(error, this.output);
      return undefined;
    }
  }

  private async planned(folder: Folder, wanted: Wanted, words: string[]): Promise<vscode.DebugConfiguration> {
    const local = ["compute=local", ...words];
    const location = vscode.ProgressLocation.Notification;
    return vscode.window.withProgress({ location, title: `trainconf: planning ${wanted.experiment}` }, async (progress) => {
      const plan = await folder.trainconf.json<{ plan: Plan }>(["plan", "--json", ...local]);
      const composed = await folder.trainconf.json<{ config: { source_directory: string } }>(["config", "--json", ...local]);
      const source = composed.config.source_directory;
      const launch = launchOf(plan.plan, isAbsolute(source) ? source : join(folder.path, source), process.env["PATH"] ?? "");
      if (!existsSync(launch.python)) {
        progress.report({ message: "building its environment" });
        await folder.trainconf.text(["env", "build", ...local]);
      }
      const debugged = { name: wanted.name, type: "trainconf", request: "launch", console: "integratedTerminal", workspace: folder.path };
      return { justMyCode: true, ...wanted, ...debugged, ...launch };
    });
  }

  /** debugpy of the Python that has trainconf. It starts the script in the Python of the experiment, which needs no debugpy. */
  createDebugAdapterDescriptor(session: vscode.DebugSession): vscode.DebugAdapterDescriptor | undefined {
    const folder = this.folders.of(String(session.configuration["workspace"]));
    return folder?.found && new vscode.DebugAdapterExecutable(folder.found.executable, ["-m", "debugpy.adapter"], { cwd: folder.path });
  }
}
