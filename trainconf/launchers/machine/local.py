"""compute=local: this machine; the ranks are processes of it."""

from __future__ import annotations

import time

from trainconf.agent.processes import tree
from trainconf.errors import ConfigError
from trainconf.fast.stdlib import signal
from trainconf.launchers.machine.launcher import AgentLauncher
from trainconf.launchers.protocol import Job, LaunchPlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trainconf.paths import RunPaths


class LocalLauncher(AgentLauncher):
    """The launcher of this machine."""

    name = "local"

    def plan(self, job: Job) -> LaunchPlan:
        """What the agent will do. Raises ConfigError: more slots or GPUs than this machine has; StorageError."""
        from trainconf.launchers.job import argv, env
        from trainconf.launchers.job.ranks import rank_plans

        nodes = job.spec.distributed.node_count
        if nodes != 1:
            raise ConfigError(f"distributed.node_count={nodes}, but compute=local is this machine alone", ("allowed", "1"),
                              hint="compute=docker runs each node as a container")
        _check_interface(job.distributed.get("interface"))
        command = argv.argv(job.spec, job.python)
        plan = self._plan(
            job, command, rank_plans(job, command, self._environ), env.variables(job, self._environ),
            not_inherited=env.not_inherited(job), first_on_path=env.first_on_path(job, self._environ),
        )  # fmt: skip
        if job.spec.distributed.kind == "mpi":
            from trainconf.agent.plan import Plan
            from trainconf.agent.processes import ranks
            from trainconf.launchers.job import checks

            checks.check_mpi_here(job, ranks.inherited(Plan.of(plan.to_dict()), self._environ))
        return plan

    def _end_leftovers(self, paths: RunPaths, grace_seconds: float) -> str:
        ended = end_processes(paths.run_dir, grace_seconds)
        return f"{ended} of its processes {'was' if ended == 1 else 'were'} ended" if ended else ""


def _check_interface(name: str | None) -> None:
    """Raises ConfigError for one that this machine does not have."""
    if name is not None:
        from trainconf.agent.rendezvous.ports import address_of

        try:
            address_of(name)
        except OSError as error:
            what = f"distributed.interface={name} cannot be used: {error.strerror}"
            raise ConfigError(what, hint="leave it out on one machine") from error


def end_processes(run_dir: str, grace_seconds: float) -> int:
    """SIGTERM, and SIGKILL after the grace, to every process with the run's marks and its descendants; their number."""
    found = tree.processes_of_run(run_dir, (), with_orphans=False)
    tree.send(found, signal.SIGTERM)
    kill_at = time.monotonic() + grace_seconds
    left = found
    while left:
        if time.monotonic() >= kill_at:
            tree.send(left, signal.SIGKILL)
        time.sleep(0.02)
        left = tree.processes_of_run(run_dir, (), with_orphans=False)
        found |= left
    return len(found)
