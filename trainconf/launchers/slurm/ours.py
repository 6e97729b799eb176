"""What this user has submitted from here, kept where no run folder reaches: a folder that came from somebody else can claim anything.

A file for each, in $XDG_STATE_HOME/trainconf/slurm, by default below ~/.local/state. Two things need it: the configuration of a cluster,
which names programs for Slurm's commands to load, and a sweep whose rest any reader sends. Where it cannot be written, neither is believed.
"""

from __future__ import annotations

import os
from contextlib import suppress

from trainconf import files

CLUSTER, SWEEP = "cluster", "sweep"


def note(kind: str, path: str) -> None:
    """Remember that this user has submitted to that cluster, or that sweep."""
    if path and not is_noted(kind, path):
        kept = _file(kind, path)
        with suppress(OSError):
            os.makedirs(os.path.dirname(kept), mode=0o700, exist_ok=True)
            files.write_atomic(kept, f"{path}\n", durable=False)


def forget(kind: str, path: str) -> None:
    """There is nothing left to do about it."""
    with suppress(OSError):
        os.unlink(_file(kind, path))


def is_noted(kind: str, path: str) -> bool:
    """Whether this user has."""
    return os.path.exists(_file(kind, path))


def _file(kind: str, path: str) -> str:
    from trainconf.spec import sha256_hex

    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "trainconf", "slurm", f"{kind}-{sha256_hex(os.path.realpath(path))[:32]}")
