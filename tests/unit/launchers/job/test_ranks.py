"""What each rank of a job is told besides its place."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from trainconf.errors import ConfigError
from trainconf.fast.records import replace
from trainconf.launchers.job.ranks import rank_plans
from trainconf.spec import DistributedSpec
from trainconf.testing.runs import make_job

TWO = DistributedSpec(kind="pytorch", processes_per_node=2, communication_backend="gloo")
ASKED = {"TRAINCONF_COMMUNICATION_BACKEND": "gloo", "GLOO_SOCKET_IFNAME": "ib0", "NCCL_SOCKET_IFNAME": "=ib0"}
SHELL = {"TRAINCONF_COMMUNICATION_BACKEND": "nccl", "GLOO_SOCKET_IFNAME": "eth0", "OMP_NUM_THREADS": "7"}


def test_what_was_asked_for_wins_over_the_submitters_shell() -> None:
    job = replace(make_job("/nowhere", ["true"], distributed=TWO), distributed={"interface": "ib0"})
    for rank in rank_plans(job, ["true"], SHELL):
        assert {name: rank.env.get(name) for name in ASKED} == ASKED
        assert "OMP_NUM_THREADS" not in rank.env, "what the user set stays"


def test_the_jobs_own_variables_win_over_everything() -> None:
    job = replace(make_job("/nowhere", ["true"], distributed=TWO), distributed={"interface": "ib0"}, env={"GLOO_SOCKET_IFNAME": "mine"})
    assert all("GLOO_SOCKET_IFNAME" not in rank.env for rank in rank_plans(job, ["true"], SHELL))


@pytest.mark.parametrize(
    ("spec", "name", "is_refused"),
    [
        (TWO, "LOCAL_RANK", True), (TWO, "MASTER_ADDR", False), (TWO, "TF_CONFIG", False), (TWO, "TRAINCONF_COMMUNICATION_BACKEND", False),
        (DistributedSpec(kind="tensorflow", worker_count=2), "TF_CONFIG", True), (DistributedSpec(kind="mpi"), "RANK", True),
        (DistributedSpec(), "RANK", False), (DistributedSpec(), "NODE_RANK", False), (DistributedSpec(node_count=2), "NODE_RANK", True),
        (DistributedSpec(), "TRAINCONF_RUN_ID", True), (DistributedSpec(), "TRAINCONF_ATTEMPT", True),
        (DistributedSpec(), "TRAINCONF_INPUT_A", True), (DistributedSpec(), "TRAINCONF_INPUT_B", False),
        (DistributedSpec(), "TRAINCONF_FULL_ERROR", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["env", "secrets"])
def test_a_variable_of_the_job_arrives_or_is_refused(spec: DistributedSpec, name: str, is_refused: bool, kind: str) -> None:
    job = replace(make_job("/nowhere", ["true"], distributed=spec, inputs={"a": "/data"}), **{kind: {name: "7"}})
    with pytest.raises(ConfigError, match=rf"env\.variables\.{name} would be") if is_refused else nullcontext():
        ranks = rank_plans(job, ["true"], {})
        assert all(name not in rank.env for rank in ranks)
