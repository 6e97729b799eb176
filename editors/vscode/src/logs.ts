// Logs of runs and sweeps, each live in an output channel of its own.
import type { ChildProcess } from "node:child_process";
import * as vscode from "vscode";
import { plain, type Trainconf } from "./core/cli";

const KEPT = 5;

export class Logs implements vscode.Disposable {
  private readonly shown = new Map<string, { channel: vscode.OutputChannel; child: ChildProcess }>();

  /** Show what a run wrote, and go on until it ends. Of a sweep each line has its trial before it. */
  show(trainconf: Trainconf, id: string): void {
    const before = this.shown.get(id);
    if (before && before.child.exitCode === null) {
      before.channel.show(true);
      return;
    }
    this.close(id);
    const oldest = [...this.shown.keys()][0];
    if (this.shown.size >= KEPT && oldest) {
      this.close(oldest);
    }
    const channel = vscode.window.createOutputChannel(`trainconf: ${id}`);
    channel.show(true);
    const child = trainconf.start(["logs", "-f", id]);
    let rest = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const whole = rest + text;
      const end = whole.lastIndexOf("\n") + 1;
      rest = whole.slice(end);
      channel.append(plain(whole.slice(0, end)));
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => channel.append(text));
    child.on("close", () => channel.append(plain(rest)));
    child.on("error", (error) => channel.appendLine(error.message));
    this.shown.set(id, { channel, child });
  }

  private close(id: string): void {
    const old = this.shown.get(id);
    old?.child.kill();
    old?.channel.dispose();
    this.shown.delete(id);
  }

  dispose(): void {
    [...this.shown.keys()].forEach((id) => this.close(id));
  }
}
