"""The environments of a workspace, keyed by the hash of their recipe: believed when whole, listed, found by name.

An environment is a folder `.trainconf/envs/<hash>`, moved into place by one rename, with its own account inside. A folder without that
account is never believed. Of an image only the account lies there: the engine keeps the image. Making them is `build.py`'s and
`image_build.py`'s, removing them `removal.py`'s.
"""

from __future__ import annotations

import os

from trainconf import files
from trainconf.environments.recipe import interpreter
from trainconf.environments.recipe.installed import installed, lock_text
from trainconf.errors import EnvironmentRecipeError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.paths import WorkspacePaths

HASH_LENGTH = 12
ACCOUNT = "trainconf-environment.json"
BUILDING = ".building"
REMOVING = ".removing"
IMAGES_MARK = os.path.join(".locks", "images")  # there once this workspace has begun to build an image


class BuiltEnvironment:
    """A whole environment of the store, as its account tells and its folder shows."""

    __slots__ = ("account", "folder")

    def __init__(self, folder: str, account: dict[str, Any]) -> None:
        self.folder = folder
        self.account = account

    kind = "venv"

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

    @property
    def trace(self) -> str:
        """A text that the plan of every run that uses it holds."""
        return self.folder + os.sep


class BuiltImage(BuiltEnvironment):
    """An environment whose software is an image of the engine's."""

    __slots__ = ()

    kind = "image"

    @property
    def image(self) -> str:
        """Its name: ours, or that of an image which is used as it is."""
        return str(self.account["image"])

    @property
    def image_id(self) -> str:
        return str(self.account["image_id"])

    @property
    def size_bytes(self) -> int:
        """What it takes with all its layers, shared ones included."""
        return int(self.account["size_bytes"])

    @property
    def stages(self) -> list[str]:
        """Ids of the images below it that we made, lowest first."""
        return list(self.account["stages"])

    @property
    def is_ours(self) -> bool:
        """Whether we made it."""
        return bool(self.account["base"])

    @property
    def python(self) -> str:
        """Path of its interpreter inside the image; empty when it has none."""
        return str(self.account["interpreter"])

    def packages(self) -> list[str]:
        return list(self.account["packages"])

    def lock_text(self) -> str:
        """Image, base image and Python as comments, then one pin a line: a requirements file as it stands."""
        lines = [f"# image {self.image} {self.image_id}"]
        if base := self.account["base"]:
            lines.append(" ".join(("# base", base["reference"], base["id"], *base["digests"])))
        return "".join(f"{line}\n" for line in lines) + lock_text(self.python_version or "none", self.packages())

    @property
    def trace(self) -> str:
        return self.image_id


def environment_dir(workspace: WorkspacePaths, identity: str) -> str:
    return os.path.join(workspace.envs, identity[:HASH_LENGTH])


def lock_of(folder: str) -> files.FileLock:
    """The lock of an environment's name, held while it is built or removed. The file stays: a waiter may hold it open."""
    locks = os.path.join(os.path.dirname(folder), ".locks")
    os.makedirs(locks, exist_ok=True)
    return files.FileLock(os.path.join(locks, os.path.basename(folder)))


def use_of(folder: str) -> files.FileLock:
    """The lock that is shared by those who were handed an environment and whose run has no plan yet; whoever removes it takes it alone."""
    lock = lock_of(folder)
    return files.FileLock(lock.path + ".use")


def hold(folder: str) -> files.FileLock:
    """That lock, shared, taken. Raises StorageError."""
    try:
        lock = use_of(folder)
        lock.acquire(shared=True)
    except OSError as error:
        raise StorageError.from_os_error(error, "the store of environments cannot be used") from error
    return lock


def load(folder: str, identity: str = "") -> BuiltEnvironment | None:
    """The environment in a folder, None unless it is whole, has this identity (when one is given), and its Python is there."""
    try:
        account = files.read_json(os.path.join(folder, ACCOUNT))
        whole = account["version"] == 1 and account["identity"].startswith(os.path.basename(folder))
        kind = BuiltImage if account.get("kind") == "image" else BuiltEnvironment
        if kind is BuiltEnvironment:
            os.stat(os.path.join(folder, "bin", "python"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return kind(folder, account) if whole and identity in ("", account["identity"]) else None


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
    found = [load(os.path.join(workspace.envs, name)) for name in names_in(workspace.envs)]
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


def discard(folder: str) -> None:
    """Remove an environment so that no instant shows half of one under its name."""
    import shutil

    gone = folder + REMOVING
    if os.path.lexists(gone):
        shutil.rmtree(gone)
    if os.path.lexists(folder):
        os.rename(folder, gone)
        shutil.rmtree(gone)


def names_in(folder: str) -> list[str]:
    """The names in a folder, sorted; a missing one has none."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
