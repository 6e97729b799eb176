"""A VS Code that a browser shows: code-server, with the extension, over a workspace of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import Shell
from tests.editors.node import LOCK, NPM_FLAGS, extension, node_folder, npm
from tests.made_once import made

VERSION = "4.139.1"
SCRIPT = Path(__file__).parent / "scripts" / "code.py"
PATIENCE_S = 120
TRAIN = """\
import argparse
import math
import time

from trainconf import Run

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--pause", type=float, default=0.0)
args = parser.parse_args()
run = Run.get_context()
for epoch in range(args.epochs):
    accuracy = 1 - SHARE * math.exp(-epoch * args.lr / 3)
    run.log("val_accuracy", accuracy, step=epoch)
    print(f"epoch {epoch} val_accuracy {accuracy:.4f}", flush=True)
    time.sleep(args.pause)
"""
EXPERIMENT = """\
# @package _global_
# Two spirals: `trainconf experiment=CHOICE`
defaults:
  - override /env: current
  - _self_

experiment_name: NAME
script: train.py
params:
  lr: 0.2  # step of gradient descent
  epochs: EPOCHS
  pause: PAUSE
metric:
  name: val_accuracy
"""
WRONG = """\
# @package _global_
# With a mistake in it
defaults:
  - override /env: curent
  - _self_

experiment_name: wrong
script: train.py
"""
SETTINGS = {
    "workbench.startupEditor": "none", "workbench.secondarySideBar.defaultVisibility": "hidden", "workbench.layoutControl.enabled": False,
    "workbench.colorTheme": "Default Light Modern", "breadcrumbs.enabled": False, "editor.minimap.enabled": False,
    "window.commandCenter": False, "files.autoSave": "off", "chat.disableAIFeatures": True, "telemetry.telemetryLevel": "off",
    "update.mode": "none", "remote.autoForwardPorts": False, "extensions.autoCheckUpdates": False, "extensions.ignoreRecommendations": True,
    "security.workspace.trust.startupPrompt": "always",
}  # fmt: skip


def code_server() -> Path:
    """Its entry. Only what output channels are written with is compiled; the rest comes whole, or is for other systems."""

    def make(folder: Path) -> None:
        (folder / "package.json").write_text("{}")
        code = folder / "node_modules" / "code-server" / "lib" / "vscode"
        npm("install", *NPM_FLAGS, f"code-server@{VERSION}", cwd=folder)
        npm("install", *NPM_FLAGS, "--omit=dev", cwd=code)
        flags = ["--ignore-scripts=false", "--dangerously-allow-all-scripts", f"--nodedir={node_folder()}"]
        npm("rebuild", *flags, "@vscode/spdlog", cwd=code)

    return made("code-server", [LOCK.read_text(), VERSION], make) / "node_modules" / "code-server" / "out" / "node" / "entry.js"


def experiment(choice: str, epochs: str, pause: str) -> str:
    """The file of an experiment."""
    text = EXPERIMENT.replace("CHOICE", choice).replace("NAME", choice.rpartition("/")[2])
    return text.replace("EPOCHS", epochs).replace("PAUSE", pause)


def write_workspace(root: Path) -> Shell:
    """A workspace of four experiments: one with runs of other code than today's, one that goes on for long, one below, one with a mistake.

    A workspace beside it has one experiment. `two.code-workspace` is a window with both.
    """
    shell = Shell(root, root.parent / "home")
    shell.root.mkdir()
    shell.home.mkdir()
    shell.write("conf/local.yaml", f"# @package _global_\ncompute:\n  lease_dir: {json.dumps(str(shell.leases))}\n  slots: 4\n")
    for name, epochs, pause in (("spiral", "20", "0.0"), ("slow", "900", "0.3"), ("nlp/deep", "3", "0.0")):
        shell.write(f"conf/experiment/{name}.yaml", experiment(name, epochs, pause))
    shell.write("train.py", TRAIN.replace("SHARE", "0.7"))
    for words in (["-m", "experiment=spiral", "params.lr=0.05,0.1,0.4"], ["experiment=spiral"]):
        answer = shell(*words)
        assert answer.code == 0, answer
    shell.write("conf/experiment/wrong.yaml", WRONG)
    (root.parent / "other" / "conf" / "experiment").mkdir(parents=True)
    (root.parent / "other" / "conf" / "experiment" / "second.yaml").write_text(experiment("second", "3", "0.0"))
    for folder in (root, root.parent / "other"):
        (folder / ".vscode").mkdir()
        (folder / ".vscode" / "settings.json").write_text(json.dumps({"trainconf.python": sys.executable}))
        (folder / "train.py").write_text(TRAIN.replace("SHARE", "0.6"))
    (root.parent / "two.code-workspace").write_text(json.dumps({"folders": [{"path": root.name}, {"path": "other"}]}))
    return shell


@contextmanager
def serving(shell: Shell, folder: Path) -> Iterator[str]:
    """The address of a VS Code with the extension; `?folder=` or `?workspace=` behind it says of which window."""
    copy = extension(folder)
    npm("run", "package", cwd=copy)
    user = folder / "user"
    (user / "User").mkdir(parents=True)
    (user / "User" / "settings.json").write_text(json.dumps(SETTINGS))
    node = node_folder() / "bin" / "node"
    places: list[str | Path] = ["--user-data-dir", user, "--extensions-dir", folder / "extensions"]
    env = shell.env | {"PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
    env.pop("PYTHONWARNINGS")
    words: list[str | Path] = [node, code_server(), *places, "--install-extension", copy / "dist" / "trainconf.vsix"]
    done = subprocess.run(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert "was successfully installed" in done.stdout, done.stdout
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags: list[str | Path] = ["--auth", "none", "--disable-telemetry", "--disable-update-check", "--disable-getting-started-override"]
    log = folder / "code-server.log"
    with open(log, "wb") as told:
        words = [node, code_server(), *places, *flags, "--bind-addr", f"127.0.0.1:{port}"]
        child = subprocess.Popen(words, env=env, stdout=told, stderr=told, start_new_session=True)
    try:
        _wait(f"http://127.0.0.1:{port}/healthz", child, log)
        yield f"http://127.0.0.1:{port}/"
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(300)
        shutil.rmtree(user, ignore_errors=True)


def _wait(address: str, child: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        assert child.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"code-server does not answer: {log.read_text()}")
