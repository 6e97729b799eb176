"""Containers and networks of this workspace's runs that no agent minds: found by label, for `trainconf gc`.

A container that still runs, of a run that exists and has lost its agent, is nobody's leftover: it may be worth keeping, and
`trainconf cancel` ends it.
"""

from __future__ import annotations

import os

from trainconf.engine import container, leftovers
from trainconf.history import liveness
from trainconf.paths import RunPaths, WorkspacePaths, is_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from trainconf.engine.client import Engine

LIVING = ("running", "paused", "restarting")


class Leftover:
    """What one run has left in the engine. `may_go` is False for a job that still runs and could be cancelled."""

    __slots__ = ("containers", "may_go", "networks", "run_dir", "why")

    def __init__(self, run_dir: str, containers: list[str], networks: list[str], why: str, *, may_go: bool) -> None:
        self.run_dir = run_dir
        self.containers = containers
        self.networks = networks
        self.why = why
        self.may_go = may_go


def may_exist(workspace: WorkspacePaths) -> bool:
    """Whether a container was ever asked for here; where none was, no engine needs to be."""
    return os.path.isdir(workspace.home)


def find(engine: Engine, workspace: WorkspacePaths) -> list[Leftover]:
    """Everything of runs that are over, gone or without an agent, by run directory. Raises EngineError."""
    labelled = {"filters": {"label": [container.LABEL_RUN_DIR]}}
    by_run: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {}
    for place, found in enumerate((engine.get("/containers/json", {"all": True, **labelled}), engine.get("/networks", labelled))):
        for each in found:
            run_dir = each["Labels"][container.LABEL_RUN_DIR]
            if is_inside(run_dir, workspace.runs):
                by_run.setdefault(run_dir, ([], []))[place].append(each)
    judged = (_judge(run_dir, *found) for run_dir, found in sorted(by_run.items()))
    return [leftover for leftover in judged if leftover is not None]


def remove(engine: Engine, leftover: Leftover) -> None:
    """End and remove it, at once. Raises EngineError."""
    leftovers.remove(engine, leftover.run_dir, 0.0)


def _judge(run_dir: str, containers: list[dict[str, Any]], networks: list[dict[str, Any]]) -> Leftover | None:
    is_running = any(each["State"] in LIVING for each in containers)
    may_go = True
    if not os.path.isdir(run_dir):
        why = "its run was removed"
    else:
        state = liveness.state_of(RunPaths(run_dir))
        if not state.is_final and state.status != "NotResponding":
            return None
        why = f"its run is {state.status}"
        may_go = state.is_final or not is_running
    named = [f"{each['Names'][0].lstrip('/') if each['Names'] else each['Id'][:12]} ({each['Status'].lower()})" for each in containers]
    return Leftover(run_dir, named, [each["Name"] for each in networks], why, may_go=may_go)
