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

from trainconf.environments.recipe.pip_report import requirement
from trainconf.environments.recipe.requirements import NO_HASH, OTHER_FILE
from trainconf.environments.venv.pip_configuration import pip_environ, uv_environ
from trainconf.errors import BuildError
from trainconf.files import names_in, read_json
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
    def commands(self, python: str, prompt: str, is_constrained: bool, is_empty: bool) -> list[list[str]]: ...
    def pin_commands(self, python: str, is_constrained: bool) -> list[list[str]]: ...
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
        return uv_environ(environ, root)

    def commands(self, python: str, prompt: str, is_constrained: bool, is_empty: bool) -> list[list[str]]:
        made = [self.path, "venv", "--relocatable", "--no-project", "--quiet", "--prompt", prompt, "--python", python, "env"]
        filled = [self.path, "pip", "install", "--python", PYTHON, "-r", "requirements.txt", *_constraints(is_constrained)]
        return [made] if is_empty else [made, filled]

    def pin_commands(self, python: str, is_constrained: bool) -> list[list[str]]:
        return [[
            self.path, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", python, "requirements.txt",
            *_constraints(is_constrained), "-o", PINS,
        ]]

    def read_pins(self, folder: str) -> list[str]:
        with open(os.path.join(folder, PINS), encoding="utf-8") as stream:
            return [line.rstrip("\n") for line in stream if line.strip() and not line.startswith(("#", "-"))]

    def make_movable(self, folder: str) -> None:
        """Nothing to do: `uv venv --relocatable` made it so."""

    def known_pythons(self) -> list[str]:
        """The Pythons that uv itself installed."""
        folder = processes.run([self.path, "python", "dir"]).text()
        return [os.path.join(folder, name, "bin", "python3") for name in names_in(folder)]


class Pip:
    """The venv and pip of the standard library's Python, for machines without uv."""

    name = "pip"
    fetches_pythons = False

    def environ(self, environ: Mapping[str, str], root: str) -> dict[str, str]:
        return pip_environ(environ)

    def commands(self, python: str, prompt: str, is_constrained: bool, is_empty: bool) -> list[list[str]]:
        made = [python, "-I", "-m", "venv", "--prompt", prompt, "env"]
        filled = [*self._install(is_constrained), "--progress-bar", "off"]
        return [made] if is_empty else [made, filled]

    def pin_commands(self, python: str, is_constrained: bool) -> list[list[str]]:
        pinned = [*self._install(is_constrained), "--quiet", "--dry-run", "--ignore-installed", "--report", REPORT]
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

    def _install(self, is_constrained: bool) -> list[str]:
        return [PYTHON, "-I", "-m", "pip", "install", "-r", "requirements.txt", *_constraints(is_constrained)]


def find_installer() -> Installer:
    """uv on PATH, else the `uv` package's program beside this Python, else pip."""
    return next((Uv(path) for path in _uv_programs() if _is_uv(path)), Pip())


def _is_uv(path: str) -> bool:
    """Whether a program is uv, or a script that starts it: pyenv leaves a `uv` on PATH that only prints an error."""
    with open(path, "rb") as stream:
        if stream.read(2) != b"#!":
            return True
    return processes.run([path, "--version"]).stdout.startswith(b"uv ")


def _uv_programs() -> Iterator[str]:
    for folder in os.get_exec_path():
        path = os.path.join(folder, "uv")
        if os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.R_OK | os.X_OK):
            yield path
    beside = os.path.join(os.path.dirname(sys.executable), "uv")
    if os.path.isfile(beside):
        yield beside
    try:
        from uv import find_uv_bin

        yield str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        return


def _constraints(is_constrained: bool) -> Sequence[str]:
    return ("-c", "constraints.txt") if is_constrained else ()


def failure(installer: Installer, command: Sequence[str], output: str, what: str) -> BuildError:
    """The error for an installer that failed, with its last lines."""
    hints = {
        "No space left on device": "free some space; the installer's cache and temporary folder count too",
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
