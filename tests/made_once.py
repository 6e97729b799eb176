"""What takes long to make and serves many tests: made once on a machine, of the same inputs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

LOCKS = Path(__file__).parents[1] / "locks"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "trainconf-tests"


def made(name: str, inputs: Iterable[str], make: Callable[[Path], object]) -> Path:
    """An empty folder of the cache that `make` has filled. Other inputs have another one."""
    key = hashlib.sha256("\n".join(inputs).encode()).hexdigest()[:12]
    folder = CACHE / f"{name}-{key}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / "whole").touch()
    return folder


def checked(argv: Sequence[str | Path], cwd: Path = Path(), env: dict[str, str] | None = None) -> None:
    """Run it. Raises AssertionError with its last words where it fails."""
    done = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{argv}: {done.stdout[-4000:]}"


def python_with(name: str, *steps: Sequence[str], finish: Callable[[Path], object] = lambda folder: None) -> Path:
    """A Python after these `pip install`, and after `finish`, which has its folder. Raises AssertionError with pip's last words."""

    def make(folder: Path) -> None:
        checked([sys.executable, "-m", "venv", folder])
        for words in steps:
            checked([folder / "bin" / "python", "-m", "pip", "install", "-q", "--no-compile", *words])
        finish(folder)

    files = [Path(word).read_text() for words in steps for word in words if os.path.isfile(word)]
    return made(name, [sys.version, sys.executable, *(word for words in steps for word in words), *files], make) / "bin" / "python"


def python_of(*locks: str, finish: Callable[[Path], object] = lambda folder: None) -> Path:
    """A Python with what these files of locks/ have, the last of which names it; the first brings what builds, if there are several."""
    words = ["--no-build-isolation"] if len(locks) > 1 else []
    steps = [[*words, "--require-hashes", "--requirement", os.fspath(LOCKS / f"{lock}.txt")] for lock in locks]
    return python_with(locks[-1], *steps, finish=finish)
