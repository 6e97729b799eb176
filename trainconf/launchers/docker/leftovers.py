"""Finds the containers and networks that this workspace's runs have left without an agent, for `trainconf gc`.

A container that still runs is kept while its run's folder exists, even without an agent: it may be worth keeping, and `trainconf cancel`
ends it.
"""

from __future__ import annotations

import os
from typing import Any

from trainconf.agent import job_folders
from trainconf.agent.containers.container import ContainerEnd
from trainconf.agent.containers.node import NodeRanks
from trainconf.agent.outcome import Outcome
from trainconf.agent.plan import Plan
from trainconf.engine import container, leftovers
from trainconf.engine.client import Engine
from trainconf.errors import StorageError
from trainconf.fast.records import Record
from trainconf.files import FileLock
from trainconf.history import events, liveness
from trainconf.paths import RunPaths, WorkspacePaths, is_inside

LIVING = ("running", "paused", "restarting")


class Leftover(Record):
    """What one run has left in the engine."""

    run_dir: str
    containers: list[str]
    networks: list[str]
    why: str
    may_go: bool  # False for a job that still runs and could be canceled


def may_exist(workspace: WorkspacePaths) -> bool:
    """Whether a container was ever requested here; if not, no engine is needed."""
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
    """End and remove it, at once; first the run's history gets the end that only the engine knows. Raises EngineError, StorageError."""
    if os.path.isdir(leftover.run_dir):
        _record_end(engine, RunPaths(leftover.run_dir))
    leftovers.remove(engine, leftover.run_dir, 0.0)


def _record_end(engine: Engine, paths: RunPaths) -> None:
    """Write how the latest attempt ended, when all of its containers ended by themselves after its agent was gone."""
    lock = FileLock(liveness.lock_of(paths))
    if not lock.acquire(blocking=False):
        return
    try:
        event = events.last(paths)
        if event is None or event["state"] in (*events.TERMINAL, "CancelRequested"):
            return
        try:
            plan = Plan.load(paths.plan)
            nodes = [NodeRanks(paths, plan, ranks, engine.address) for ranks in plan.nodes().values()]
        except (OSError, ValueError, TypeError, KeyError):
            return
        found = _containers_of(engine, paths, event["attempt"])
        if found.keys() != {node.numbers[0] for node in nodes} or any(each["State"]["Status"] != "exited" for each in found.values()):
            return
        ends = sorted(
            ((found[node.numbers[0]]["State"]["FinishedAt"], end) for node in nodes for end in _outcomes(node, found[node.numbers[0]])),
            key=lambda timed: timed[0],
        )
        end = next((end for _, end in ends if end.state == "Failed"), ends[-1][1])
        reason = f"{end.reason}; its agent was gone, and the engine told this afterwards".removeprefix("; ")
        facts = {**end.facts(), "reason": reason, **job_folders.put_away_later(paths, end.state)}
        events.append(paths, end.state, event["attempt"], **facts, time=_time(ends[-1][0]))
        for node in nodes:
            node.clear()
    except OSError as error:
        raise StorageError.from_os_error(error, "how the run ended cannot be recorded") from error
    finally:
        lock.release()


def _containers_of(engine: Engine, paths: RunPaths, attempt: int) -> dict[int, dict[str, Any]]:
    """The containers of one attempt, by their first rank, as the engine describes them."""
    labels = [f"{container.LABEL_RUN_DIR}={paths.run_dir}", f"{container.LABEL_ATTEMPT}={attempt}"]
    listed = engine.get("/containers/json", {"all": True, "filters": {"label": labels}})
    return {int(each["Labels"][container.LABEL_RANK]): engine.get(f"/containers/{each['Id']}/json") for each in listed}


def _outcomes(node: NodeRanks, described: dict[str, Any]) -> list[Outcome]:
    """Of the ranks in one container, in the order in which they ended."""
    end = ContainerEnd(described["State"]["ExitCode"], is_out_of_memory=described["State"]["OOMKilled"], usage=node.usage())
    return [found for _, found in node.ended(end, 0)]


def _time(text: str) -> str:
    """The engine's time, of up to nine decimals, as events have it."""
    seconds, _, fraction = text.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction[:6]:0<6}Z"


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
