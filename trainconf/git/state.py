"""The facts about a repository, and about a changed file in it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMED_UNTRACKED = 100
NAMED = 5  # in a note


class GitFacts:
    """The state of a repository. Untracked files make it dirty, too; only their names are kept."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.repository: str | None = None  # without credentials
        self.branch: str | None = None  # None: detached, or unknown
        self.commit: str | None = None  # None: no commit yet, or unknown
        self.dirty: bool | None = None  # None: unknown
        self.untracked: list[str] = []  # the first hundred, relative to the root
        self.untracked_count = 0
        self.submodules: list[dict[str, Any]] = []  # path, repository, commit, dirty, of those that are checked out
        self.note = ""  # what is not known, or not in the patch, and why
        self.patch = b""  # what turns the commit into the tracked files as they are; for uncommitted.patch

    def to_dict(self) -> dict[str, Any]:
        """The content of git.json: everything but the patch."""
        return {name: value for name, value in sorted(vars(self).items()) if name != "patch"}

    def add_note(self, text: str) -> None:
        self.note = f"{self.note}; {text}" if self.note else text


class Changed:
    """A tracked file that `git status` calls changed. `blob` is its hash in the index; `is_staged`: the commit has another one."""

    def __init__(self, path: str, state: str, blob: str) -> None:
        self.path = path
        self.blob = blob
        self.is_staged = state[0] != "."
        self.is_edited = state[1] == "M"


def named(paths: list[str]) -> str:
    """The first paths of a list, and how many more there are."""
    return ", ".join(paths[:NAMED]) + (f" and {len(paths) - NAMED} more" if len(paths) > NAMED else "")
