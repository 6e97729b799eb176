"""Finds Pythons, and asks each once what it is; the answer is kept for as long as the status of its file stays the same."""

from __future__ import annotations

import os
import sys
import time

from trainconf import files
from trainconf.environments.recipe import answers
from trainconf.errors import EnvironmentRecipeError
from trainconf.fast.records import Record
from trainconf.fast.stdlib import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

SHIMS = "shims"  # the name of the folder in pyenv, asdf and mise
ASK_TIMEOUT_S = 60.0

# Runs in the other Python, whatever its version; the last line is the answer, because a sitecustomize may print before it.
QUESTION = """\
import json, os, site, sys
own = [os.path.abspath(p) for p in os.environ.get('PYTHONPATH', '').split(os.pathsep)]
lib = os.path.dirname(os.__file__)
dirs = [p for p in sys.path if p and p not in own and p not in (lib, os.path.join(lib, 'lib-dynload')) and not p.endswith('.zip')]
places = site.getsitepackages() + [site.getusersitepackages()]
print(json.dumps({'version': sys.version.split()[0], 'executable': sys.executable, 'site_dirs': dirs, 'places': places}))
"""


class Interpreter(Record):
    """A Python that works.

    path:       as it was named, made absolute. Its links are not resolved, because a venv's Python is a link, and that link makes it the
                venv's. The shim of a version manager may start any Python, so this is the path of the one that it starts
    version:    in full, such as 3.11.7
    site_dirs:  the folders in which it finds installed packages, without those of PYTHONPATH
    """

    path: str
    version: str
    site_dirs: Sequence[str]

    @property
    def minor_version(self) -> str:
        """Major and minor, such as 3.11: what decides which packages fit."""
        return ".".join(self.version.split(".")[:2])


def fits(version: str, wanted: str) -> bool:
    """Whether a full version is the requested one: 3.11.7 is a 3.11, and 3.11.17 is not a 3.11.1."""
    return f"{version}.".startswith(f"{wanted}.")


def submitting() -> Interpreter:
    """The Python of this process. Starts no process. Raises EnvironmentRecipeError when it does not know its own path."""
    if not sys.executable:
        raise EnvironmentRecipeError("the submitting Python does not know where it is", hint="name one with env.python.interpreter_path")
    lib = os.path.dirname(os.__file__)
    ours = {*map(os.path.abspath, python_path(os.environ)), os.getcwd(), "", lib, os.path.join(lib, "lib-dynload")}
    site_dirs = [path for path in sys.path if path not in ours and not path.endswith(".zip")]
    return Interpreter(sys.executable, sys.version.split()[0], site_dirs)


def taken_for_another() -> str:
    """Who activated an environment means that one by `env=current`: a note where this process, which is taken, is not of it. "" else.

    Nor is the environment that pipx and `uv tool` make for a program meant: nothing of the user's is in it.
    """
    conda = os.environ.get("CONDA_PREFIX", "") if os.environ.get("CONDA_DEFAULT_ENV", "base") != "base" else ""
    active = os.environ.get("VIRTUAL_ENV") or conda
    if active and os.path.realpath(active) != os.path.realpath(sys.prefix):
        python = os.path.join(active, "bin", "python")
        return f"env=current is the Python of trainconf, {sys.executable}; env.python.interpreter_path={python} takes the active one"
    if any(os.path.exists(os.path.join(sys.prefix, name)) for name in ("pipx_metadata.json", "uv-receipt.toml")):
        return f"env=current is the Python of trainconf alone, {sys.executable}; env.python.interpreter_path=python3 takes yours"
    return ""


def imported_from(source: str) -> str:
    """The folder of a source tree that this Python imports from, as `pip install -e .` has it do; "" where there is none.

    A run has a copy of the tree, and would import what is in the folder by then.
    """
    root = os.path.join(os.path.realpath(source), "")
    environment = os.path.realpath(sys.prefix)
    for path in submitting().site_dirs:
        found = os.path.realpath(path)
        if f"{found}{os.sep}".startswith(root) and not found.startswith(environment) and os.path.isdir(found):
            return found
    return ""


def python_path(variables: Mapping[str, str]) -> list[str]:
    """The folders that PYTHONPATH names. An empty one means the working directory, which is no software."""
    return [path for path in variables.get("PYTHONPATH", "").split(os.pathsep) if path]


def locate(named: str, root: str) -> str:
    """Absolute path of an interpreter as a user names it: a path, relative to the workspace, or a program on PATH.

    Raises EnvironmentRecipeError: it does not exist, is a folder, or may not be executed.
    """
    facts = [("from", "env.python.interpreter_path"), ("named", named)]
    if os.sep in named:
        path = os.path.join(root, os.path.expanduser(named))
    else:
        paths = (os.path.join(folder, named) for folder in os.get_exec_path() if folder)
        found = next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), None)
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
    """Ask the interpreter at `path` what it is. Starts a process once, and again when its file or a folder of packages has changed.

    The answer is kept in `cache_dir` when the folder above that exists. Raises EnvironmentRecipeError when it is no Python.
    """
    key = _key(path)
    cache_file = os.path.join(cache_dir, "interpreters.json")
    known = answers.read(cache_file)
    answer = known.get(key)
    if not isinstance(answer, dict) or answer.get("seen") != _seen(answer.get("places", ())):
        asked_ns = time.time_ns()
        answer = _ask(path)
        if not answer["executable"] or not _same_file(answer["executable"], path):
            # A wrapper answers for what it starts today, which its own status does not show: never kept.
            path = answer["executable"] if os.path.basename(os.path.dirname(path)) == SHIMS else path
        else:
            seen = _seen(answer["places"])
            if all(files.is_settled(found, asked_ns) for found in (files.fingerprint(path), *(found for _, found in seen))):
                known[key] = answer | {"seen": seen}
                answers.write(cache_file, known)
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
    """Every file that may be a Python 3, once: this process' own, those on PATH, those of pyenv."""
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


def _ask(path: str) -> dict[str, Any]:
    from trainconf.process import processes

    done = processes.run([path, "-c", QUESTION], timeout_s=ASK_TIMEOUT_S)
    try:
        answer = json.loads(done.text().splitlines()[-1]) if done.ok else {}
        found = {name: str(answer[name]) for name in ("version", "executable")}
        return found | {name: list(answer[name]) for name in ("site_dirs", "places")}
    except (IndexError, KeyError, TypeError, ValueError):
        output = done.last_lines(5) or f"nothing; it ended with code {done.returncode}"
        raise EnvironmentRecipeError(
            "the interpreter is not a working Python", ("from", path), ("it said", output),
            hint="name the file of a Python, such as .venv/bin/python",
        ) from None


def _key(path: str) -> str:
    """All that can change the answer: the file, its pyvenv.cfg, the machine, and the variables that Python itself reads."""
    folder = os.path.dirname(path)
    configured = [os.path.join(place, "pyvenv.cfg") for place in (folder, os.path.dirname(folder))]
    stats = [files.fingerprint(name) for name in (path, *configured)]
    names = ("HOME", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONPLATLIBDIR", "PYTHONUSERBASE")
    return files.dumps([path, stats, os.uname().nodename, [os.environ.get(name) for name in names]])


def _seen(places: Sequence[str]) -> list[Any]:
    """The state of the folders a Python searches for packages, existing or not, and of the files in them that name other folders."""
    found: list[Any] = []
    for place in places:
        names = [name for name in _names(place) if name.endswith((".pth", ".egg-link")) or name in ("sitecustomize.py", "usercustomize.py")]
        found += [[place, files.fingerprint(place)[:2]], *([name, files.fingerprint(os.path.join(place, name))] for name in names)]
    return found


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
