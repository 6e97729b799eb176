"""What git has to say about a source folder: where its repository begins, and which files it tracks although a rule ignores them."""

from __future__ import annotations

import os

from trainconf.process import processes

GIT_SETTINGS = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false")


def repository_above(source: bytes) -> tuple[bytes | None, list[bytes]]:
    """The nearest folder from `source` upwards that holds a `.git`, and every `.git` that was looked for below it."""
    folder = source
    missing: list[bytes] = []
    while True:
        git = os.path.join(folder, b".git")
        if os.path.lexists(git):
            return folder, missing
        missing.append(git)
        parent = os.path.dirname(folder)
        if parent == folder:
            return None, missing
        folder = parent


def index_path(repository: bytes) -> bytes:
    """The index of the repository at a folder: inside `.git`, or where a `.git` file (worktree, submodule) points."""
    git = os.path.join(repository, b".git")
    try:
        with open(git, "rb") as stream:
            pointer = stream.read(4096)
    except OSError:
        return os.path.join(git, b"index")
    target = pointer.removeprefix(b"gitdir:").strip()
    return os.path.join(repository, target, b"index")


def tracked_though_ignored(folder: bytes) -> list[bytes]:
    """Paths below `folder`, relative to it, that git tracks and a .gitignore names.

    None without git, without a repository, or when git cannot read it: then the ignore rules alone decide.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    argv = ["git", *GIT_SETTINGS, "ls-files", "-z", "--cached", "--ignored", "--exclude-per-directory=.gitignore"]
    done = processes.run(argv, cwd=os.fsdecode(folder), env={**env, "LC_ALL": "C"})
    return sorted(set(done.stdout.split(b"\0")) - {b""}) if done.ok else []
