"""plan.json as the agent reads it: of this version and of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainconf.agent.plan import Gpus, Plan, Slots

FIRST_VERSION: dict[str, Any] = {
    "version": 1, "target": "local", "run_id": "r", "run_dir": "/w/r", "cwd": "/w/r/code",
    "ranks": [{"rank": 0, "argv": ["sh"], "env": {}}], "env": {"A": "1"}, "secret_env": [],
    "max_run_duration_seconds": None, "grace_seconds": 10.0, "retries": 2, "retry_backoff_seconds": 3,
    "slots": {"dir": "/leases", "count": 2, "take": 1}, "gpus": {"devices": ["0"], "take": 1}, "stdout_metrics": {},
}  # fmt: skip


def test_a_plan_of_an_older_version_has_defaults_for_what_came_later() -> None:
    plan = Plan.of(FIRST_VERSION)
    assert (plan.slots, plan.gpus, plan.retries) == (Slots("/leases", 2, 1), Gpus(["0"], 1), 2)
    assert (plan.rendezvous, plan.mpi, plan.engine, plan.batch, plan.first_on_path) == (None, None, None, None, ())
    assert (plan.ranks[0].argv, plan.ranks[0].is_service, plan.ranks[0].node) == (["sh"], False, 0)


def test_a_plan_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    later = {**FIRST_VERSION, "new": 1, "batch": {"nodes": 2, "new": 1}, "engine": {"address": "unix:///s", "new": 1}, "slots": None}
    plan = Plan.of({**later, "ranks": [{"rank": 0, "env": {"NODE_RANK": "1"}, "new": 1}]})
    assert plan.slots is None
    assert plan.batch is not None
    assert (plan.batch.nodes, plan.batch.kind, plan.batch.requeue) == (2, "slurm", "never")
    assert plan.engine is not None
    assert (plan.engine.address, plan.has_nodes) == ("unix:///s", True)


def test_ranks_are_found_by_their_node_whatever_their_order() -> None:
    plan = Plan.of({**FIRST_VERSION, "ranks": [{"rank": rank, "env": {"NODE_RANK": node}} for rank, node in enumerate("0110")]})
    assert {node: [rank.rank for rank in ranks] for node, ranks in plan.nodes().items()} == {0: [0, 3], 1: [1, 2]}


@pytest.mark.parametrize("name", ["cwd", "slots", "grace_seconds", "env"])
def test_a_plan_without_what_every_version_has_is_refused_by_name(name: str) -> None:
    with pytest.raises(TypeError, match=f"Plan needs {name}"):
        Plan.of({key: value for key, value in FIRST_VERSION.items() if key != name})


@pytest.mark.parametrize("text", ["[]", "null", "{", '{"slots": 3}', '{"ranks": [3]}'])
def test_a_file_that_holds_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises((TypeError, ValueError)):
        Plan.load(str(tmp_path / "plan.json"))
