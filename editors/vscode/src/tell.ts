// What went wrong, told with what to type.
import * as vscode from "vscode";
import { Failure } from "./core/cli";
import type { Trouble } from "./core/python";

/** What is missing in a Python, with the command that brings it. */
export async function tell(trouble: Trouble, output: vscode.OutputChannel): Promise<void> {
  output.appendLine(trouble.type ? `${trouble.said}: ${trouble.type}` : trouble.said);
  const run = "Run it in a terminal";
  const copy = "Copy it";
  const other = "Choose another Python";
  const words = trouble.type ? `${trouble.said}. Type: ${trouble.type}` : `${trouble.said}.`;
  const chosen = await vscode.window.showWarningMessage(words, ...(trouble.type ? [run, copy] : []), other);
  if (chosen === run) {
    const terminal = vscode.window.createTerminal("trainconf");
    terminal.show();
    terminal.sendText(trouble.type);
  } else if (chosen === copy) {
    await vscode.env.clipboard.writeText(trouble.type);
  } else if (chosen === other) {
    await vscode.commands.executeCommand("workbench.action.openSettings", "trainconf.python");
  }
}

/** What trainconf answered instead of doing it. */
export async function tellFailure(error: unknown, output: vscode.OutputChannel): Promise<void> {
  const isOurs = error instanceof Failure;
  const said = error instanceof Error ? error.message : String(error);
  output.appendLine(isOurs ? error.details : said);
  const chosen = await vscode.window.showErrorMessage(isOurs && error.hint ? `${said}. ${error.hint}` : said, "Show output");
  if (chosen) {
    output.show();
  }
}
