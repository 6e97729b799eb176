"""compute=docker: containers of this machine's Docker engine, one per node, under the same agent and the same leases as local runs."""

from __future__ import annotations

import os

from trainconf import files
from trainconf.distributed.layout import RankLayout, layout
from trainconf.engine import address, leftovers
from trainconf.engine.address import EngineFacts
from trainconf.engine.client import Engine, EngineError
from trainconf.errors import StorageError
from trainconf.fast.records import replace
from trainconf.launchers.docker import request
from trainconf.launchers.job import argv
from trainconf.launchers.job.ranks import rank_plans
from trainconf.launchers.machine.launcher import AgentLauncher
from trainconf.launchers.protocol import Job, LaunchPlan, RankPlan
from trainconf.paths import RunPaths

PATIENCE_SECONDS = 60.0  # with an engine that does not answer, before the job has begun and after it has ended


class DockerLauncher(AgentLauncher):
    """The launcher of containers; see `trainconf.launchers.protocol.Launcher` for what it promises."""

    name = "docker"
    needs_image = True

    def plan(self, job: Job) -> LaunchPlan:
        """What the agent will do: the whole request for each container.

        Raises ConfigError: more slots or GPUs than this machine has, settings no container can have; ContainerEngineError.
        """
        where = address.find(self._environ)
        facts = address.facts(Engine(where.url), where, job.paths.workspace.cache)
        program = argv.argv(job.spec, job.python)
        engine = {
            "address": where.url, "source": where.source, "version": facts.version, "api": facts.api, "patience_seconds": PATIENCE_SECONDS,
            "umask": request.umask(job), "network": request.network(job),
        }
        return self._plan(job, program, _ranks(job, program, facts), request.variables(job), engine=engine)

    def stage(self, plan: LaunchPlan) -> RunPaths:
        """Write plan.json, and make the HOME that is mounted: the engine makes no missing folder."""
        try:
            os.makedirs(RunPaths(plan.run_dir).workspace.home, exist_ok=True)
        except OSError as error:
            raise StorageError.from_os_error(error, "the HOME of containers cannot be made") from error
        return super().stage(plan)

    def _end_leftovers(self, paths: RunPaths, grace_seconds: float) -> str:
        """End its containers, found by their label, and remove them and their network."""
        try:
            plan = files.read_json(paths.plan)
            where = address.EngineAddress(plan["engine"]["address"], plan["engine"]["source"])
        except (OSError, ValueError, TypeError, KeyError):
            return ""  # no container is made before the plan is written
        try:
            ended = leftovers.remove(Engine(where.url), plan["run_dir"], grace_seconds)
        except EngineError as error:
            raise address.explain(where, error) from error
        return f"{ended} of its containers {'was' if ended == 1 else 'were'} ended" if ended else ""


def _ranks(job: Job, program: list[str], facts: EngineFacts) -> list[RankPlan]:
    """Every rank; with the first one of each node, the container of them all. Raises ConfigError."""
    nodes: dict[int, list[RankLayout]] = {}
    for place in layout(job.spec.distributed):
        nodes.setdefault(place.node_rank, []).append(place)
    containers = {places[0].rank: request.body(job, places, program, facts) for places in nodes.values()}
    return [replace(plan, container=containers.get(plan.rank)) for plan in rank_plans(job, program, {})]
