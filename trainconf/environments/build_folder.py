"""The folder in which an environment is built: beside the store, under the lock of what is built, with what the installer reads in it.

The installer inherits the lock's descriptor. After a `kill -9` of trainconf the next builder therefore waits for the orphaned installer to
end before it clears the folder away.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from trainconf import files
from trainconf.environments import store
from trainconf.environments.recipe import contents, requirements
from trainconf.environments.request import EnvironmentRequest
from trainconf.errors import EnvironmentRecipeError, StorageError

REFUSALS = frozenset((errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.ENOSPC, errno.EPERM, errno.EROFS))


@dataclass
class BuildFolder:
    """An empty folder to build in, and the descriptor of the lock on what is built. The folder is removed in the end, whatever happens."""

    path: str
    lock_fd: int
    request: EnvironmentRequest

    def at(self, *names: str) -> str:
        return os.path.join(self.path, *names)

    def write(self, name: str, text: str) -> None:
        """Write a file of lines for the installer."""
        with open(self.at(name), "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)

    def keep(self, **facts: Any) -> dict[str, Any]:
        """Move the folder `env` into the store by one rename, with its metadata, which is returned; `facts` are part of it.

        From another disk it is moved through the folder beside the store.
        """
        spec, final = self.request.spec, self.request.folder
        metadata = facts | {
            "version": 1, "identity": self.request.identity, "name": self.request.name,
            "created": datetime.now(timezone.utc).isoformat().replace("+00:00", "Z"),
            "requirements": list(spec.requirements), "files": [list(pair) for pair in spec.files],
        }
        files.write_atomic(self.at("env", store.METADATA), files.dumps(metadata))
        store.discard(final)
        source, beside = self.at("env"), final + store.BUILDING
        if not source.startswith(beside):
            source = str(shutil.move(source, os.path.join(beside, "env")))
        os.rename(source, final)
        return metadata

    def copy_local_requirements(self) -> dict[str, str]:
        """Copy the local requirements, so that the build cannot write into the user's tree and sees exactly what was hashed.

        Returns each copy's path in this folder by the path that the spec names.
        Raises EnvironmentRecipeError when a local requirement is not what the spec says.
        """
        local = enumerate(requirements.local_files(self.request.spec.files))
        return {path: self._copy(path, digest, number) for number, (path, digest) in local}

    def _copy(self, path: str, digest: str, number: int) -> str:
        source = os.path.normpath(os.path.join(self.request.root, path))
        copied = os.path.join("sources", str(number), os.path.basename(source) or "root")
        os.makedirs(os.path.dirname(self.at(copied)))
        if self._has_copied(source, copied, digest):
            return f"./{copied}"
        recorded_root = "" if os.path.isabs(path) else self.request.recorded_code()
        if recorded_root and self._has_copied(os.path.normpath(os.path.join(recorded_root, path)), copied, digest, is_copy=True):
            return f"./{copied}"
        facts = (("named", path), ("looked at", source))
        if not os.path.lexists(source):
            raise EnvironmentRecipeError("a local requirement is gone", *facts)
        raise EnvironmentRecipeError(
            "a local requirement has changed since the run was specified", *facts, hint="submit (or freeze) again to take it as it is now",
        )

    def _has_copied(self, source: str, copied: str, digest: str, *, is_copy: bool = False) -> bool:
        """Copy a source and keep the copy if it has that digest; whether it has."""
        target = self.at(copied)
        try:
            contents.copy(source, target, is_copy=is_copy)
        except FileNotFoundError:
            pass
        else:
            if contents.digest(target, is_copy=True) == digest:
                return True
        remove(target)
        return False


@contextmanager
def build_folder(request: EnvironmentRequest) -> Iterator[BuildFolder]:
    """Hold the lock of an environment and give an empty folder to build it in. Raises StorageError when the disk refuses."""
    final = request.folder
    try:
        os.makedirs(request.workspace.envs, exist_ok=True)
        lock = store.lock_of(final)
        if not lock.acquire(blocking=False):
            with request.reporter.wait(f"waiting: another run is building environment {os.path.basename(final)}"):
                lock.acquire()
        folder, elsewhere = final + store.BUILDING, ""
        try:
            remove(folder)
            os.mkdir(folder)
            elsewhere = "" if is_text(folder) else tempfile.mkdtemp(prefix="trainconf-")
            yield BuildFolder(elsewhere or folder, lock.fd, request)
        finally:
            remove(folder)
            remove(elsewhere)
            lock.release()
    except OSError as error:
        if error.errno in REFUSALS:
            raise StorageError.from_os_error(error, "the environment cannot be stored") from error
        raise


def remove(path: str) -> None:
    """Remove a file or a folder; a missing one is no error."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def is_text(path: str) -> bool:
    """Whether a path is UTF-8. Neither uv nor venv nor an engine works in a folder whose name is not."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
