"""Which files git tracks although a rule ignores them."""

from __future__ import annotations

import os

from trainconf.git.command import Repository
from trainconf.process import processes

TRACKED_THOUGH_IGNORED = ("ls-files", "-z", "--cached", "--ignored", "--exclude-per-directory=.gitignore")


def tracked_though_ignored(repository: bytes, folder: bytes) -> list[bytes]:
    """Paths below `folder`, relative to it, that git tracks and a .gitignore names.

    Asks whoever owns the repository, because nothing in it can run a program and a tree must have one id for everybody. Without git, or
    when git cannot read the repository, there are no such paths, and the ignore rules alone decide.
    """
    git_repository = Repository(os.fsdecode(repository), processes)
    done = git_repository.ask(*TRACKED_THOUGH_IGNORED, folder=os.fsdecode(folder), settings=("safe.directory=*",))
    return sorted(set(done.stdout.split(b"\0")) - {b""}) if done.ok else []
