"""Asks git about a source folder: where it comes from, its commit, and what was not committed.

Nothing here may fail a submission. What is not known becomes a note, and `dirty` is then None, never a guess.
"""

from __future__ import annotations

import os

from trainconf.git import settings as git_settings
from trainconf.git.command import Repository, find_root
from trainconf.git.index import index_path, is_plain
from trainconf.git.state import NAMED_UNTRACKED, Changed, GitFacts, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.process import Processes

NEVER_TRAVEL = frozenset({"runs", ".trainconf", "outputs", "logs"})  # written by runs, so they do not make a tree dirty
# Submodules are asked one by one, because each has its own filters. git-status(1)
STATUS = ("status", "--porcelain=v2", "--branch", "--no-ahead-behind", "--untracked-files=normal", "--ignore-submodules=dirty", "-z")
ENTRIES = ("ls-files", "-v", "--stage", "-z")


def facts(source_directory: str, processes: Processes) -> GitFacts | None:
    """The facts about the repository that holds the folder; None when none does."""
    root = find_root(source_directory)
    return None if root is None else _of_repository(Repository(root, processes))


def _of_repository(repository: Repository) -> GitFacts:
    root = repository.root
    found = GitFacts(root)
    settings = git_settings.read(repository)
    if settings.trouble:
        found.note = settings.trouble
        return found
    status = repository.ask(*STATUS)
    if not status.ok:
        found.note = repository.why(status)
        return found
    changed = _read_status(status.stdout, found)
    found.repository = settings.repository(found.branch or "")
    if settings.work_tree and os.path.isdir(os.path.join(root, ".git")):
        found.add_note(f"core.worktree says that the files of this repository lie elsewhere ({settings.work_tree})")
    unknown: list[str] = []
    if settings.filters and any(file.is_edited for file in changed):
        from trainconf.git import filtered

        changed, unknown = filtered.sort_out(changed, repository)
    if changed:
        changed = _add_patch(found, changed, unknown, repository)
    found.dirty = True if changed or found.untracked_count else None if unknown else False
    if unknown:
        found.add_note(f"{named(unknown)}: no filter of git is run here, and only that could tell whether they differ from the commit")
    _add_unreported(found, repository)
    return found


def _read_status(text: bytes, found: GitFacts) -> list[Changed]:
    """Fill in what `status --porcelain=v2 -z` says (git-status(1)); the tracked files that differ from the commit."""
    changed: list[Changed] = []
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
            fields = rest.split(" ", {"1": 7, "2": 8, "u": 9}[kind])
            changed.append(Changed(fields[-1], fields[0], fields[6]))
            if kind == "2":
                next(records, None)  # a rename is followed by its old name
    return changed


def _add_unreported(found: GitFacts, repository: Repository) -> None:
    """Add what `git status` does not report: submodules, and files that git was told to ignore."""
    if is_plain(index_path(os.fsencode(found.root))):
        return
    answer = repository.ask(*ENTRIES)
    if not answer.ok:
        found.dirty = found.dirty or None
        found.add_note(repository.why(answer))
        return
    submodules, passed_over = [], []
    for entry in answer.stdout.split(b"\0"):
        if entry.startswith((b"H 100", b"H 120")) or not entry:
            continue
        about, _, path = os.fsdecode(entry).partition("\t")
        tag, mode, blob, _ = about.split(" ")
        if mode == "160000":
            submodules.append(path)
        elif tag in ("S", "s", "h"):
            passed_over.append((tag, mode, blob, path))
    for path in submodules:
        _add_submodule(found, path, repository.processes)
    if passed_over:
        from trainconf.git import passed

        passed.add(found, passed_over, repository)


def _add_submodule(found: GitFacts, path: str, processes: Processes) -> None:
    folder = os.path.join(found.root, path)
    if os.path.islink(folder) or not os.path.lexists(os.path.join(folder, ".git")):
        found.add_note(f"submodule {path} is not checked out")
        return
    inside = _of_repository(Repository(folder, processes))
    found.submodules.append({"path": path, **{key: getattr(inside, key) for key in ("repository", "commit", "dirty")}})
    if inside.dirty:
        found.dirty = True
        found.add_note(f"submodule {path} has changes that are not committed; uncommitted.patch does not hold them")
    elif inside.dirty is None:
        found.dirty = found.dirty or None
    if inside.note:
        found.add_note(f"submodule {path}: {inside.note}")


def _add_patch(found: GitFacts, changed: list[Changed], unknown: list[str], repository: Repository) -> list[Changed]:
    """Add the patch; return the files that have changed. Git calls some changed by their size alone, which line ends change."""
    if found.commit is None:
        found.add_note("there is no commit yet: the snapshot is the only copy of this code")
        return changed
    from trainconf.git import patch

    found.patch, left_out, trouble = patch.of(repository, unknown)
    if trouble:
        found.add_note("the uncommitted changes could not be recorded: " + trouble)
    if left_out:
        where = "the content is in the snapshot if the file travels"
        found.add_note(f"{named(left_out)}: binary or large, so uncommitted.patch has only the hash; {where}")
    return changed if found.patch or trouble else [file for file in changed if file.is_staged]
