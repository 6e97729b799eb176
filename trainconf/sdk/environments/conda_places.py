"""Where conda's environments of this machine are: looked up in its folders, without asking conda itself."""

from __future__ import annotations

import os
from contextlib import suppress

ROOTS = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba", "miniconda", "anaconda")


def find(name: str) -> tuple[str, dict[str, str]]:
    """The folder of the environment with a name, or at a path, empty where there is none; and all that are here, by name."""
    if os.sep in name:
        folder = os.path.abspath(os.path.expanduser(name))
        return folder if is_environment(folder) else "", environments()
    found = environments()
    return found.get(name, ""), found


def is_environment(folder: str) -> bool:
    """Whether a folder is an environment of conda with a Python."""
    return os.path.isdir(os.path.join(folder, "conda-meta")) and os.path.exists(os.path.join(folder, "bin", "python"))


def environments() -> dict[str, str]:
    """Every environment that can be found: its folder by its name. The root one is `base`."""
    found: dict[str, str] = {}
    for root in _roots():
        if is_environment(root):
            found.setdefault("base", root)
    for folder in _folders():
        if is_environment(folder):
            found.setdefault(os.path.basename(folder), folder)
    return found


def _roots() -> list[str]:
    environ, home = os.environ, os.path.expanduser("~")
    executable = environ.get("CONDA_EXE") or environ.get("MAMBA_EXE") or ""
    given = [environ.get("CONDA_ROOT", ""), environ.get("MAMBA_ROOT_PREFIX", "")]
    of_program = [os.path.dirname(os.path.dirname(executable))] if executable else []
    usual = [os.path.join(base, name) for base in (home, "/opt") for name in (*ROOTS, "conda")]
    return [root for root in dict.fromkeys([*given, *of_program, *usual]) if root]


def _folders() -> list[str]:
    environ, home = os.environ, os.path.expanduser("~")
    found = [environ["CONDA_PREFIX"]] if environ.get("CONDA_PREFIX") and environ.get("CONDA_DEFAULT_ENV") != "base" else []
    places = [*environ.get("CONDA_ENVS_PATH", environ.get("CONDA_ENVS_DIRS", "")).split(os.pathsep), os.path.join(home, ".conda", "envs")]
    for place in [*places, *(os.path.join(root, "envs") for root in _roots())]:
        try:
            found += [os.path.join(place, name) for name in sorted(os.listdir(place))] if place else []
        except OSError:
            continue
    with suppress(OSError), open(os.path.join(home, ".conda", "environments.txt"), encoding="utf-8", errors="surrogateescape") as stream:
        found += [line.strip() for line in stream if line.strip()]  # conda writes the file with its first environment
    return found
