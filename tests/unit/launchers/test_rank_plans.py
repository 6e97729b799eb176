"""What each rank of a job is told besides its place."""

from __future__ import annotations

from dataclasses import replace

from tests.contract.runs import make_job
from trainconf.launchers.rank_plans import rank_plans
from trainconf.spec import DistributedSpec

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
