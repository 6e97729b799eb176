// What VS Code starts, in workspaces that are trusted: nothing of a folder runs before.
import * as vscode from "vscode";
import { Actions } from "./actions";
import { Servers } from "./client";
import { Debugger } from "./debugger";
import { Folders } from "./folders";
import { Logs } from "./logs";
import { Pages } from "./page";
import { tell } from "./tell";
import { Texts } from "./texts";
import { statusBar, Tree } from "./tree";

let servers: Servers | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const output = vscode.window.createOutputChannel("trainconf", { log: true });
  const folders = new Folders();
  const logs = new Logs();
  const pages = new Pages();
  const texts = new Texts();
  const tree = new Tree(folders);
  const view = vscode.window.createTreeView("trainconf.runs", { treeDataProvider: tree, canSelectMany: true, showCollapseAll: true });
  const started = (servers = new Servers(folders, output));
  const debug = new Debugger(folders, output);
  new Actions(context, folders, logs, pages, texts, output).register();

  const settle = async (renewed = folders.all) => {
    await folders.find(renewed);
    await started.settle();
    for (const { trouble, found } of folders.all) {
      if (trouble && !found) {
        void tell(trouble, output);
      }
    }
  };
  context.subscriptions.push(
    output, folders, logs, pages, texts, view, tree, statusBar(folders),
    folders.onDidChange(() => {
      const has = folders.all.some(({ experiments }) => experiments.some(({ choice }) => choice));
      void vscode.commands.executeCommand("setContext", "trainconf.hasExperiments", has);
    }),
    vscode.debug.registerDebugConfigurationProvider("trainconf", debug),
    vscode.debug.registerDebugAdapterDescriptorFactory("trainconf", debug),
    view.onDidChangeVisibility(({ visible }) => void (folders.isShown = visible)),
    vscode.commands.registerCommand("trainconf.refresh", () => settle()),
    vscode.commands.registerCommand("trainconf.restartServer", () => started.restart()),
    vscode.commands.registerCommand("trainconf.showOutput", () => output.show()),
    vscode.workspace.onDidChangeWorkspaceFolders(() => settle([])),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("trainconf")) {
        void settle();
      }
    }),
  );
  folders.isShown = view.visible;
  await settle();
}

export async function deactivate(): Promise<void> {
  await servers?.dispose();
}
