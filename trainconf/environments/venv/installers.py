"""The installers, uv and pip: the commands that make a venv, fill it and pin a recipe. `build.py` runs them.

Both work in one folder and with relative paths only, so that they cannot misread a path of the user's: `env` is the venv,
`requirements.txt` and `constraints.txt` are what goes into it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from trainconf.environments.recipe import torch_backend
from trainconf.environments.recipe.pip_report import requirement
from trainconf.environments.recipe.requirements import NO_HASH, OTHER_FILE
from trainconf.environments.recipe.uv_lock import find_uv
from trainconf.environments.venv.pip_configuration import pip_environ, uv_environ
from trainconf.errors import BuildError
from trainconf.files import names_in, read_json
from trainconf.paths import WorkspacePaths
from trainconf.process import processes

PYTHON = os.path.join("env", "bin", "python")
PINS = "pins.txt"
REPORT = "report.json"

# The first lines of a script as pip writes them, in the short or the long form; see `Pip.make_movable`.
SCRIPT_HEADER = re.compile(rb"\A#!(?:[^\0]*?/env/bin/python[\d.]*\n|/bin/sh\n'''exec' .*?\n' '''\n)", re.DOTALL)
MOVABLE_HEADER = b"""#!/bin/sh\n'''exec' "$(dirname -- "$(realpath -- "$0")")"/'python' "$0" "$@"\n' '''\n"""


class Installer(Protocol):
    """The part of an installer that a build needs. `commands` and `pin_commands` are run in order, in the build folder, until one fails."""

    name: str
    fetches_pythons: bool  # whether `python` may be a version that is not installed yet

    def environ(self, environ: Mapping[str, str], root: str) -> dict[str, str]: ...
    def commands(self, python: str, prompt: str, options: Sequence[str], is_empty: bool) -> list[list[str]]: ...
    def pin_commands(self, python: str, options: Sequence[str]) -> list[list[str]]: ...
    def torch_options(self, backend: str) -> list[str]: ...
    def check(self, packages: Sequence[str], backend: str) -> None: ...
    def read_pins(self, folder: str) -> list[str]: ...
    def make_movable(self, folder: str) -> None: ...
    def known_pythons(self) -> list[str]: ...


class Uv:
    """uv, which takes a tenth of pip's time.

    It does not compile to bytecode: for numpy that made the build 8 times as long (1.3 s more) to save 0.2 s once, because most modules
    of a package are never imported (benchmarks/environment.py).
    """

    name = "uv"

    def __init__(self, path: str) -> None:
        self.path = path
        self.fetches_pythons = os.environ.get("UV_PYTHON_DOWNLOADS", "").lower() in ("automatic", "auto")

    def environ(self, environ: Mapping[str, str], root: str) -> dict[str, str]:
        found = uv_environ(environ, root)
        home = found.get("XDG_CACHE_HOME") or os.path.join(found.get("HOME") or os.path.expanduser("~"), ".cache")
        if "UV_CACHE_DIR" not in found and not _can_be_written(os.path.join(home, "uv")):  # a home that is read-only, or not there
            found["UV_CACHE_DIR"] = os.path.join(WorkspacePaths(root).cache, "uv")
        return found

    def commands(self, python: str, prompt: str, options: Sequence[str], is_empty: bool) -> list[list[str]]:
        made = [self.path, "venv", "--relocatable", "--no-project", "--quiet", "--prompt", prompt, "--python", python, "env"]
        filled = [self.path, "pip", "install", "--python", PYTHON, "-r", "requirements.txt", *options]
        return [made] if is_empty else [made, filled]

    def pin_commands(self, python: str, options: Sequence[str]) -> list[list[str]]:
        return [[
            self.path, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", python, "requirements.txt",
            *options, "-o", PINS,
        ]]

    def torch_options(self, backend: str) -> list[str]:
        return torch_backend.uv_options(backend)

    def check(self, packages: Sequence[str], backend: str) -> None:
        """Nothing to check: uv takes the build or fails."""

    def read_pins(self, folder: str) -> list[str]:
        with open(os.path.join(folder, PINS), encoding="utf-8") as stream:
            return [line.rstrip("\n") for line in stream if line.strip() and not line.startswith(("#", "-"))]

    def make_movable(self, folder: str) -> None:
        """Nothing to do: `uv venv --relocatable` made it so."""

    def known_pythons(self) -> list[str]:
        """The Pythons that uv itself installed."""
        folder = processes.run([self.path, "python", "dir"]).text()
        return [os.path.join(folder, name, "bin", "python3") for name in names_in(folder)]


def _can_be_written(folder: str) -> bool:
    """Whether a folder can be made, or written to."""
    while not os.path.lexists(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    return os.access(folder, os.W_OK | os.X_OK)


class Pip:
    """The venv and pip of the standard library's Python, for machines without uv."""

    name = "pip"
    fetches_pythons = False

    def environ(self, environ: Mapping[str, str], root: str) -> dict[str, str]:
        return pip_environ(environ)

    def commands(self, python: str, prompt: str, options: Sequence[str], is_empty: bool) -> list[list[str]]:
        made = [python, "-I", "-m", "venv", "--prompt", prompt, "env"]
        filled = [*self._install(options), "--progress-bar", "off"]
        return [made] if is_empty else [made, filled]

    def pin_commands(self, python: str, options: Sequence[str]) -> list[list[str]]:
        pinned = [*self._install(options), "--quiet", "--dry-run", "--ignore-installed", "--report", REPORT]
        return [[python, "-I", "-m", "venv", "env"], pinned]

    def read_pins(self, folder: str) -> list[str]:
        report = read_json(os.path.join(folder, REPORT))
        return sorted(map(requirement, report["install"]))

    def make_movable(self, folder: str) -> None:
        """Make the scripts look for the Python beside them, as those of uv do.

        pip writes the absolute path of the folder it works in. It does not quote it either, which breaks where it holds `"` or `$(`.
        """
        bin_dir = os.path.join(folder, "bin")
        for name in os.listdir(bin_dir):
            path = os.path.join(bin_dir, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            with open(path, "rb") as stream:
                old = stream.read()
            new = SCRIPT_HEADER.sub(lambda _: MOVABLE_HEADER, old, count=1)
            if new != old:
                with open(path, "wb") as stream:
                    stream.write(new)
            elif name.lower().startswith("activate"):
                os.unlink(path)  # it would put a folder on PATH that no longer exists

    def known_pythons(self) -> list[str]:
        return []

    def torch_options(self, backend: str) -> list[str]:
        return torch_backend.pip_options(backend)

    def check(self, packages: Sequence[str], backend: str) -> None:
        torch_backend.check(packages, backend)

    def _install(self, options: Sequence[str]) -> list[str]:
        return [PYTHON, "-I", "-m", "pip", "install", "-r", "requirements.txt", *options]


def find_installer() -> Installer:
    """uv on PATH, else the `uv` package's program beside this Python, else pip."""
    path = find_uv()
    return Uv(path) if path else Pip()


def failure(installer: Installer, command: Sequence[str], output: str, what: str) -> BuildError:
    """The error for an installer that failed, with its last lines."""
    hints = {
        "No space left on device": "free some space; the installer's cache and temporary folder count too",
        "unexpected argument '--torch-backend'": "this uv is too old for env.torch_backend: `uv self update`, or `pip install -U uv`",
        "'--torch-backend <TORCH_BACKEND>'": "this uv knows no such build of PyTorch; it says which ones it knows",
        "download.pytorch.org": "env.torch_backend takes PyTorch from download.pytorch.org: can it be reached, and has it that version?",
        "os error 28": "free some space; the installer's cache and temporary folder count too",
        "MATCH THE HASHES": OTHER_FILE,
        "Hash mismatch": OTHER_FILE,
        "require-hashes": NO_HASH,
        "Hash-checking is required": NO_HASH,
        "ensurepip": "install the venv module of this Python (Debian: python3-venv), or uv",
        "onnect": "is the index reachable? A mirror set up for pip is used for uv as well; see docs/environments.md",
    }
    hint = next((hint for sign, hint in hints.items() if sign in output), "")
    return BuildError(what, ("installer", f"{installer.name}: {' '.join(command[1:4])}"), ("it said", output), hint=hint)
