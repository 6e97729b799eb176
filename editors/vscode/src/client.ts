// The language server of each folder, in its Python.
import * as vscode from "vscode";
import { CloseAction, ErrorAction, type ErrorHandler, LanguageClient } from "vscode-languageclient/node";
import type { Folder, Folders } from "./folders";
import { missing } from "./core/python";
import { Restarts } from "./core/restarts";
import { isBelow } from "./core/workspaces";
import { tell } from "./tell";

export class Servers implements vscode.Disposable {
  private readonly running = new Map<string, { python: string; client: LanguageClient }>();

  constructor(private readonly folders: Folders, private readonly output: vscode.OutputChannel) {}

  /** Start those that are missing, and end those that are not wanted any more, or whose folder has another Python. One serves what is below it too. */
  async settle(): Promise<void> {
    const wanted = this.folders.all.filter((folder) => isEnabled(folder) && !this.folders.all.some(({ path }) => isBelow(folder.path, path)));
    for (const [path, { python }] of this.running) {
      if (wanted.find((folder) => folder.path === path)?.found?.executable !== python) {
        await this.stop(path);
      }
    }
    await Promise.all(wanted.filter(({ path }) => !this.running.has(path)).map((folder) => this.start(folder)));
  }

  async restart(): Promise<void> {
    await this.dispose();
    await this.settle();
  }

  private async start(folder: Folder): Promise<void> {
    const { found } = folder;
    if (!found) {
      return;
    }
    const trouble = missing(found, "pygls", "Checking and completing YAML");
    if (trouble) {
      void tell(trouble, this.output);
      return;
    }
    const client = new LanguageClient(
      "trainconf",
      `trainconf (${folder.at.name})`,
      { command: found.executable, args: ["-m", "trainconf", "lsp"], options: { cwd: folder.path } },
      {
        documentSelector: [{ scheme: "file", language: "yaml", pattern: new vscode.RelativePattern(folder.at, "**/*.yaml") as never }],
        workspaceFolder: folder.at,
        outputChannel: this.output as vscode.LogOutputChannel,
        errorHandler: this.errorHandler(folder),
      },
    );
    this.running.set(folder.path, { python: found.executable, client });
    try {
      await client.start();
    } catch (error) {
      this.output.appendLine(String(error)); // the error handler has told it
    }
  }

  private errorHandler(folder: Folder): ErrorHandler {
    const restarts = new Restarts();
    return {
      error: () => ({ action: ErrorAction.Continue, handled: true }),
      closed: () => {
        const { restart, tell: isTold } = restarts.died(Date.now());
        if (isTold) {
          const said = restart
            ? `The language server of trainconf ended, and was started again (${folder.at.name}).`
            : `The language server of trainconf ends again and again (${folder.at.name}). It is not started any more.`;
          void vscode.window.showWarningMessage(said, "Show output").then((chosen) => chosen && this.output.show());
        }
        return { action: restart ? CloseAction.Restart : CloseAction.DoNotRestart, handled: true };
      },
    };
  }

  private async stop(path: string): Promise<void> {
    const server = this.running.get(path);
    this.running.delete(path);
    try {
      await server?.client.dispose();
    } catch (error) {
      this.output.appendLine(String(error)); // it was starting, or is gone
    }
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.running.keys()].map((path) => this.stop(path)));
  }
}

function isEnabled(folder: Folder): boolean {
  return vscode.workspace.getConfiguration("trainconf", folder.at).get<boolean>("server.enabled", true);
}
