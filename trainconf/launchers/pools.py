"""Where the trials of a sweep go: to one agent of this machine, or to a scheduler. See `trainconf.launchers.protocol.Pool`."""

from __future__ import annotations

from trainconf.errors import ConfigError, Mistake
from trainconf.history.record import read_mapping
from trainconf.launchers import get
from trainconf.launchers.machine import sweep as pool
from trainconf.launchers.machine.launcher import AgentLauncher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from trainconf.files import FileLock
    from trainconf.history.follow import Look
    from trainconf.history.liveness import State
    from trainconf.launchers.protocol import Pool
    from trainconf.paths import RunPaths


def check(targets: set[str], compute: Mapping[str, Any], node_count: int) -> None:
    """Raises ConfigError for targets that cannot carry out a sweep, or not one and the same, or not so packed."""
    mistakes = [
        Mistake(f"compute={target} cannot carry out a sweep yet", hint="submit the runs one by one")
        for target in sorted(targets) if target != "slurm" and not isinstance(get(target), AgentLauncher)
    ]
    if "slurm" in targets and len(targets) > 1:
        mistakes.append(Mistake(f"one sweep cannot be on {' and '.join(sorted(targets))} at once", hint="make a sweep of each"))
    if compute.get("pack", 1) > 1 and (compute.get("gpus_per_node") or node_count > 1):
        what = "GPUs" if compute.get("gpus_per_node") else "several nodes"
        mistakes.append(Mistake(f"compute.pack={compute['pack']}: trials with {what} cannot share a job", ("allowed", "1"),
                                hint="packing is for short trials on CPUs"))
    if mistakes:
        raise ConfigError(mistakes)


def start(target: str, home: RunPaths, lock: FileLock, secrets: Mapping[str, str], compute: Mapping[str, Any], limit: int) -> Pool:
    """A pool for the trials of the sweep at `home`, whose lock is its from here on; `limit` of them at a time, 0 for as many as can be.

    Raises StorageError, LaunchError.
    """
    if target != "slurm":
        return pool.TrialPool.start(home, lock, secrets)
    from trainconf.launchers.slurm.arrays import sweep as slurm_sweep
    from trainconf.launchers.slurm.launcher import SlurmLauncher

    launcher = SlurmLauncher()
    if compute["pack"] > 1:
        return slurm_sweep.PackedPool(launcher, home, lock, secrets, launcher.controller(), compute["pack"])
    return slurm_sweep.ArrayPool(launcher, home, lock, secrets, launcher.controller(), limit)


def looking(home: RunPaths, look: Look) -> Look:
    """`look`, for one who waits for a sweep: what its scheduler would not take yet is sent meanwhile."""
    from trainconf.launchers.slurm import ours
    from trainconf.launchers.slurm.arrays.chunks import Sending
    from trainconf.launchers.slurm.launcher import SlurmLauncher

    if not ours.is_noted(ours.SWEEP, home.run_dir):  # of somebody else, whose scripts are not sent in this user's name; or all is sent
        return look
    sending = Sending(home, SlurmLauncher().controller)

    def look_and_send(paths: RunPaths) -> State:
        sending()
        return look(paths)

    return look_and_send


def cancel(home: RunPaths, *, force: bool = False) -> None:
    """End a sweep from any process."""
    if read_mapping(home.plan).get("target") != "slurm":
        pool.cancel(home, force=force)
        return
    from trainconf.launchers.slurm.arrays import sweep as slurm_sweep
    from trainconf.launchers.slurm.launcher import SlurmLauncher

    slurm_sweep.cancel(SlurmLauncher(), home, force=force)
