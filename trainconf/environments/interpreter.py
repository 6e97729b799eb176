"""Which Python: what an interpreter is, asked once and remembered by the stat of its file, and where one of a version is found."""

from __future__ import annotations

import json
import os
import sys

from trainconf import files
from trainconf.errors import EnvironmentRecipeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

SITE_NAMES = ("site-packages", "dist-packages")
ASK_TIMEOUT_S = 60.0

# Runs in the other Python, whatever its version; the last line is the answer, because a sitecustomize may print before it.
QUESTION = (
    "import json, os, sys\n"
    "print(json.dumps({'version': sys.version.split()[0], 'executable': sys.executable,"
    f" 'site_dirs': [p for p in sys.path if os.path.basename(p) in {SITE_NAMES!r}]}}))"
)


class Interpreter:
    """A Python that has been seen to work.

    `path` is as it was named, made absolute; its symlinks are never resolved, because a venv's Python is a link and that link is
    what makes it the venv's. `version` is in full, such as 3.11.7. `site_dirs` are the folders it finds installed packages in.
    """

    __slots__ = ("path", "site_dirs", "version")

    def __init__(self, path: str, version: str, site_dirs: Sequence[str]) -> None:
        self.path = path
        self.version = version
        self.site_dirs = site_dirs

    @property
    def minor_version(self) -> str:
        """Major and minor, such as 3.11: what decides which packages fit."""
        return ".".join(self.version.split(".")[:2])


def fits(version: str, wanted: str) -> bool:
    """Whether a full version is the one that was asked for: 3.11.7 is a 3.11, 3.11.17 is not a 3.11.1."""
    return f"{version}.".startswith(f"{wanted}.")


def submitting() -> Interpreter:
    """The Python this process runs in; nothing is asked. Raises EnvironmentRecipeError when it does not know its own path."""
    if not sys.executable:
        raise EnvironmentRecipeError("the submitting Python does not know where it is", hint="name one with env.python.interpreter_path")
    return Interpreter(sys.executable, sys.version.split()[0], [path for path in sys.path if os.path.basename(path) in SITE_NAMES])


def locate(named: str, root: str) -> str:
    """Absolute path of an interpreter as a user names it: a path, relative to the workspace, or a program on PATH.

    Raises EnvironmentRecipeError: it does not exist, is a folder, or may not be executed.
    """
    facts = [("from", "env.python.interpreter_path"), ("named", named)]
    if os.sep in named:
        path = os.path.join(root, os.path.expanduser(named))
    else:
        found = next((path for path in _on_path(named) if os.access(path, os.X_OK)), None)
        if found is None:
            raise EnvironmentRecipeError(f"there is no program {named} on PATH", *facts, hint="name an interpreter by its path")
        return found
    if os.path.isdir(path):
        inside = os.path.join(named, "bin", "python")
        hint = f"its Python is {inside}" if os.path.exists(os.path.join(root, inside)) else "name the interpreter's file"
        raise EnvironmentRecipeError("the interpreter is a folder", *facts, hint=hint)
    if not os.path.exists(path):
        raise EnvironmentRecipeError("the interpreter does not exist", *facts, ("looked at", path))
    if not os.access(path, os.X_OK):
        raise EnvironmentRecipeError("the interpreter may not be executed", *facts, ("looked at", path), hint="chmod +x, or name another")
    return path


def inspect(path: str, cache_dir: str) -> Interpreter:
    """Ask the interpreter at `path` what it is: one child process the first time, none until its file changes.

    The answer is kept under `cache_dir` when the folder above it exists. Raises EnvironmentRecipeError when it is no Python.
    """
    key = _key(path)
    cache_file = os.path.join(cache_dir, "interpreters.json")
    known = _read_cache(cache_file)
    if key in known:
        return Interpreter(path, known[key]["version"], known[key]["site_dirs"])
    answer = _ask(path)
    # A wrapper (pyenv's shims) answers for whatever it starts today, which its own stat does not show: never remembered.
    if answer["executable"] and _same_file(answer["executable"], path) and os.path.isdir(os.path.dirname(cache_dir)):
        known[key] = answer
        _write_cache(cache_file, known)
    return Interpreter(path, answer["version"], answer["site_dirs"])


def find_version(wanted: str, cache_dir: str, extra: Sequence[str] = ()) -> str:
    """Path of an installed Python of version `wanted` (3.12, or 3.12.1): on PATH, under pyenv, or among the `extra` candidates.

    Raises EnvironmentRecipeError that names what is installed.
    """
    seen: dict[str, str] = {}
    for path in (*_candidates(), *extra):
        try:
            version = inspect(path, cache_dir).version
        except EnvironmentRecipeError:
            continue  # a shim for a version that is not installed answers with an error
        if fits(version, wanted):
            return path
        seen.setdefault(version, path)
    raise EnvironmentRecipeError(
        f"there is no Python {wanted} on this machine", ("from", "env.python.version"),
        ("installed", "\n".join(f"{version}  {path}" for version, path in sorted(seen.items())) or "none found"),
        hint=f"install Python {wanted} (`uv python install {wanted}`), or ask for one that is here",
    )


def _candidates() -> Iterator[str]:
    """Every file that may be a Python 3, once: the submitting one, PATH's, pyenv's."""
    seen = {sys.executable}
    yield sys.executable
    folders = [entry for entry in os.get_exec_path() if entry]
    pyenv = os.path.join(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"), "versions")
    folders += [os.path.join(pyenv, version, "bin") for version in _names(pyenv)]
    for folder in folders:
        for name in _names(folder):
            path = os.path.join(folder, name)
            if name == "python3" or (name.startswith("python3.") and name[8:].isdigit()):
                real = os.path.realpath(path)
                if real not in seen:
                    seen.add(real)
                    yield path


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []  # PATH may hold folders that do not exist or are not ours to read


def _on_path(program: str) -> list[str]:
    return [path for folder in os.get_exec_path() if folder and os.path.isfile(path := os.path.join(folder, program))]


def _ask(path: str) -> dict[str, Any]:
    from trainconf.process import processes

    done = processes.run([path, "-c", QUESTION], timeout_s=ASK_TIMEOUT_S)
    try:
        answer = json.loads(done.text().splitlines()[-1]) if done.ok else {}
        return {"version": str(answer["version"]), "executable": str(answer["executable"]), "site_dirs": list(answer["site_dirs"])}
    except (IndexError, KeyError, TypeError, ValueError):
        said = done.last_lines(5) or f"nothing; it ended with code {done.returncode}"
        raise EnvironmentRecipeError(
            "the interpreter is not a working Python", ("from", path), ("it said", said),
            hint="name the file of a Python, such as .venv/bin/python",
        ) from None


def _key(path: str) -> str:
    """Whatever can change the answer: the file, its pyvenv.cfg, the machine, and the variables that Python itself reads."""
    folder = os.path.dirname(path)
    stats = [_stat(path), _stat(os.path.join(folder, "pyvenv.cfg")), _stat(os.path.join(os.path.dirname(folder), "pyvenv.cfg"))]
    names = ("HOME", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONUSERBASE")
    return files.dumps([path, stats, os.uname().nodename, [os.environ.get(name) for name in names]])


def _stat(path: str) -> list[int]:
    try:
        status = os.stat(path)
    except OSError:
        return []
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _read_cache(cache_file: str) -> dict[str, Any]:
    try:
        known = files.read_json(cache_file)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write_cache(cache_file: str, known: dict[str, Any]) -> None:
    try:
        os.makedirs(os.path.dirname(cache_file), exist_ok=True)
        files.write_atomic(cache_file, files.dumps(known), durable=False)
    except OSError:
        return  # only a cache: a full or read-only disk is told where something must be written
