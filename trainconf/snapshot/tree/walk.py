"""The walk: which files, links and empty folders of a source tree travel.

It opens no source files but ignore files. A folder whose status and names are those of the stat cache is not evaluated again, unless an
ignore rule for it has changed.

Some names never travel, whatever the rules say: `outputs` and `logs` at the top (a run has its own), `.git` and `.trainconf` anywhere,
and `runs` at the top or beside a `.trainconf`. A folder is recorded when it is empty or holds something that travels. One whose contents
are all left out is not, or running the code (`__pycache__`) would change what the code is.
"""

from __future__ import annotations

import errno
import os
import stat

from trainconf.errors import Mistake, SnapshotError
from trainconf.snapshot.tree.rules import RuleBook
from trainconf.snapshot.tree.stat_cache import Folder, folder_signature, signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from trainconf.snapshot.tree.rules import Context
    from trainconf.snapshot.tree.stat_cache import StatCache

NEVER_AT_TOP = frozenset((b"outputs", b"logs", b"runs"))
NEVER = frozenset((b".git", b".trainconf"))
LISTING_ATTEMPTS = 5  # of a folder whose files vanish while their status is read


class RestlessError(OSError):
    """A name changes its kind while its status is read."""

    def __init__(self, path: bytes) -> None:
        super().__init__(errno.EAGAIN, "changes while it is read", path)


class Walk:
    """One walk over a source tree. `folders` and `rules` are its result."""

    def __init__(self, source: bytes, cache: StatCache | None) -> None:
        self.source = source
        self.rules = RuleBook(source, cache)
        self.folders: list[Folder] = []
        self._known = {packed[0]: Folder(*packed) for packed in cache.folders} if cache else {}
        self._unreadable: list[tuple[bytes, OSError]] = []

    def run(self) -> list[Folder]:
        """Walk. Raises SnapshotError that names everything that cannot be read."""
        waiting = [(b"", self.rules.above())]
        while waiting:
            path, context = waiting.pop()
            try:
                waiting += self._visit(path, context)
            except (FileNotFoundError, NotADirectoryError) as error:
                if not path:
                    raise SnapshotError("the source directory vanished while it was read", ("path", os.fsdecode(self.source))) from error
            except OSError as error:
                place = error.filename if isinstance(error.filename, bytes) else os.path.join(self.source, path)
                self._unreadable.append((os.path.relpath(place, self.source), error))
        if self._unreadable:
            raise unreadable(self._unreadable)
        return self.folders

    def _visit(self, path: bytes, context: Context) -> list[tuple[bytes, Context]]:
        """Record one folder; return those below it that are to be visited."""
        fd = os.open(os.path.join(self.source, path).rstrip(b"/"), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            for attempts_left in reversed(range(LISTING_ATTEMPTS)):
                try:
                    found, below, vanished = self._list(fd, path, context)
                except RestlessError:
                    if not attempts_left:
                        raise
                    continue
                if not vanished:
                    break
        finally:
            os.close(fd)
        self.folders.append(found)
        return below

    def _list(self, fd: int, path: bytes, context: Context) -> tuple[Folder, list[tuple[bytes, Context]], bool]:
        """List a folder once: what it holds, which folders below it to visit, and whether a file vanished meanwhile."""
        folder = self.source + b"/" + path
        seen = folder_signature(os.fstat(fd))
        with os.scandir(folder) as listing:
            entries = list(listing)
        names = [entry.name for entry in entries]
        context = self.rules.inside(context, path, names)
        known = self._known.get(path)
        if known and self.rules.unchanged and known.signature == seen and known.names == names:
            found = Folder(path, seen, names, [], known.links, known.subfolders, known.skipped)
            kept = [name for name, _, _ in known.files]
            below = [(path + name + b"/", self.rules.enters_again(context, name, path + name)) for name in known.subfolders]
        else:
            found = Folder(path, seen, names, [], [], [], [])
            kept, below = self._sort_out(entries, found, context)
        hashed = {name: (seen, blob) for name, seen, blob in known.files} if known else {}
        for name in kept:
            try:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if not stat.S_ISREG(status.st_mode):
                raise RestlessError(folder + name)
            now = signature(status)
            before, blob = hashed.get(name, (None, None))
            found.files.append((name, now, blob if before == now else None))
        return found, below, len(found.files) < len(kept)

    def _sort_out(
        self, entries: Iterable[os.DirEntry[bytes]], found: Folder, context: Context,
    ) -> tuple[list[bytes], list[tuple[bytes, Context]]]:
        """Ask the rules about every name. Fill in links, subfolders and what is skipped; return the files, and the folders to visit."""
        kept: list[bytes] = []
        below: list[tuple[bytes, Context]] = []
        beside_state = b".trainconf" in found.names
        for entry in entries:
            name = entry.name
            path = found.path + name
            if name in NEVER or (name in NEVER_AT_TOP and not found.path) or (beside_state and name == b"runs"):
                continue
            if entry.is_dir(follow_symlinks=False):
                inner = self.rules.enters(context, name, path)
                if inner is not None:
                    found.subfolders.append(name)
                    below.append((path + b"/", inner))
            elif self.rules.keeps(context, name, path):
                if entry.is_symlink():
                    found.links.append((name, _target(entry.path)))
                elif entry.is_file(follow_symlinks=False):
                    kept.append(name)
                else:
                    found.skipped.append(name)
        return kept, below


def _target(link: bytes) -> bytes:
    try:
        return os.readlink(link)
    except OSError as error:
        raise RestlessError(link) from error


def unreadable(found: list[tuple[bytes, OSError]]) -> SnapshotError:
    """Everything that cannot be read, named at once. Paths are relative to the source."""
    hint = "make it readable, or leave it out by .gitignore or .trainconfignore"
    return SnapshotError(
        Mistake(f"{os.fsdecode(path)!r} cannot be read", ("reason", error.strerror or str(error)), hint=hint) for path, error in found
    )


def leaving_links(folders: Iterable[Folder]) -> list[str]:
    """Links whose target, read as text, is outside the tree. They may lead elsewhere on another machine."""
    return sorted(os.fsdecode(folder.path + name) for folder in folders for name, target in folder.links if _leaves(folder.path, target))


def _leaves(folder: bytes, target: bytes) -> bool:
    return target.startswith(b"/") or os.path.normpath(folder + target).split(b"/", 1)[0] == b".."
