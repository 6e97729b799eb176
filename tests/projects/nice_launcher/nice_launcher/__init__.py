"""A launcher for trainconf: this machine, at a lower priority. `trainconf compute=nice compute.niceness=12`"""

from __future__ import annotations

from dataclasses import dataclass

from trainconf.launchers.machine.local import LocalLauncher
from trainconf.launchers.protocol import Job, LaunchPlan, replace
from trainconf.schema import LocalCompute, setting


@dataclass
class NiceCompute(LocalCompute):
    """compute=nice: as compute=local, at a lower priority."""

    target: str = setting("nice", "name of the launcher; set by the choice of `compute`")
    niceness: int = setting(10, "how much lower the priority is, as in nice(1)", minimum=0)


class NiceLauncher(LocalLauncher):
    """Has `nice` start the processes of a run."""

    name = "nice"
    config = NiceCompute

    def plan(self, job: Job) -> LaunchPlan:
        """What compute=local would do, with `nice` in front of each command."""
        plan = super().plan(job)
        nice = ["nice", "-n", str(job.compute["niceness"])]
        return replace(plan, ranks=[replace(rank, argv=[*nice, *rank.argv]) for rank in plan.ranks])
