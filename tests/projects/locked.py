"""Pythons with the packages of a lock, each made once on a machine."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

LOCKS = Path(__file__).parents[2] / "locks"


def locked_python(name: str) -> Path:
    """The interpreter with what `locks/<name>.txt` has. Raises AssertionError with pip's last words."""
    lock = LOCKS / f"{name}.txt"
    key = hashlib.sha256(f"{sys.version} {sys.executable} {lock.read_text()}".encode()).hexdigest()[:12]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "trainconf-tests" / f"{name}-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    found = folder / "bin" / "python"
    with open(f"{folder}.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            words = [str(found), "-m", "pip", "install", "-q", "--no-compile", "--require-hashes", "-r", str(lock)]
            done = subprocess.run(words, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            (folder / "whole").touch()
    return found
