"""The difference between two trees of code: the files, and their lines as a unified diff, which git makes."""

from __future__ import annotations

import os

from trainconf.fast.records import Record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import Any

    from trainconf.snapshot.blobs.manifest import Entry

    Pair = tuple[Entry | None, Entry | None]

LARGE_BYTES = 1_000_000  # a larger file is named, and its lines are not compared
MOST_BYTES = 16_000_000  # of all files whose lines are compared
TOO_LARGE, TOO_MUCH = "too large to compare line by line", f"left out, after {MOST_BYTES // 1_000_000} MB of others"
MODES = {"file": "100644", "link": "120000", "folder": "040000"}


class FileChange(Record):
    """A path of the code that differs. `kind`: added, removed, renamed, changed, or mode, when that alone did.

    Modes are git's. Lines are None where they were not compared; `note` says why: binary, or too large. A size is None where there is none.
    """

    kind: str
    path: str
    old_path: str
    old_mode: str
    new_mode: str
    added_lines: int | None = None
    removed_lines: int | None = None
    note: str = ""
    old_bytes: int | None = None
    new_bytes: int | None = None


class CodeDiff(Record):
    """The files that differ, sorted by path, and the lines as a unified diff. `trouble`: why something of it is not known."""

    files: list[FileChange]
    patch: bytes = b""
    trouble: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The stable form of the code in `diff --json`."""
        patch = self.patch.decode("utf-8", "backslashreplace")
        return {"files": [vars(change) for change in self.files], "trouble": self.trouble, "patch": patch}


def compare(changes: Sequence[Pair], readers: Sequence[Callable[[Entry], bytes]], *, patch: bool, only: Collection[str] = ()) -> CodeDiff:
    """From one tree to another, whose entries differ as `changes` says; `readers` give the content of a file of each.

    `only`: the paths, or folders, that are looked at. `patch`: with the changed lines. Raises what a reader raises.
    """
    import tempfile  # 10 ms, which no submission pays

    from trainconf.git.trees import Trees
    from trainconf.process import processes

    wanted = [pair for pair in changes if not only or _is_in(_path(pair), only)]
    compared, named = _sorted_out(wanted)
    if not compared:
        return CodeDiff(named)
    with tempfile.TemporaryDirectory(prefix="trainconf-diff-") as folder:
        old, new = (_tree([pair[side] for pair in compared], readers[side]) for side in (0, 1))
        trees = Trees(folder, old, new, processes)
        if trees.trouble:
            return CodeDiff(_by_path([*named, *map(_by_name, compared)]), trouble=f"the lines cannot be compared: {trees.trouble}")
        sizes = [{entry.path: entry.size_bytes for pair in compared if (entry := pair[side])} for side in (0, 1)]
        found = [
            FileChange(**vars(change), note="binary" if change.added_lines is None else "",
                       old_bytes=sizes[0].get(change.old_path), new_bytes=sizes[1].get(change.path))
            for change in trees.changes()
        ]  # fmt: skip
        return CodeDiff(_by_path([*named, *found]), trees.patch() if patch else b"")


def _sorted_out(changes: Sequence[Pair]) -> tuple[list[Pair], list[FileChange]]:
    """Those whose lines are compared, and the others: folders, and what is too large."""
    compared, named, total = [], [], 0
    for pair in changes:
        size = sum(entry.size_bytes for entry in pair if entry)
        if any(entry.kind == "folder" for entry in pair if entry):
            named.append(_by_name(pair))
        elif max(entry.size_bytes for entry in pair if entry) > LARGE_BYTES:
            named.append(replace(_by_name(pair), note=TOO_LARGE))
        elif total + size > MOST_BYTES:
            named.append(replace(_by_name(pair), note=TOO_MUCH))
        else:
            compared.append(pair)
            total += size
    return compared, named


def _by_name(pair: Pair) -> FileChange:
    old, new = pair
    is_same = old and new and (old.kind, old.content) == (new.kind, new.content)
    kind = "added" if old is None else "removed" if new is None else "mode" if is_same else "changed"
    sizes = (entry.size_bytes if entry else None for entry in pair)
    return FileChange(kind, _path(pair), _path(pair), _mode(old), _mode(new), None, None, "", *sizes)


def _by_path(files: list[FileChange]) -> list[FileChange]:
    return sorted(files, key=lambda change: change.path)


def _tree(entries: Sequence[Entry | None], read: Callable[[Entry], bytes]) -> Iterator[tuple[bytes, bytes, bytes]]:
    for entry in entries:
        if entry is not None:
            content = os.fsencode(entry.content) if entry.kind == "link" else read(entry)
            yield os.fsencode(entry.path), _mode(entry).encode(), content


def _mode(entry: Entry | None) -> str:
    return "" if entry is None else "100755" if entry.executable else MODES[entry.kind]


def _path(pair: Pair) -> str:
    return next(entry.path for entry in pair if entry)


def _is_in(path: str, only: Collection[str]) -> bool:
    return any(path == each or path.startswith(each.rstrip("/") + "/") for each in only)


def reader_of(source_directory: str) -> Callable[[Entry], bytes]:
    """Reads the files of a working tree; one that has gone since it was listed is empty."""

    def read(entry: Entry) -> bytes:
        try:
            with open(os.path.join(source_directory, entry.path), "rb") as stream:
                return stream.read()
        except OSError:
            return b""

    return read
