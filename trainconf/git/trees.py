"""Compares two trees by git itself: which files changed, renames and modes, and the changed lines.

The files are put into a repository of their own, in a scratch folder, so nobody's attributes, hooks or settings have a say.
"""

from __future__ import annotations

import os

from trainconf.fast.records import Record
from trainconf.git.command import Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from trainconf.process import Completed, Processes

    Tree = Iterable[tuple[bytes, bytes, bytes]]  # path, mode as git has it, content

TREES = "refs/heads/a", "refs/heads/b"
DIFF = ("diff-tree", "-r", "-M", "--no-ext-diff", "--no-textconv", "--no-color", "--no-relative", "-O/dev/null")
SETTINGS = (
    "core.compression=0", "core.quotePath=false", f"core.attributesFile={os.devnull}", "fastimport.unpackLimit=1", "core.fsync=none",
)  # fmt: skip
STATES = {b"A": "added", b"D": "removed", b"R": "renamed", b"T": "changed"}


class Change(Record):
    """A path that differs. `kind`: added, removed, renamed, changed, or mode for one whose mode alone did.

    Modes are git's, such as 100755, empty where the path is not there. `old_path` is another one where it was renamed.
    Lines are None for a binary file.
    """

    kind: str
    path: str
    old_path: str
    old_mode: str
    new_mode: str
    added_lines: int | None
    removed_lines: int | None


class Trees:
    """Two trees in a scratch repository. `trouble` says why git could not take them; empty when it did."""

    def __init__(self, folder: str, a: Tree, b: Tree, processes: Processes) -> None:
        """`folder` is empty, and the caller removes it."""
        self._repository = Repository(folder, processes)
        for name in ("objects", "refs"):
            os.mkdir(os.path.join(folder, name))
        with open(os.path.join(folder, "HEAD"), "w", encoding="ascii") as stream:
            stream.write("ref: refs/heads/none\n")
        done = self._ask("fast-import", "--quiet", "--depth=0", input=b"".join((*_commit(TREES[0], a), *_commit(TREES[1], b))))
        self.trouble = "" if done.ok else self._repository.why(done)

    def changes(self) -> list[Change]:
        """Every path that differs, as git sorts them. Raises ValueError when git's answer is not understood."""
        fields = iter(self._ask(*DIFF, "--raw", "--numstat", "-z", *TREES).stdout.split(b"\0"))
        raw: list[tuple[str, str, str, str, str]] = []
        counts: list[bytes] = []
        for field in fields:
            if field.startswith(b":"):
                old_mode, new_mode, old_hash, new_hash, state = field[1:].split(b" ")
                path = next(fields)
                kind = STATES.get(state[:1]) or ("mode" if old_hash == new_hash else "changed")
                new_path = next(fields) if kind == "renamed" else path
                modes = [mode.decode().replace("000000", "") for mode in (old_mode, new_mode)]
                raw.append((kind, os.fsdecode(new_path), os.fsdecode(path), *modes))  # type: ignore[arg-type]
            elif field:
                counts.append(field)
                if field.endswith(b"\t"):  # of a renamed file its names follow
                    next(fields)
                    next(fields)
        return [Change(*facts, *_lines(count)) for facts, count in zip(raw, counts, strict=True)]

    def patch(self) -> bytes:
        """The changed lines as a unified diff, which `git apply` takes."""
        return self._ask(*DIFF, "-p", *TREES).stdout

    def _ask(self, *arguments: str, input: bytes | None = None) -> Completed:
        env = {"GIT_DIR": self._repository.root, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}
        return self._repository.ask(*arguments, settings=SETTINGS, env=env, input=input)


def _commit(ref: str, tree: Tree) -> Iterator[bytes]:
    """A commit of a whole tree in the form of git-fast-import(1)."""
    yield f"commit {ref}\ncommitter none <none> 0 +0000\ndata 0\n\n".encode()
    for path, mode, content in tree:
        quoted = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
        yield b'M %s inline "%s"\ndata %d\n' % (mode, quoted, len(content))
        yield content
        yield b"\n"


def _lines(count: bytes) -> tuple[int | None, int | None]:
    """Added and removed lines, from a field such as `3\\t1\\tpath`; of a binary file `-\\t-\\tpath`."""
    added, removed, _ = count.split(b"\t", 2)
    return (None, None) if added == b"-" else (int(added), int(removed))
