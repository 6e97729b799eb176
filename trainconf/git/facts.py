"""What git knows about a source folder: where it comes from, its commit, and what was not committed.

One `git status`, and one `git diff` only when tracked files differ. Nothing in here may fail a submission: what git refuses to
tell becomes a note. The user's configuration is kept from running programs where git allows that.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.process import Completed, Processes

TIMEOUT_S = 30.0
NAMED_UNTRACKED = 100
NEVER_TRAVEL = frozenset({"runs", ".trainconf", "outputs", "logs"})  # written by runs, so they do not make a tree dirty
# Set by git for its own hooks; they would point it at another repository than the folder's.
REPOSITORY_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE")
# git(1): no lock is taken for refreshing the index; git-config(1): core.fsmonitor may name a program to run
GIT = ("git", "--no-optional-locks", "-c", "core.fsmonitor=false")
STATUS = (*GIT, "status", "--porcelain=v2", "--branch", "-z")
DIFF = (
    *GIT, "diff", "--binary", "--full-index", "--no-ext-diff", "--no-textconv",
    "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "HEAD", "--",
)  # fmt: skip


class GitFacts:
    """The state of a repository. `dirty` counts untracked files too; their content is in the snapshot, their names are here."""

    __slots__ = ("branch", "commit", "dirty", "note", "patch", "repository", "root", "untracked", "untracked_count")

    def __init__(self, root: str) -> None:
        self.root = root
        self.repository: str | None = None  # without credentials
        self.branch: str | None = None  # None: detached, or unknown
        self.commit: str | None = None  # None: no commit yet, or unknown
        self.dirty: bool | None = None  # None: unknown
        self.untracked: list[str] = []  # the first hundred, relative to the root
        self.untracked_count = 0
        self.note = ""  # what could not be found out, and why
        self.patch = b""  # what turns the commit into the tracked files as they are; for uncommitted.patch

    def to_dict(self) -> dict[str, Any]:
        """What git.json holds: everything but the patch."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "patch"}


def facts(source_directory: str, processes: Processes) -> GitFacts | None:
    """What git says about the repository that holds the folder; None when none does."""
    root = find_root(source_directory)
    if root is None:
        return None
    found = GitFacts(root)
    found.repository = _repository(root, "")
    env = {name: value for name, value in os.environ.items() if name not in REPOSITORY_VARIABLES}
    status = processes.run(STATUS, cwd=root, env=env, timeout_s=TIMEOUT_S)
    if not status.ok:
        found.note = _why(status, root)
        return found
    changed = _read_status(status.stdout, found)
    found.repository = _repository(root, found.branch or "")
    if not changed:
        return found
    if found.commit is None:
        found.note = "there is no commit yet: the snapshot is the only copy of this code"
        return found
    diff = processes.run(DIFF, cwd=root, env=env, timeout_s=TIMEOUT_S)
    if diff.ok:
        found.patch = diff.stdout
    else:
        found.note = "the uncommitted changes could not be recorded: " + _why(diff, root)
    return found


def find_root(folder: str) -> str | None:
    """The nearest folder from `folder` upwards that holds a `.git`, be it a folder or a worktree's or submodule's file."""
    folder = os.path.abspath(folder)
    while not os.path.lexists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
    return folder


def without_credentials(url: str) -> str:
    """A remote's address without user, password or token. The user of an ssh address is part of the address, and stays."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url  # a path, or ssh's short form user@host:path, which has no place for a password
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    if scheme in ("ssh", "git+ssh", "ssh+git"):
        return f"{scheme}://{user.partition(':')[0]}{at}{host}{slash}{path}"
    return f"{scheme}://{host}{slash}{path.partition('?')[0].partition('#')[0]}"


def _read_status(text: bytes, found: GitFacts) -> bool:
    """Fill in what `status --porcelain=v2 -z` says (git-status(1)); whether tracked files differ from the commit."""
    changed = False
    records = iter(text.decode("utf-8", "surrogateescape").split("\0"))
    for record in records:
        kind, _, rest = record.partition(" ")
        if kind == "#":
            key, _, value = rest.partition(" ")
            if key == "branch.oid" and value != "(initial)":
                found.commit = value
            elif key == "branch.head" and value != "(detached)":
                found.branch = value
        elif kind == "?" and os.path.basename(rest.rstrip("/")) not in NEVER_TRAVEL:
            found.untracked_count += 1
            if len(found.untracked) < NAMED_UNTRACKED:
                found.untracked.append(rest)
        elif kind in ("1", "2", "u"):
            changed = True
            if kind == "2":
                next(records, None)  # a rename is followed by its old name
    found.dirty = changed or found.untracked_count > 0
    return changed


def _why(answer: Completed, root: str) -> str:
    if not answer.found:
        return "git is not installed"
    if answer.returncode == 124:
        return f"git gave no answer within {TIMEOUT_S:.0f} seconds"
    if b"dubious ownership" in answer.stderr:
        return f"the repository belongs to another user: `git config --global --add safe.directory {root}` makes git read it"
    return answer.last_lines(1) or f"git ended with code {answer.returncode}"


def _repository(root: str, branch: str) -> str | None:
    """The address of the branch's remote, else of origin, else of the first remote."""
    remotes: dict[str, str] = {}
    wanted = "origin"
    for section, name, key, value in _read_config(_config_file(root)):
        if section == "remote" and key == "url":
            remotes.setdefault(name, value)
        elif section == "branch" and name == branch and key == "remote":
            wanted = value
    url = remotes.get(wanted) or remotes.get("origin") or next(iter(remotes.values()), None)
    return None if url is None else without_credentials(url)


def _config_file(root: str) -> str:
    """The repository's configuration; a worktree's lies in the main repository (gitrepository-layout(5))."""
    git_dir = os.path.join(root, ".git")
    pointer = _text(git_dir)
    if pointer.startswith("gitdir: "):
        git_dir = os.path.join(root, pointer.removeprefix("gitdir: "))
    return os.path.join(git_dir, _text(os.path.join(git_dir, "commondir")), "config")


def _text(path: str) -> str:
    """A pointer file's text without its last newline (a path may hold others); empty when there is no such file."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read().removesuffix("\n")
    except OSError:
        return ""


def _read_config(path: str) -> list[tuple[str, str, str, str]]:
    """(section, subsection, key, value) of every plain line of a git configuration file; included files are not read."""
    found = []
    section = name = ""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return []
    for line in map(str.strip, lines):
        if line.startswith("["):
            section, _, name = line[1:].partition("]")[0].partition(" ")
            section, name = section.lower(), name.strip().strip('"')
        elif "=" in line and line[0] not in "#;":
            key, _, value = line.partition("=")
            found.append((section, name, key.strip().lower(), value.strip().strip('"')))
    return found
