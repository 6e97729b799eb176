"""A keystroke in an editor, answered by `trainconf lsp` in a workspace of 200 files, against Hydra's own composition of the same config.

    python -m benchmarks.editor.keystroke [--check] [--rounds 15]

The keystroke changes a param of an open experiment that is made from another one. It ends when the diagnostics are there, which takes
composing, resolving and two trips through a pipe. Hydra composes the same overrides in a process that has done so before, and no more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.rounds import Limit, Report, environment, interleaved, parser
from trainconf.paths import packaged

FILES = 200
HYDRA, KEYSTROKE, COMPLETION = "hydra.compose, warm", "a keystroke's diagnostics", "completion"
LIMITS = [Limit(KEYSTROKE, 1.0, HYDRA), Limit(COMPLETION, 1.0, HYDRA), Limit(f"{KEYSTROKE}, ms", 100)]
NAME = "conf/experiment/e7.yaml"
BASE = "# @package _global_\ndefaults:\n  - _self_\nexperiment_name: base\nscript: train.py\nparams:\n  lr: 0.1\n  epochs: 3\n"
CHILD = "# @package _global_\ndefaults:\n  - base\n  - override /env: current\n  - _self_\nexperiment_name: child\nparams:\n  epochs: {}\n"
BARE = """\
import sys, time
from hydra import compose, initialize_config_dir
from trainconf import schema
for group, known in schema.GROUPS.items():
    for kind in known.schemas: schema.register_at(f"schema/{group}/{kind}")
schema.register_at("schema/config")
with initialize_config_dir(sys.argv[1], version_base="1.3"):
    for line in sys.stdin:
        begin = time.perf_counter()
        compose("config", ["experiment=e7", f"hydra.searchpath=[file://{sys.argv[2]}]", f"params.epochs={int(line)}"])
        print(time.perf_counter() - begin, flush=True)
"""


def make_workspace(folder: str) -> None:
    """Two hundred config files: experiments, and a group with choices."""
    conf = Path(folder, "conf")
    (conf / "experiment").mkdir(parents=True)
    (conf / "model").mkdir()
    Path(folder, "train.py").write_text("")
    (conf / "experiment/base.yaml").write_text(BASE)
    for number in range(FILES - 51):
        (conf / f"experiment/e{number}.yaml").write_text(CHILD.format(number))
    for number in range(50):
        (conf / f"model/m{number}.yaml").write_text(f"# @package params.model\nwidth: {number}\n")


class Server:
    """The language server, and what an editor sends it."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        words = [sys.executable, "-m", "trainconf", "lsp"]
        self.process = subprocess.Popen(words, cwd=folder, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.version = 0
        self._opened: set[str] = set()
        self.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        self.send({"method": "initialized", "params": {}})

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def wait(self, key: str, value: object) -> dict[str, Any]:
        """The next message that has a value, such as the version of a text, at a key."""
        assert self.process.stdout is not None
        while True:
            length = 0
            while (line := self.process.stdout.readline()) != b"\r\n":
                length = int(line.partition(b":")[2]) if line.startswith(b"Content-Length") else length
            found: dict[str, Any] = json.loads(self.process.stdout.read(length))
            if {**found, **(found.get("params") or {})}.get(key) == value:
                return found

    def ask(self, method: str, params: object) -> None:
        self.version += 1
        self.send({"id": self.version, "method": method, "params": params})
        self.wait("id", self.version)

    def keystroke(self, name: str, text: str) -> float:
        """Seconds until the diagnostics of a text are there. The first text of a file opens it."""
        is_first = name not in self._opened
        self._opened.add(name)
        uri = Path(self.folder, name).as_uri()
        self.version += 1
        document = {"uri": uri, "version": self.version}
        begin = time.perf_counter()
        if is_first:
            self.send({"method": "textDocument/didOpen", "params": {"textDocument": {**document, "languageId": "yaml", "text": text}}})
        else:
            self.send({"method": "textDocument/didChange", "params": {"textDocument": document, "contentChanges": [{"text": text}]}})
        found = self.wait("version", self.version)
        seconds = time.perf_counter() - begin
        assert found["params"]["diagnostics"] == [], found
        return seconds

    def complete(self, name: str) -> float:
        begin = time.perf_counter()
        document = {"uri": Path(self.folder, name).as_uri()}
        self.ask("textDocument/completion", {"textDocument": document, "position": {"line": 7, "character": 2}})
        return time.perf_counter() - begin

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def main() -> int:
    asked = parser(__doc__, rounds=15).parse_args()
    report = Report(*LIMITS)
    with tempfile.TemporaryDirectory(prefix="trainconf-bench-") as folder:
        make_workspace(folder)
        time.sleep(2.2)  # files written a moment ago are rightly not trusted by any cache
        words = [sys.executable, "-c", BARE, packaged("conf"), os.path.join(folder, "conf")]
        bare = subprocess.Popen(words, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert bare.stdin is not None
        assert bare.stdout is not None
        numbers = iter(range(10**6))

        def hydra() -> float:
            print(next(numbers), file=bare.stdin, flush=True)
            return float(bare.stdout.readline())  # type: ignore[union-attr]

        server = Server(folder)
        try:
            server.keystroke(NAME, CHILD.format(1))
            seen = interleaved({
                HYDRA: hydra,
                KEYSTROKE: lambda: server.keystroke(NAME, CHILD.format(next(numbers))),
                COMPLETION: lambda: server.complete(NAME),
            }, asked.rounds)
        finally:
            server.close()
            bare.kill()
            bare.communicate()
        report.rows(seen, HYDRA)
        report.figure(f"{KEYSTROKE}, ms", median(seen[KEYSTROKE]) * 1000, "ms", f"fastest {min(seen[KEYSTROKE]) * 1000:.0f} ms")
    return report.code(check=asked.check)


if __name__ == "__main__":
    sys.exit(main())
