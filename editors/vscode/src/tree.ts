// The tree of experiments, sweeps and runs, and the status bar.
import * as vscode from "vscode";
import { type Folder, type Folders } from "./folders";
import { changed, ROOT, type Shown } from "./core/lines";
import { described, describedSweep, goingOn, isActive, label, lines, type Node, standing, sweepLabel } from "./core/model";

export interface TroubleNode {
  kind: "trouble";
  id: string;
}

export interface FolderNode {
  kind: "folder";
  id: string;
}

/** A line of the tree, with the folder that it is of. It stays the same object as long as the line is there, whatever it shows. */
export interface Line {
  folder: Folder;
  node: Node | FolderNode | TroubleNode;
}

const ICONS: Record<string, [string, string?]> = {
  Completed: ["pass", "testing.iconPassed"],
  Failed: ["error", "testing.iconFailed"],
  Canceled: ["circle-slash", "testing.iconSkipped"],
  NotResponding: ["question", "testing.iconErrored"],
  NotStarted: ["clock"],
  Queued: ["clock"],
  Preparing: ["clock"],
};

export class Tree implements vscode.TreeDataProvider<Line>, vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<Line[] | undefined>();
  private readonly subscription: vscode.Disposable;
  private lines = new Map<string, Line>();
  private shown = new Map<string, Shown>();
  readonly onDidChangeTreeData = this.changes.event;

  constructor(private readonly folders: Folders) {
    this.subscription = vscode.Disposable.from(this.changes, folders.onDidChange(() => this.renew()));
    this.renew();
  }

  dispose(): void {
    this.subscription.dispose();
  }

  getChildren(line?: Line): Line[] {
    return (this.shown.get(line ? keyOf(line) : ROOT)?.children ?? []).flatMap((key) => this.lines.get(key) ?? []);
  }

  getTreeItem(line: Line): vscode.TreeItem {
    const { folder, node } = line;
    const item = this.item(folder, node);
    item.id = keyOf(line);
    if (node.kind === "trouble") {
      item.command = { command: "trainconf.troubled", title: "What to do", arguments: [line] };
    } else if (node.kind === "run") {
      item.command = { command: "trainconf.logs", title: "Logs", arguments: [line] };
    } else if (node.kind === "experiment" && node.choice) {
      item.command = { command: "vscode.open", title: "Open", arguments: [vscode.Uri.file(node.choice.file)] };
    }
    return item;
  }

  /** Take over what is known now, and have drawn what shows something else. */
  private renew(): void {
    const lines = new Map<string, Line>();
    const shown = new Map<string, Shown>();
    const add = (fresh: Line): string => {
      const key = keyOf(fresh);
      const line = Object.assign(this.lines.get(key) ?? fresh, fresh);
      lines.set(key, line);
      shown.set(key, { face: JSON.stringify(this.item(line.folder, line.node)), children: this.below(line).map(add) });
      return key;
    };
    const [first, ...more] = this.folders.all;
    const top = first && !more.length ? this.ofFolder(first) : this.folders.all.map((folder): Line => ({ folder, node: { kind: "folder", id: folder.path } }));
    shown.set(ROOT, { face: "", children: top.map(add) });
    const keys = changed(this.shown, shown);
    [this.lines, this.shown] = [lines, shown];
    if (keys.length) {
      this.changes.fire(keys.includes(ROOT) ? undefined : keys.flatMap((key) => lines.get(key) ?? []));
    }
  }

  private below({ folder, node }: Line): Line[] {
    return node.kind === "folder" ? this.ofFolder(folder) : "children" in node ? node.children.map((child) => ({ folder, node: child })) : [];
  }

  private ofFolder(folder: Folder): Line[] {
    const trouble: Line[] = folder.trouble ? [{ folder, node: { kind: "trouble", id: "trouble" } }] : [];
    return [...trouble, ...folder.experiments.map((node) => ({ folder, node }))];
  }

  private item(folder: Folder, node: Line["node"]): vscode.TreeItem {
    const { None, Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
    const item = new vscode.TreeItem(node.id, None);
    switch (node.kind) {
      case "folder":
        item.label = folder.at.name;
        item.collapsibleState = Expanded;
        item.iconPath = vscode.ThemeIcon.Folder;
        break;
      case "trouble":
        item.label = folder.trouble?.said ?? "";
        item.tooltip = [folder.trouble?.said, folder.trouble?.type].filter(Boolean).join("\n\n");
        item.iconPath = new vscode.ThemeIcon("warning", new vscode.ThemeColor("list.warningForeground"));
        break;
      case "experiment":
        item.collapsibleState = node.children.length ? Expanded : None;
        item.iconPath = new vscode.ThemeIcon("beaker");
        item.contextValue = node.choice ? "experiment" : "experiment.gone";
        if (node.choice) {
          item.resourceUri = vscode.Uri.file(node.choice.file);
          item.label = node.id;
          item.tooltip = `experiment=${node.choice.choice}\n${node.choice.file}`;
        } else {
          item.description = "no config file";
        }
        break;
      case "sweep":
        item.label = sweepLabel(node.sweep);
        item.description = describedSweep(node);
        item.collapsibleState = Collapsed;
        item.iconPath = isActive(node.sweep.status) ? new vscode.ThemeIcon("loading~spin") : new vscode.ThemeIcon("layers");
        item.contextValue = `sweep.${isActive(node.sweep.status) ? "active" : "ended"}`;
        item.tooltip = `${node.id}: ${node.sweep.status}`;
        break;
      case "run": {
        const { row, isBest } = node;
        const [icon, colour] = isBest ? ["star-full", "charts.yellow"] : (ICONS[row.status] ?? ["loading~spin"]);
        item.label = label(row);
        item.description = described(row, node.params);
        item.iconPath = new vscode.ThemeIcon(icon, colour ? new vscode.ThemeColor(colour) : undefined);
        item.contextValue = `run.${isActive(row.status) ? "active" : "ended"}`;
        item.tooltip = [`${node.id}: ${row.status}${isBest ? ", the best so far" : ""}`, ...lines(row)].join("\n");
      }
    }
    return item;
  }
}

/** An experiment that gets its first run is another line: VS Code would leave the one it knows closed. */
function keyOf({ folder, node }: Line): string {
  const isEmpty = node.kind === "experiment" && !node.children.length;
  return `${folder.path}:${node.kind}:${node.id}${isEmpty ? ":empty" : ""}`;
}

/** What runs, in the status bar. */
export function statusBar(folders: Folders): vscode.Disposable {
  const bar = vscode.window.createStatusBarItem("trainconf.standing", vscode.StatusBarAlignment.Left);
  bar.name = "trainconf";
  bar.command = "trainconf.active";
  const show = () => {
    const trouble = folders.all.find((folder) => folder.trouble)?.trouble;
    const rows = folders.all.flatMap((folder) => folder.rows);
    const said = standing(rows);
    bar.text = trouble ? "$(warning) trainconf" : said ? `$(loading~spin) trainconf: ${said}` : "$(beaker) trainconf";
    bar.tooltip = trouble?.said ?? (said ? `Show the logs of what runs\n${goingOn(rows)}` : "Nothing runs");
    if (folders.all.length) {
      bar.show();
    } else {
      bar.hide();
    }
  };
  show();
  return vscode.Disposable.from(bar, folders.onDidChange(show));
}
