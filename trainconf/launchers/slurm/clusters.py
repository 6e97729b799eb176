"""The clusters that this shell may call, and what this user has submitted from here.

A run's folder that came from somebody else can claim any cluster and any sweep. So both are noted where no such folder reaches: a file for
each in $XDG_STATE_HOME/trainconf/slurm, by default below ~/.local/state. Two things need it: the configuration of a cluster, which names
programs for Slurm's commands to load, and a sweep whose rest any reader sends. Where it cannot be written, neither is trusted.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from contextlib import suppress

from trainconf import files
from trainconf.errors import LaunchError
from trainconf.launchers.slurm.commands import Controller
from trainconf.launchers.slurm.queue_cache import QueueCache
from trainconf.paths import WorkspacePaths
from trainconf.process import Processes
from trainconf.spec import sha256_hex

CLUSTER, SWEEP = "cluster", "sweep"


class Clusters:
    """The clusters of one launcher, by their configurations; the empty one is that of the shell."""

    def __init__(self, environ: Mapping[str, str] | None = None, processes: Processes | None = None) -> None:
        self.environ = os.environ if environ is None else environ
        self._processes = processes
        self._queues: dict[tuple[str, str], QueueCache] = {}

    @property
    def conf(self) -> str:
        """The configuration that the shell names."""
        return self.environ.get("SLURM_CONF", "")

    def knows(self, conf: str) -> bool:
        """Whether the shell names that cluster, or this user has submitted to it."""
        return conf in ("", self.environ.get("SLURM_CONF")) or is_noted(CLUSTER, conf)

    def controller(self, conf: str = "") -> Controller:
        """Raises LaunchError for a cluster that only a run's folder names: Slurm's commands load programs that its file names."""
        if not self.knows(conf):
            raise LaunchError("this shell knows another cluster than the run", ("SLURM_CONF of the run", conf),
                              hint=f"if the run is yours: export SLURM_CONF={shlex.quote(conf)}")
        return Controller(self.environ, self._processes, conf)

    def queue(self, root: str, conf: str) -> QueueCache:
        """What that cluster says of the jobs of the workspace at `root`. Raises LaunchError."""
        if (root, conf) not in self._queues:
            self._queues[root, conf] = QueueCache(self.controller(conf), WorkspacePaths(root))
        return self._queues[root, conf]


def note(kind: str, path: str) -> None:
    """Remember that this user has submitted to that cluster, or that sweep."""
    if path and not is_noted(kind, path):
        kept = _file(kind, path)
        with suppress(OSError):
            os.makedirs(os.path.dirname(kept), mode=0o700, exist_ok=True)
            files.write_atomic(kept, f"{path}\n", durable=False)


def forget(kind: str, path: str) -> None:
    with suppress(OSError):
        os.unlink(_file(kind, path))


def is_noted(kind: str, path: str) -> bool:
    return os.path.exists(_file(kind, path))


def _file(kind: str, path: str) -> str:
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "trainconf", "slurm", f"{kind}-{sha256_hex(os.path.realpath(path))[:32]}")
