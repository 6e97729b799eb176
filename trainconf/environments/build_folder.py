"""Where an environment is made: a folder beside the store, under the lock of what is made, with what the installer reads in it.

The lock's descriptor is for the installer to inherit, so that after a `kill -9` of ours the next builder waits for the orphan to end
before it clears the folder away.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager

from trainconf.environments import store
from trainconf.environments.recipe import contents, requirements
from trainconf.errors import EnvironmentRecipeError, StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from trainconf.paths import WorkspacePaths
    from trainconf.spec import EnvironmentSpec

REFUSALS = frozenset((errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.ENOSPC, errno.EPERM, errno.EROFS))


class Site:
    """A folder to build in, under the lock of what is built. `folder` is removed in the end, whatever happens."""

    def __init__(self, folder: str, lock_fd: int, root: str, report: Callable[[str], None], code: Callable[[], str]) -> None:
        self.code = code  # a workspace with the recorded code, made when it is asked for; empty text when there is none
        self.folder = folder
        self.lock_fd = lock_fd
        self.root = root
        self.report = report

    def at(self, *names: str) -> str:
        return os.path.join(self.folder, *names)

    def move(self, name: str, target: str) -> None:
        """What was made into place, by one rename; from another disk, by way of the building folder beside it."""
        source, beside = self.at(name), target + store.BUILDING
        if not source.startswith(beside):
            source = str(shutil.move(source, os.path.join(beside, name)))
        os.rename(source, target)

    def bring(self, spec: EnvironmentSpec) -> dict[str, str]:
        """Copies of the local requirements, verified; what each is called in this folder, by the path it is named by.

        Raises EnvironmentRecipeError when a local requirement is not what the spec says.
        """
        local = enumerate(requirements.local_files(spec.files))
        return {path: self._bring(path, digest, number) for number, (path, digest) in local}

    def write(self, name: str, text: str) -> None:
        """A file of lines for the installer."""
        with open(self.at(name), "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)

    def _bring(self, path: str, digest: str, number: int) -> str:
        """Copy one local requirement, so that the build cannot write into the user's tree and sees exactly what was hashed."""
        copied = os.path.join("sources", str(number), os.path.basename(os.path.normpath(os.path.join(self.root, path))) or "root")
        os.makedirs(os.path.dirname(self.at(copied)))
        source = os.path.normpath(os.path.join(self.root, path))
        if self._took(source, copied, digest):
            return f"./{copied}"
        other_root = "" if os.path.isabs(path) else self.code()
        if other_root and self._took(os.path.normpath(os.path.join(other_root, path)), copied, digest, is_copy=True):
            return f"./{copied}"
        facts = (("named", path), ("looked at", source))
        if not os.path.lexists(source):
            raise EnvironmentRecipeError("a local requirement is gone", *facts)
        raise EnvironmentRecipeError(
            "a local requirement has changed since the run was specified", *facts, hint="submit (or freeze) again to take it as it is now",
        )

    def _took(self, source: str, copied: str, digest: str, *, is_copy: bool = False) -> bool:
        """Copy what has that digest; whether it had, also once it was copied."""
        target = self.at(copied)
        try:
            contents.copy(source, target, is_copy=is_copy)
        except FileNotFoundError:
            pass
        else:
            if contents.digest(target, is_copy=True) == digest:
                return True
        if os.path.isdir(target):
            shutil.rmtree(target)
        elif os.path.lexists(target):
            os.unlink(target)
        return False


@contextmanager
def building_site(
    workspace: WorkspacePaths, final: str, root: str, report: Callable[[str], None], code: Callable[[], str] = str
) -> Iterator[Site]:
    """The lock of an environment and an empty folder to build it in. A refusal of the disk is told as a StorageError."""
    try:
        os.makedirs(workspace.envs, exist_ok=True)
        held = store.lock_of(final)
        if not held.acquire(blocking=False):
            report(f"waiting: another run is building environment {os.path.basename(final)}")
            held.acquire()
        folder, aside = final + store.BUILDING, ""
        try:
            if os.path.lexists(folder):
                shutil.rmtree(folder)
            os.mkdir(folder)
            aside = "" if is_text(folder) else _folder_with_a_plain_name()
            yield Site(aside or folder, held.fd, root, report, code)
        finally:
            for made in (folder, aside):
                if os.path.lexists(made):
                    shutil.rmtree(made)
            held.release()
    except OSError as error:
        if error.errno in REFUSALS:
            raise StorageError.from_os_error(error, "the environment cannot be stored") from error
        raise


def is_text(path: str) -> bool:
    """Whether a path is UTF-8: neither uv, venv nor an engine works in a folder whose name is not."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _folder_with_a_plain_name() -> str:
    import tempfile

    return tempfile.mkdtemp(prefix="trainconf-")
