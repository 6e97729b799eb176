"""The one page of a workspace: who serves it, and its link, for whoever types `trainconf ui` again.

`.trainconf/page.json` holds the link with its token, so only its user can read it. `.trainconf/page.lock` is held for as long as the page
is served, so a file that a killed server left behind says nothing. In a workspace that cannot be written to there is neither.
"""

from __future__ import annotations

import os

from trainconf import files
from trainconf.errors import UserError
from trainconf.fast.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.paths import WorkspacePaths

RECORD_BYTES = 1 << 16


class Other(Record):
    """A page that is served already. `link` is empty where it is another user's, or was not written yet."""

    link: str = ""
    host: str = ""
    pid: int = 0


class Standing:
    """This process' claim to serve the page of a workspace. A context manager."""

    def __init__(self, workspace: WorkspacePaths) -> None:
        self._record = os.path.join(workspace.state, "page.json")
        self._lock = files.FileLock(os.path.join(workspace.state, "page.lock"))
        self.is_recorded = False

    def __enter__(self) -> Standing:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_recorded:
            try:
                os.unlink(self._record)
            except OSError:
                self.is_recorded = False  # somebody else has removed it
        self._lock.release()

    def claim(self) -> Other | None:
        """Take the claim; None when it is ours, or nobody can have it because nothing can be written here."""
        try:
            os.makedirs(os.path.dirname(self._record), exist_ok=True)
            return None if self._lock.acquire(blocking=False) else _read(self._record)
        except OSError:
            return None

    def record(self, link: str) -> None:
        """Write down the link, where that can be."""
        if self._lock.fd < 0:
            return
        said = files.dumps({"link": link, "host": os.uname().nodename, "pid": os.getpid()})
        try:
            files.write_atomic(self._record, said, mode=0o600, durable=False)
            self.is_recorded = True
        except OSError:
            self.is_recorded = False


def link(workspace: WorkspacePaths) -> Other:
    """The page that is served now. Raises UserError when there is none, or its link is not for this user."""
    standing = Standing(workspace)
    if not files.is_locked(standing._lock.path):
        raise UserError("no page of this workspace is served now", ("workspace", workspace.root), hint="`trainconf ui` serves one")
    found = _read(standing._record)
    if not found.link:
        raise UserError(
            "the link of this workspace's page cannot be read", ("file", standing._record), hint="only the user who serves it can read it"
        )  # fmt: skip
    return found


def _read(path: str) -> Other:
    try:
        found = files.read_json(path, RECORD_BYTES)
        return Other(str(found["link"]), str(found["host"]), int(found["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Other()
