"""Which files git tracks although a rule ignores them."""

from __future__ import annotations

import os

from trainconf.git.command import ask
from trainconf.process import processes

TRACKED_THOUGH_IGNORED = ("ls-files", "-z", "--cached", "--ignored", "--exclude-per-directory=.gitignore")


def tracked_though_ignored(repository: bytes, folder: bytes) -> list[bytes]:
    """Paths below `folder`, relative to it, that git tracks and a .gitignore names.

    Asked whoever owns the repository: nothing in it can run a program, and a tree has one id for everybody. No paths when there is no git,
    or when git cannot read the repository: then the ignore rules alone decide.
    """
    settings = ("safe.directory=*",)
    done = ask(processes, os.fsdecode(repository), TRACKED_THOUGH_IGNORED, folder=os.fsdecode(folder), settings=settings)
    return sorted(set(done.stdout.split(b"\0")) - {b""}) if done.ok else []
