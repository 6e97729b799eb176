"""The environments of a workspace, keyed by the hash of their recipe: loaded, listed, found by name, locked.

An environment is a folder `.trainconf/envs/<hash>`, moved into place by one rename. It is used only if its metadata file is present. The
folder of an image holds only that file, because the engine keeps the image.
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
METADATA = "trainconf-environment.json"
BUILDING = ".building"
REMOVING = ".removing"
IMAGES_MARK = os.path.join(".locks", "images")  # there once this workspace has begun to build an image


class BuiltEnvironment:
    """A venv of the store: what its metadata says and its folder shows."""

    kind = "venv"
    image_id = ""

    def __init__(self, folder: str, metadata: dict[str, Any]) -> None:
        self.folder = folder
        self.metadata = metadata

    @property
    def hash(self) -> str:
        return os.path.basename(self.folder)

    @property
    def name(self) -> str:
        """The recipe's name when it was first built. Another recipe with the same content shares the environment."""
        return str(self.metadata["name"])

    @property
    def python(self) -> str:
        """Path of its interpreter."""
        return os.path.join(self.folder, "bin", "python")

    @property
    def python_version(self) -> str:
        return str(self.metadata["python"])

    @property
    def created(self) -> str:
        """When it was built, UTC ISO 8601."""
        return str(self.metadata["created"])

    @property
    def last_used(self) -> float:
        """When a run or a build asked for it last, in seconds since the epoch; see `hold`."""
        try:
            return os.stat(os.path.join(os.path.dirname(self.folder), ".locks", f"{self.hash}.use")).st_mtime
        except OSError:
            return os.stat(self.folder).st_mtime

    def disk_bytes(self) -> tuple[int, int]:
        """What it takes on the disk: all of it, and what no other folder shares by hard links, as an installer's cache may."""
        total = own = 0
        for folder, _, names in os.walk(self.folder):
            for name in (".", *names):
                info = os.lstat(os.path.join(folder, name))
                total += info.st_blocks * 512
                own += info.st_blocks * 512 if name == "." or info.st_nlink == 1 else 0
        return total, own

    def packages(self) -> list[str]:
        """`name==version` of everything that is installed in it now."""
        return installed(os.path.join(self.folder, site_dir) for site_dir in self.metadata["site_dirs"])

    def lock_text(self) -> str:
        return lock_text(self.python_version, self.packages())

    @property
    def trace(self) -> str:
        """A text that is in the plan of every run that uses this environment."""
        return self.folder + os.sep


class BuiltImage(BuiltEnvironment):
    """An environment whose software is an image of the engine's."""

    kind = "image"

    @property
    def image(self) -> str:
        """The image's name: ours, or the user's name of an image that is used as it is."""
        return str(self.metadata["image"])

    @property
    def image_id(self) -> str:  # type: ignore[override]
        return str(self.metadata["image_id"])

    def disk_bytes(self) -> tuple[int, int]:
        """The size of all its layers, and nothing where the image is the user's: that stays."""
        total = int(self.metadata["size_bytes"])
        return total, total if self.is_ours else 0

    @property
    def stages(self) -> list[str]:
        """Ids of the images below it that trainconf made, lowest first."""
        return list(self.metadata["stages"])

    @property
    def is_ours(self) -> bool:
        """Whether trainconf made it."""
        return bool(self.metadata["base"])

    @property
    def python(self) -> str:
        """Path of its interpreter inside the image; empty when it has none."""
        return str(self.metadata["interpreter"])

    def packages(self) -> list[str]:
        return list(self.metadata["packages"])

    def lock_text(self) -> str:
        """Image, base image and Python as comments, then one pin a line: a requirements file as it stands."""
        lines = [f"# image {self.image} {self.image_id}"]
        if base := self.metadata["base"]:
            lines.append(" ".join(("# base", base["reference"], base["id"], *base["digests"])))
        return "".join(f"{line}\n" for line in lines) + lock_text(self.python_version or "none", self.packages())

    @property
    def trace(self) -> str:
        return self.image_id


def lock_of(folder: str) -> files.FileLock:
    """The lock of an environment, held while it is built or removed. Its file stays, because a waiter may hold it open."""
    locks = os.path.join(os.path.dirname(folder), ".locks")
    os.makedirs(locks, exist_ok=True)
    return files.FileLock(os.path.join(locks, os.path.basename(folder)))


def use_of(folder: str) -> files.FileLock:
    """The lock of those who use an environment before their run has a plan. They share it; removing needs it exclusively."""
    return files.FileLock(lock_of(folder).path + ".use")


def hold(folder: str) -> files.FileLock:
    """Take the lock of `use_of`, shared; the time of its file is that of the last use. Raises StorageError."""
    try:
        lock = use_of(folder)
        lock.acquire(shared=True)
        os.utime(lock.fd)
    except OSError as error:
        raise StorageError.from_os_error(error, "the store of environments cannot be used") from error
    return lock


def load(folder: str, identity: str = "") -> BuiltEnvironment | None:
    """The environment in a folder; None if it is not whole, lacks its Python, or has another identity than the one given."""
    try:
        metadata = files.read_json(os.path.join(folder, METADATA))
        is_whole = metadata["version"] == 1 and metadata["identity"].startswith(os.path.basename(folder))
        kind = BuiltImage if metadata.get("kind") == "image" else BuiltEnvironment
        if kind is BuiltEnvironment:
            os.stat(os.path.join(folder, "bin", "python"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return kind(folder, metadata) if is_whole and identity in ("", metadata["identity"]) else None


def base_stat(folder: str) -> list[Any]:
    """Size and time of the file that a venv's `bin/python` links to: they change when another version replaces it."""
    status = os.stat(os.path.join(folder, "bin", "python"))
    return [status.st_size, status.st_mtime_ns]


def is_on_same_python(built: BuiltEnvironment) -> bool:
    """Whether its base Python is of the minor version it was built on. A newer patch release is written into the metadata."""
    stat = base_stat(built.folder)
    if stat == built.metadata["base"]:
        return True
    try:
        now = interpreter.inspect(built.python, "").version
    except EnvironmentRecipeError:
        return False
    if not interpreter.fits(now, built.python_version.rpartition(".")[0]):
        return False
    built.metadata.update(python=now, base=stat)
    files.write_atomic(os.path.join(built.folder, METADATA), files.dumps(built.metadata))
    return True


def ls(workspace: WorkspacePaths) -> list[BuiltEnvironment]:
    """Every whole environment, newest first."""
    found = [load(os.path.join(workspace.envs, name)) for name in files.names_in(workspace.envs)]
    return sorted((built for built in found if built), key=lambda built: built.created, reverse=True)


def show(workspace: WorkspacePaths, name_or_hash: str) -> BuiltEnvironment:
    """The environment with a hash, the beginning of one, or a name. Raises EnvironmentRecipeError: none, or several."""
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
    """Remove an environment. Half of one is never visible under its name."""
    import shutil

    gone = folder + REMOVING
    if os.path.lexists(gone):
        shutil.rmtree(gone)
    if os.path.lexists(folder):
        os.rename(folder, gone)
        shutil.rmtree(gone)
