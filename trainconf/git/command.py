"""Finds repositories, and asks git in the one way that is safe in a repository of a stranger.

The files of a repository can name programs for git to run: hooks, file system monitors, filters, remote helpers, upload programs.
None of them runs here. Hooks and monitors are switched off, no protocol is allowed, missing objects are never fetched, and every filter
whose name is known is emptied, so `settings.read` comes first. Commands that could run others (diff drivers) get their own switches.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import AnyStr

    from trainconf.process import Completed, Processes

TIMEOUT_S = 30.0
# Set by git for its own hooks, or by a user for one command; they would make git answer about something else than the folder.
NOT_OURS = frozenset(f"GIT_{name}" for name in (
    "ALTERNATE_OBJECT_DIRECTORIES", "ATTR_SOURCE", "COMMON_DIR", "DEFAULT_HASH", "DIR", "EXTERNAL_DIFF", "GLOB_PATHSPECS", "GRAFT_FILE",
    "ICASE_PATHSPECS", "IMPLICIT_WORK_TREE", "INDEX_FILE", "INTERNAL_SUPER_PREFIX", "LITERAL_PATHSPECS", "NAMESPACE", "NOGLOB_PATHSPECS",
    "OBJECT_DIRECTORY", "PREFIX", "QUARANTINE_PATH", "REPLACE_REF_BASE", "SHALLOW_FILE", "TRACE", "WORK_TREE",
))  # fmt: skip
# git(1), git-config(1). An empty GIT_ALLOW_PROTOCOL allows none, whatever protocol.<name>.allow says; GIT_NO_LAZY_FETCH is git 2.45's.
SAFE_ENV = {
    "GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C",
}  # fmt: skip
SAFE_SETTINGS = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "core.splitIndex=false", "protocol.allow=never")


class Repository:
    """The repository at a folder. `filters`: the names of all filters of its configuration, which `settings.read` finds."""

    def __init__(self, root: str, processes: Processes) -> None:
        self.root = root
        self.processes = processes
        self.filters: list[str] = []

    def ask(
        self, *arguments: str, folder: str = "", settings: Iterable[str] = (), env: dict[str, str] | None = None, input: bytes | None = None
    ) -> Completed:
        """Run `git ARGUMENTS` in the repository, or in a `folder` of it."""
        switched_off = [f"filter.{name}.{key}" for name in self.filters for key in ("clean=", "smudge=", "process=", "required=false")]
        argv = ["git", "-C", folder or self.root, "--no-pager"]
        for setting in (*SAFE_SETTINGS, *switched_off, *settings):
            argv += ["-c", setting]
        safe = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
        safe |= {**SAFE_ENV, "GIT_CEILING_DIRECTORIES": os.path.dirname(self.root), **(env or {})}
        return self.processes.run([*argv, *arguments], env=safe, input=input, timeout_s=TIMEOUT_S)

    def why(self, answer: Completed) -> str:
        """Why git gave no answer, as the end of a sentence."""
        if not answer.found:
            return "git is not installed"
        if answer.returncode == 124:
            return f"git gave no answer within {TIMEOUT_S:.0f} seconds"
        if b"dubious ownership" in answer.stderr:
            return f"the repository belongs to another user: `git config --global --add safe.directory {self.root}` makes git read it"
        if b"transport" in answer.stderr or b"lazy fetching disabled" in answer.stderr or b"promisor" in answer.stderr:
            return "this clone lacks objects (a partial clone), and nothing is fetched here: `git fetch --refetch` gets them"
        return answer.last_lines(1) or f"git ended with code {answer.returncode}"


def find_root(folder: AnyStr, missing: list[AnyStr] | None = None) -> AnyStr | None:
    """The nearest folder from `folder` upwards that holds a `.git`: a folder, or the file of a worktree or a submodule.

    Each `.git` that is not there is added to `missing`.
    """
    git = os.fsencode(".git") if isinstance(folder, bytes) else ".git"
    folder = os.path.abspath(folder)
    while True:
        inside = os.path.join(folder, git)
        if os.path.lexists(inside):
            return folder
        if missing is not None:
            missing.append(inside)
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
