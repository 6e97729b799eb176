// Programs that print an address and stay: the page, TensorBoard. Knows nothing of VS Code.
import type { ChildProcess } from "node:child_process";
import { Failure } from "./cli";

/** The first match of what a program prints. Raises Failure when it ends before. */
export function firstLine(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = "";
    let err = "";
    const hear = (text: string) => {
      const found = pattern.exec(text);
      if (found) {
        resolve(found[1] ?? found[0]);
      }
    };
    child.stdout?.setEncoding("utf8").on("data", (text: string) => hear((out += text)));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => void (err += text));
    child.on("error", reject);
    child.on("close", (code) => reject(new Failure(child.spawnargs.slice(1).join(" "), { code: code ?? 1, out, err })));
  });
}
