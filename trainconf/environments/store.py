"""The environments of a workspace, keyed by the hash of their recipe: believed when whole, listed, removed, swept.

An environment is a folder `.trainconf/envs/<hash>`, moved into place by one rename, with its own account inside. A folder without that
account is never believed. Making one is `build.py`'s.
"""

from __future__ import annotations

import os

from trainconf import files
from trainconf.environments import interpreter
from trainconf.environments.installed import installed, lock_text
from trainconf.errors import EnvironmentRecipeError
from trainconf.paths import RunPaths, WorkspacePaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

HASH_LENGTH = 12
ACCOUNT = "trainconf-environment.json"
BUILDING = ".building"
REMOVING = ".removing"


class BuiltEnvironment:
    """A whole environment of the store, as its account tells and its folder shows."""

    __slots__ = ("account", "folder")

    def __init__(self, folder: str, account: dict[str, Any]) -> None:
        self.folder = folder
        self.account = account

    @property
    def hash(self) -> str:
        return os.path.basename(self.folder)

    @property
    def name(self) -> str:
        """What the recipe was called when it was first built; another recipe with the same content shares the environment."""
        return str(self.account["name"])

    @property
    def python(self) -> str:
        """Path of its interpreter."""
        return os.path.join(self.folder, "bin", "python")

    @property
    def python_version(self) -> str:
        return str(self.account["python"])

    @property
    def created(self) -> str:
        """When it was built, UTC ISO 8601."""
        return str(self.account["created"])

    def packages(self) -> list[str]:
        """`name==version` of what is in it now, whatever was built."""
        return installed(os.path.join(self.folder, site_dir) for site_dir in self.account["site_dirs"])

    def lock_text(self) -> str:
        return lock_text(self.python_version, self.packages())


def environment_dir(workspace: WorkspacePaths, identity: str) -> str:
    return os.path.join(workspace.envs, identity[:HASH_LENGTH])


def lock_of(folder: str) -> files.FileLock:
    """The lock of an environment's name, held while it is built or removed. The file stays: a waiter may hold it open."""
    locks = os.path.join(os.path.dirname(folder), ".locks")
    os.makedirs(locks, exist_ok=True)
    return files.FileLock(os.path.join(locks, os.path.basename(folder)))


def load(folder: str, identity: str = "") -> BuiltEnvironment | None:
    """The environment in a folder, None unless it is whole, has this identity (when one is given), and its Python is there."""
    try:
        account = files.read_json(os.path.join(folder, ACCOUNT))
        whole = account["version"] == 1 and account["identity"].startswith(os.path.basename(folder))
        os.stat(os.path.join(folder, "bin", "python"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return BuiltEnvironment(folder, account) if whole and identity in ("", account["identity"]) else None


def base_stat(folder: str) -> list[Any]:
    """The file an environment's `bin/python` leads to, with what changes when it is replaced by another version."""
    status = os.stat(os.path.join(folder, "bin", "python"))
    return [status.st_size, status.st_mtime_ns]


def is_on_same_python(built: BuiltEnvironment) -> bool:
    """Whether its base Python is still the one it was built on; a newer patch release in its place is noted, another minor is not."""
    stat = base_stat(built.folder)
    if stat == built.account["base"]:
        return True
    try:
        now = interpreter.inspect(built.python, "").version
    except EnvironmentRecipeError:
        return False
    if not interpreter.fits(now, built.python_version.rpartition(".")[0]):
        return False
    built.account.update(python=now, base=stat)
    files.write_atomic(os.path.join(built.folder, ACCOUNT), files.dumps(built.account))
    return True


def ls(workspace: WorkspacePaths) -> list[BuiltEnvironment]:
    """Every whole environment, newest first."""
    found = [load(os.path.join(workspace.envs, name)) for name in _names(workspace.envs)]
    return sorted((built for built in found if built), key=lambda built: built.created, reverse=True)


def show(workspace: WorkspacePaths, name_or_hash: str) -> BuiltEnvironment:
    """The environment that answers to a hash, its beginning, or a name. Raises EnvironmentRecipeError: none, or several."""
    everything = ls(workspace)
    found = [built for built in everything if name_or_hash and built.hash.startswith(name_or_hash)]
    found = found or [built for built in everything if built.name == name_or_hash]
    if len(found) == 1:
        return found[0]
    which = "\n".join(f"{built.hash}  {built.name}  {built.created}" for built in found or everything) or "none"
    if found:
        raise EnvironmentRecipeError(f"{len(found)} environments answer to {name_or_hash!r}", ("built", which), hint="give the hash")
    raise EnvironmentRecipeError(f"no environment answers to {name_or_hash!r}", ("built", which), hint="`trainconf env ls` lists them")


def rm(workspace: WorkspacePaths, name_or_hash: str) -> str:
    """Remove an environment; its hash. Raises EnvironmentRecipeError when an unfinished run uses it or it is being built."""
    built = show(workspace, name_or_hash)
    lock = lock_of(built.folder)
    if not lock.acquire(blocking=False):
        raise EnvironmentRecipeError(f"environment {built.hash} is being built or removed", ("environment", built.folder))
    try:
        if users := list(_used_by(workspace, built.folder)):
            raise EnvironmentRecipeError(
                f"environment {built.hash} is in use", ("runs", "\n".join(users)), hint="wait for them, or `trainconf cancel` them",
            )
        discard(built.folder)
    finally:
        lock.release()
    return built.hash


def discard(folder: str) -> None:
    """Remove an environment so that no instant shows half of one under its name."""
    import shutil

    gone = folder + REMOVING
    if os.path.lexists(gone):
        shutil.rmtree(gone)
    if os.path.lexists(folder):
        os.rename(folder, gone)
        shutil.rmtree(gone)


def sweep_leftovers(workspace: WorkspacePaths) -> list[str]:
    """Remove what builds and removals left that died midway, and folders without an account; the names. What is locked is left."""
    import shutil

    swept = []
    for name in _names(workspace.envs):
        key, dot, _ = name.partition(".")
        folder = os.path.join(workspace.envs, key)
        if not key or (not dot and os.path.exists(os.path.join(folder, ACCOUNT))):
            continue
        lock = lock_of(folder)
        if lock.acquire(blocking=False):
            try:
                shutil.rmtree(os.path.join(workspace.envs, name))
            finally:
                lock.release()
            swept.append(name)
    return swept


def _used_by(workspace: WorkspacePaths, folder: str) -> Iterator[str]:
    """Ids of the runs whose plan names this environment and whose agent (or submitter, before it) lives."""
    locked: dict[str, bool] = {}
    for experiment in _names(workspace.runs):
        for run_id in _names(os.path.join(workspace.runs, experiment)):
            run = workspace.run(experiment, run_id)
            lock = _lock_held_for(run)
            if lock not in locked:
                locked[lock] = files.is_locked(lock)
            if locked[lock] and _names_folder(run, folder):
                yield run_id


def _lock_held_for(run: RunPaths) -> str:
    try:
        return str(files.read_json(run.record)["lock"])
    except (OSError, ValueError, KeyError, TypeError):
        return run.lock


def _names_folder(run: RunPaths, folder: str) -> bool:
    try:
        with open(run.plan, encoding="utf-8") as stream:
            return files.dumps(folder + os.sep)[1:-1] in stream.read()
    except FileNotFoundError:
        return False


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
