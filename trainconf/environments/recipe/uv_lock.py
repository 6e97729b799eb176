"""The exact packages of a project's uv.lock, as uv itself exports them: requirement lines with versions, markers and hashes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from trainconf.environments.recipe import answers
from trainconf.environments.recipe.formats import toml_reader
from trainconf.environments.recipe.pyproject import are_known
from trainconf.errors import Mistake
from trainconf.paths import WorkspacePaths
from trainconf.process import processes
from trainconf.spec import canonical, sha256_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.environments.recipe.requirements import RequirementReader

NAME = "uv.lock"
EXPORT = (
    "export", "--frozen", "--offline", "--no-config", "--quiet", "--no-emit-project", "--no-default-groups", "--no-header", "--no-annotate",
    "--format", "requirements-txt",
)  # fmt: skip
KEPT = 50  # exports in the cache


def read_uv_lock(path: str, extras: Sequence[str], groups: Sequence[str], reader: RequirementReader) -> None:
    """Pass the packages of a lock file to the reader, those of the project's extras and groups too. What cannot be obeyed is a mistake."""
    lock = reader.read_text(path, "the lock file", "env.uv_lock")
    folder = os.path.dirname(path)
    project = reader.read_text(os.path.join(folder, "pyproject.toml"), "the pyproject file of the lock file", "env.uv_lock")
    if os.path.basename(path) != NAME:
        reader.mistakes.append(Mistake(f"a lock file of uv is called {NAME}", ("from", f"env.uv_lock={path}")))
        return
    if lock is None or project is None or not are_known(os.path.join(folder, "pyproject.toml"), project, extras, groups, reader.mistakes):
        return
    text = _exported(path, lock + project, list(extras), list(groups), reader)
    if text is not None:
        reader.read_lines("\n".join([*_indexes(lock, project), text]), folder, path)


def find_uv() -> str:
    """The program uv: on PATH, else that of the `uv` package beside this Python; empty where there is none."""
    return next((path for path in _programs() if _is_uv(path)), "")


def _exported(path: str, content: str, extras: list[str], groups: list[str], reader: RequirementReader) -> str | None:
    """The export, from the cache where these files were exported before; None, and a mistake, where uv is missing or refuses."""
    cache, key = os.path.join(WorkspacePaths(reader.root).cache, "uv-exports.json"), sha256_hex(canonical([path, content, extras, groups]))
    known = answers.read(cache)
    if isinstance(known.get(key), str):
        return str(known[key])
    uv = find_uv()
    if not uv:
        reader.mistakes.append(Mistake(
            "uv.lock is read by uv, which is not here", ("from", "env.uv_lock"), ("looked at", "PATH and this Python's packages"),
            hint="pip install 'trainconf[uv]'; or `uv export --frozen -o requirements.txt` elsewhere, and env.requirements_file",
        ))
        return None
    words = [word for flag, names in (("--extra", extras), ("--group", groups)) for name in names for word in (flag, name)]
    done = processes.run([uv, *EXPORT, "--project", os.path.dirname(path), "--python", sys.executable, *words])
    if not done.ok:
        reader.mistakes.append(Mistake(
            "uv cannot read the lock file", ("from", "env.uv_lock"), ("file", path), ("it said", done.last_lines()),
            hint="`uv lock` writes it anew",
        ))
        return None
    text = done.stdout.decode("utf-8", "replace")
    answers.write(cache, dict([*known.items(), (key, text)][-KEPT:]))
    return text


def _indexes(lock: str, project: str) -> list[str]:
    """The lines for the indexes of the lock that the project itself names, and for its folders.

    Any other is the default one or set up on a machine: installers have that from their own settings.
    """
    sources = [package.get("source", {}).get("registry") for package in toml_reader().loads(lock).get("package", ())]
    found = dict.fromkeys(str(source).rstrip("/") for source in sources if source)
    lines = {index: f"{'--extra-index-url' if '://' in index else '--find-links'} {index}" for index in found}
    return [line for index, line in lines.items() if "://" not in index or index in project]


def _is_uv(path: str) -> bool:
    """Whether a program is uv, or a script that starts it: pyenv leaves a `uv` on PATH that only prints an error."""
    with open(path, "rb") as stream:
        if stream.read(2) != b"#!":
            return True
    return processes.run([path, "--version"]).stdout.startswith(b"uv ")


def _programs() -> Iterator[str]:
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
