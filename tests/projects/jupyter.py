"""A Python with JupyterLab, nbclient and playwright, and trainconf of this checkout: made once on a machine, from locks/."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKS = [ROOT / "locks" / name for name in ("build.txt", "run.txt", "notebook.txt")]
KERNEL = "trainconf-tests"


def jupyter_python() -> Path:
    """The interpreter. Raises AssertionError with pip's last words."""
    content = [sys.version, sys.executable, *(path.read_text() for path in LOCKS)]
    key = hashlib.sha256("\n".join(content).encode()).hexdigest()[:12]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "trainconf-tests" / f"jupyter-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    found = folder / "bin" / "python"
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            for path in LOCKS:
                words = ["install", "-q", "--no-compile", "--no-build-isolation", "--require-hashes", "-r", os.fspath(path)]
                done = subprocess.run([os.fspath(found), "-m", "pip", *words], capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
            specs = folder / "share" / "jupyter" / "kernels" / KERNEL
            specs.mkdir(parents=True)
            argv = [str(found), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            (specs / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
            (folder / "whole").touch()
    return found


def write_notebook(path: Path, *cells: str) -> None:
    """A notebook of code cells, without outputs."""
    code: list[dict[str, object]] = [
        {"cell_type": "code", "id": f"cell-{place}", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
        for place, source in enumerate(cells)
    ]  # fmt: skip
    kernel = {"name": KERNEL, "display_name": "Python 3", "language": "python"}
    path.write_text(json.dumps({"cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}, indent=1))


def settle(root: Path, leases: Path) -> None:
    """Make a folder a workspace whose runs wait for nobody else's."""
    (root / "conf").mkdir(parents=True, exist_ok=True)
    (root / "conf" / "local.yaml").write_text(f"# @package _global_\ncompute:\n  lease_dir: {json.dumps(str(leases))}\n  slots: 4\n")
