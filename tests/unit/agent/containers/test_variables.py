"""What the ranks in containers are told: where they meet, and their share of the GPUs. No engine is asked."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from trainconf.agent.containers.variables import ContainerVariables
from trainconf.agent.plan import EnginePlan, Plan, RankPlan, RendezvousPlan
from trainconf.fast.records import replace
from trainconf.paths import RunPaths

NAMES = ("MASTER_ADDR", "MASTER_PORT", "TF_CONFIG", "CUDA_VISIBLE_DEVICES", "TRAINCONF_ATTEMPT")


def plan(nodes: list[int], kind: str = "pytorch", *, env: dict[str, str] | None = None, gpu_share: bool = False) -> Plan:
    """A rank on each of these nodes, in this order."""
    ranks: list[RankPlan] = []
    for number, node in enumerate(nodes):
        local = nodes[:number].count(node)
        place = {"NODE_RANK": str(node), "LOCAL_RANK": str(local)}
        share = (local, nodes.count(node)) if gpu_share else None
        container = None if number else {"HostConfig": {"NetworkMode": "default"}}
        ranks.append(RankPlan(number, env=place, task={"type": "worker", "index": number}, gpu_share=share, container=container))
    return Plan("/", ranks, env or {}, None, 1.0, engine=EnginePlan("unix:///s"), rendezvous=RendezvousPlan(kind))


def told(folder: Path, plan: Plan, node: int = 0, gpu_count: int = 0) -> list[dict[str, str]]:
    """The variables of each rank of a node, as a shell understands what it is sent."""
    variables = ContainerVariables(RunPaths(str(folder)), plan)
    variables.arrange()
    ranks = plan.nodes()[node]
    text = variables.text(ranks, 3, gpu_count).decode()
    show = " ".join(f'"{name}=${{{name}-unset}}"' for name in NAMES)
    found = []
    for rank in ranks:
        script = f"{text}\nset -- {rank.rank}\neval \"${{TRAINCONF_RANKS-}}\"\nprintf '%s\\n' {show}"
        out = subprocess.run(["sh", "-c", script], env={}, check=True, capture_output=True, text=True).stdout
        found.append({name: value for name, _, value in (line.partition("=") for line in out.splitlines()) if value != "unset"})
    return found


def test_ranks_of_several_nodes_meet_at_the_first_one_by_its_name(tmp_path: Path) -> None:
    where = {"MASTER_ADDR": "node-0", "MASTER_PORT": "29500", "TRAINCONF_ATTEMPT": "3"}
    assert told(tmp_path, plan([0, 0, 1, 1]), node=1) == [where, where]


def test_what_the_job_says_of_the_meeting_stands(tmp_path: Path) -> None:
    found = told(tmp_path, plan([0, 0], env={"MASTER_ADDR": "there"}))
    assert [(env["MASTER_ADDR"], env["MASTER_PORT"]) for env in found] == [("there", "29500")] * 2


def test_each_task_of_tensorflow_has_a_port_of_its_own_in_its_container(tmp_path: Path) -> None:
    (_, config) = told(tmp_path, plan([0, 1, 0], "tensorflow"))
    assert json.loads(config["TF_CONFIG"])["cluster"] == {"worker": ["node-0:29500", "node-1:29500", "node-0:29501"]}


def test_a_rank_alone_is_told_nothing_of_a_meeting(tmp_path: Path) -> None:
    assert told(tmp_path, replace(plan([0]), rendezvous=None)) == [{"TRAINCONF_ATTEMPT": "3"}]


def test_gpus_are_shared_among_the_ranks_of_a_node_as_the_container_counts_them(tmp_path: Path) -> None:
    shared = plan([0, 0], gpu_share=True)
    assert [env["CUDA_VISIBLE_DEVICES"] for env in told(tmp_path, shared, gpu_count=4)] == ["0,1", "2,3"]
    assert all("CUDA_VISIBLE_DEVICES" not in env for env in told(tmp_path, shared, gpu_count=0))
    assert all("CUDA_VISIBLE_DEVICES" not in env for env in told(tmp_path, plan([0, 0]), gpu_count=4))


def test_what_the_job_lets_itself_see_is_shared_and_not_replaced(tmp_path: Path) -> None:
    shared = plan([0, 0], env={"CUDA_VISIBLE_DEVICES": "3,1"}, gpu_share=True)
    assert [env["CUDA_VISIBLE_DEVICES"] for env in told(tmp_path, shared, gpu_count=4)] == ["3", "1"]
