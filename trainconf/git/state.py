"""The words in which git's answers are kept: what is known of a repository, and of a changed file in it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMED_UNTRACKED = 100
NAMED = 5  # in a note


class GitFacts:
    """The state of a repository. `dirty` counts untracked files too; of them only the names are here."""

    __slots__ = ("branch", "commit", "dirty", "note", "patch", "repository", "root", "submodules", "untracked", "untracked_count")

    def __init__(self, root: str) -> None:
        self.root = root
        self.repository: str | None = None  # without credentials
        self.branch: str | None = None  # None: detached, or unknown
        self.commit: str | None = None  # None: no commit yet, or unknown
        self.dirty: bool | None = None  # None: unknown
        self.untracked: list[str] = []  # the first hundred, relative to the root
        self.untracked_count = 0
        self.submodules: list[dict[str, Any]] = []  # path, repository, commit, dirty, of those that are checked out
        self.note = ""  # what could not be found out, or is not in the patch, and why
        self.patch = b""  # what turns the commit into the tracked files as they are; for uncommitted.patch

    def to_dict(self) -> dict[str, Any]:
        """What git.json holds: everything but the patch."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "patch"}

    def add_note(self, text: str) -> None:
        self.note = f"{self.note}; {text}" if self.note else text


class Changed:
    """A tracked file that `git status` calls changed. `blob` is what the index has of it; `is_staged`: that is not what the commit has."""

    __slots__ = ("blob", "is_edited", "is_staged", "path")

    def __init__(self, path: str, state: str, blob: str) -> None:
        self.path = path
        self.blob = blob
        self.is_staged = state[0] != "."
        self.is_edited = state[1] == "M"


def named(paths: list[str]) -> str:
    """The first paths of a list, and how many more there are."""
    return ", ".join(paths[:NAMED]) + (f" and {len(paths) - NAMED} more" if len(paths) > NAMED else "")
