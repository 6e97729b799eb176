// The page of `trainconf ui` in a panel.
import type { ChildProcess } from "node:child_process";
import * as vscode from "vscode";
import type { Folder } from "./folders";
import { firstLine } from "./core/servers";

interface Page {
  panel: vscode.WebviewPanel;
  child: ChildProcess | undefined;
}

export class Pages implements vscode.Disposable {
  private readonly open = new Map<string, Page>();

  /** Show the page of a folder. A panel says first of which pages it is part: they alone may frame it. */
  show(folder: Folder, failed: (error: unknown) => void): void {
    const before = this.open.get(folder.path);
    if (before) {
      before.panel.reveal();
      return;
    }
    const panel = vscode.window.createWebviewPanel("trainconf.page", `Runs of ${folder.at.name}`, vscode.ViewColumn.Active, {
      enableScripts: true, retainContextWhenHidden: true,
    });
    const page: Page = { panel, child: undefined };
    this.open.set(folder.path, page);
    panel.onDidDispose(() => {
      page.child?.kill("SIGINT");
      this.open.delete(folder.path);
    });
    panel.webview.onDidReceiveMessage(async ({ frames }: { frames: string[] }) => {
      try {
        const allowed = frames.flatMap((frame) => ["--allow-frame", frame]);
        page.child = folder.trainconf.start(["ui", "--no-browser", ...allowed]);
        const link = await firstLine(page.child, /^(https?:\/\/\S+)/m);
        await panel.webview.postMessage({ link: (await vscode.env.asExternalUri(vscode.Uri.parse(link))).toString(true) });
      } catch (error) {
        panel.dispose();
        failed(error);
      }
    });
    panel.webview.html = HTML;
  }

  dispose(): void {
    [...this.open.values()].forEach(({ panel }) => panel.dispose());
  }
}

const HTML = `<!doctype html>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; frame-src http: https:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<style>html, body, iframe { border: 0; height: 100%; margin: 0; padding: 0; width: 100%; }</style>
<iframe title="trainconf"></iframe>
<script>
  const around = [location.origin, ...location.ancestorOrigins];
  window.addEventListener("message", ({ data }) => data.link && (document.querySelector("iframe").src = data.link));
  acquireVsCodeApi().postMessage({ frames: [...new Set(around)] });
</script>`;
