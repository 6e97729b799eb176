"""Folders for a job's PYTHONPATH and PATH: one has trainconf and nothing else, others have a Python that comes first.

The first holds one symbolic link, `trainconf -> the installed package`. So `from trainconf import Run` works in a Python where nothing is
installed, and the packages beside an installed trainconf stay invisible.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

import trainconf
from trainconf import files
from trainconf.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, TypeVar

    T = TypeVar("T")

KEPT_S = 1.0  # that a folder is believed to be as it was: whoever submits for days makes it anew where somebody has removed it

# They hold more than a Python's programs.
SYSTEM_FOLDERS = frozenset(("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"))


def folder(environ: Mapping[str, str], fallback: str) -> str:
    """The folder for PYTHONPATH, made on first use: in the user's cache, else under `fallback`, else in /tmp.

    PYTHONPATH cannot hold a path with a colon, so such a place is skipped. Raises StorageError when none is left.
    """
    package = os.path.dirname(os.path.abspath(trainconf.__file__))
    return _lately(("", *_places(environ, fallback)), lambda: _made(
        environ, fallback, package, lambda path: _link(os.path.join(path, "trainconf"), package),
    ))  # fmt: skip


def compat_folders(compat: Iterable[str], folder: str) -> list[str]:
    """The folders with other tools' names, below what `folder` has of trainconf."""
    return [f"{folder}/trainconf/compat/{name}/path" for name in compat]


def programs(environ: Mapping[str, str], fallback: str, python: str) -> list[str]:
    """Folders for PATH in which `python` and `python3` are this interpreter, and in which the programs beside it are found first.

    A folder of the system is never put first: it holds much else. PATH cannot hold a colon either: a link replaces such a folder.
    Raises StorageError.
    """
    return _lately((python, *_places(environ, fallback)), lambda: _programs(environ, fallback, python))


def _lately(key: tuple[str, ...], find: Callable[[], T]) -> T:
    """What was found just before, for another trial of the same sweep, or is found now."""
    now = time.monotonic()
    found = _found.get(key)
    if found is None or now >= found[0] + KEPT_S:
        found = _found[key] = now, find()
    kept: T = found[1]
    return kept


_found: dict[tuple[str, ...], tuple[float, Any]] = {}


def _programs(environ: Mapping[str, str], fallback: str, python: str) -> list[str]:
    beside = os.path.dirname(python)
    if not os.path.isabs(python):
        return []
    found = []
    if beside in SYSTEM_FOLDERS or not all(_is_same(os.path.join(beside, name), python) for name in ("python", "python3")):
        found.append(_made(environ, fallback, f"python {python}", lambda path: _wrap(path, python)))
    if beside in SYSTEM_FOLDERS or (found and not any(os.path.lexists(os.path.join(beside, name)) for name in ("python", "python3"))):
        return found
    if os.pathsep in beside:
        home, name = os.path.split(beside)  # a link to the folder above: a Python looks there for what makes it a venv's
        beside = os.path.join(_made(environ, fallback, f"home {home}", lambda path: _link(os.path.join(path, "home"), home)), "home", name)
    return [*found, beside]


def _made(environ: Mapping[str, str], fallback: str, name: str, make: Callable[[str], None]) -> str:
    refusals = []
    for place in _places(environ, fallback):
        path = os.path.join(place, _name(name))
        if os.pathsep in path:
            continue
        try:
            _own(path)
            make(path)
        except OSError as error:
            refusals.append(error)
            continue
        return path
    raise StorageError("no folder can be made for the job's `import trainconf`", *(("tried", str(error)) for error in refusals))


def _places(environ: Mapping[str, str], fallback: str) -> Iterator[str]:
    cache = environ.get("XDG_CACHE_HOME", "")
    home = environ.get("HOME", "")
    if os.path.isabs(cache):
        yield os.path.join(cache, "trainconf", "jobpath")
    elif os.path.isabs(home):
        yield os.path.join(home, ".cache", "trainconf", "jobpath")
    yield os.path.join(fallback, "jobpath")
    yield f"/tmp/trainconf-jobpath-{os.getuid()}"


def _name(content: str) -> str:
    from trainconf.spec import sha256_hex

    return sha256_hex(content)[:16]


def _own(path: str) -> None:
    """Make the folder, or accept it as it is. One that others may write to could run their code in our jobs."""
    if not os.path.isdir(path):  # once for each trial of a sweep
        os.makedirs(path, mode=0o700, exist_ok=True)
    for owned in (path, os.path.dirname(path)):
        facts = os.lstat(owned)
        if facts.st_uid != os.getuid() or facts.st_mode & 0o022:
            raise PermissionError(1, "others may write to it", owned)


def _link(link: str, target: str) -> None:
    with suppress(FileNotFoundError):
        if os.readlink(link) == target:
            return
    try:
        os.symlink(target, link)
    except FileExistsError:  # another process was quicker
        if os.readlink(link) != target:
            raise


def _wrap(path: str, python: str) -> None:
    """Make scripts `python` and `python3` for an interpreter of another name or place. As links they would not find its packages."""
    for program in (os.path.join(path, name) for name in ("python", "python3")):
        if not os.access(program, os.X_OK):
            from shlex import quote

            files.write_atomic(program, f"#!/bin/sh\nexec {quote(python)} \"$@\"\n", durable=False)
            os.chmod(program, 0o755)


def _is_same(path: str, python: str) -> bool:
    """Whether a path leads to this interpreter. One that is not built yet will have all its names."""
    try:
        return os.path.samefile(path, python)
    except OSError:
        return not os.path.lexists(python)
