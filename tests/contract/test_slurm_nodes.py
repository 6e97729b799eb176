"""Runs of several nodes on a real cluster: one agent on each, started and ended together, whatever happens to any of them."""

from __future__ import annotations

import json
import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.contract.slurm_runs import log, sbatch, slurm, slurm_state, stage, until, wait_state
from tests.testbed.cluster import Cluster
from trainconf.distributed.layout import layout, variables
from trainconf.history import events
from trainconf.paths import RunPaths
from trainconf.spec import DistributedSpec
from trainconf.testing.runs import is_running, make_job, shell, unique_sleep, until_sigterm, until_up

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("no_job_is_left")]
NODES = 3


def stage_run(root: Path, text: str, grace_s: float = 2.0, retries: int = 0, monitor_s: float = 0.0, **batch: Any) -> RunPaths:
    """A run of three nodes that waits to be sent."""
    job = make_job(
        str(root), shell(text), grace_s=grace_s, retries=retries, retry_backoff_seconds=0.1, monitor_interval_seconds=monitor_s
    )
    spec = DistributedSpec(node_count=NODES)
    ranks = [
        {"rank": place.rank, "argv": shell(text), "env": variables(spec, place), "container": None} for place in layout(spec)
    ]  # fmt: skip
    return stage(job, plan={"ranks": ranks, "rendezvous": {"kind": "none", "interface": None}}, nodes=NODES, cpus_per_task=1, **batch)


def send(root: Path, text: str, *options: str, **wishes: Any) -> tuple[RunPaths, str]:
    """A run of three nodes, and its job."""
    paths = stage_run(root, text, **wishes)
    return paths, sbatch(paths, f"--nodes={NODES}", *options)


def logs(paths: RunPaths) -> list[str]:
    return [Path(paths.log(rank)).read_text() for rank in range(NODES)]


def test_every_node_has_its_rank_and_its_log_and_is_sampled(tmp_path: Path) -> None:
    text = 'echo "rank $NODE_RANK of $TRAINCONF_NODE_COUNT on $(hostname), head $MASTER_ADDR, attempt $TRAINCONF_ATTEMPT"; sleep 1'
    paths, _ = send(tmp_path / "with space", text, monitor_s=0.3)
    end = wait_state(paths, "Completed")
    assert logs(paths) == [f"rank {n} of 3 on node{n + 1}, head node1, attempt 1\n" for n in range(NODES)]
    running = next(event for event in events.read(paths) if event["state"] == "Running")
    assert [(rank["rank"], rank["host"]) for rank in running["ranks"]] == [(0, "node1"), (1, "node2"), (2, "node3")]
    assert end["resources"]["cpu_s"] > 0
    assert end["resources"]["peak_rss_bytes"] > 0
    samples = [json.loads(Path(paths.system(node)).read_text().splitlines()[0]) for node in range(NODES)]
    assert [sample["host"] for sample in samples] == ["node1", "node2", "node3"]
    assert all(sample["memory_bytes"] > 0 for sample in samples)


def test_the_first_rank_that_fails_ends_the_others_everywhere(tmp_path: Path) -> None:
    left = unique_sleep()
    text = f"if [ $NODE_RANK = 1 ]; then {until_up(0, 2)}; exit 7; fi; setsid -f {left}; : >outputs/up$NODE_RANK; {left}"
    paths, job_id = send(tmp_path, text)
    end = wait_state(paths, "Failed")
    assert (end["exit_code"], end["reason"], end["rank"], end["host"]) == (7, "rank 1: exit code 7", 1, "node2")
    assert not is_running(left)
    until(lambda: slurm_state(job_id) == "FAILED", "Slurm")


def test_ranks_that_ignore_sigterm_are_killed_on_every_node(tmp_path: Path) -> None:
    left = unique_sleep()
    stubborn = f"trap '' TERM; {left} & : >outputs/up$NODE_RANK; while :; do sleep 0.1; done"
    text = f"if [ $NODE_RANK = 2 ]; then {until_up(0, 1)}; exit 7; fi; {stubborn}"
    paths, _ = send(tmp_path, text, grace_s=0.5)
    assert wait_state(paths, "Failed")["reason"] == "rank 2: exit code 7"
    assert not is_running(left)


def test_what_ranks_leave_behind_is_ended_on_every_node(tmp_path: Path) -> None:
    left = unique_sleep()
    paths, _ = send(tmp_path, f"setsid -f {left}; exit 0")
    wait_state(paths, "Completed")
    assert not is_running(left)


def test_a_retry_starts_every_rank_again(tmp_path: Path) -> None:
    first = f": >outputs/up$NODE_RANK; test $NODE_RANK = 1 || exec sleep 600; {until_up(0, 2)}; exit 1"
    paths, _ = send(tmp_path, f"echo $TRAINCONF_ATTEMPT; test $TRAINCONF_ATTEMPT = 2 && exit 0; {first}", retries=1)
    wait_state(paths, "Completed")
    assert logs(paths) == ["1\n2\n"] * 3


def test_a_request_to_cancel_ends_all_nodes_politely(tmp_path: Path) -> None:
    left = unique_sleep()
    paths, job_id = send(tmp_path, until_sigterm("echo up", "sleep 0.5; echo bye; exit 3", left), grace_s=10)
    wait_state(paths, "Running")
    until(lambda: all("up" in text for text in logs(paths)), "the ranks")
    events.append(paths, "CancelRequested")
    slurm("scancel", "--batch", "--signal=USR1", job_id)
    end = wait_state(paths, "Canceled")
    assert end["reason"] == "cancellation was requested", "an old request names nobody"
    assert all(text.endswith("bye\n") for text in logs(paths)), logs(paths)
    assert not is_running(left)


def test_scancel_from_outside_ends_all_nodes_politely(tmp_path: Path) -> None:
    """srun gets its SIGTERM, too, and asks for the death of its tasks; the controller grants none in a job that it is ending already."""
    left = unique_sleep()
    paths, job_id = send(tmp_path, until_sigterm(f"setsid -f {left}; echo up", 'trap "" TERM; sleep 1; echo bye; exit 3', left), grace_s=10)
    wait_state(paths, "Running")
    until(lambda: all("up" in text for text in logs(paths)), "the ranks")
    slurm("scancel", job_id)
    assert wait_state(paths, "Canceled")["reason"] == "the job was canceled with scancel"
    assert all(text.endswith("bye\n") for text in logs(paths)), logs(paths)
    until(lambda: not is_running(left), "the ranks")


def test_a_requeued_run_starts_anew_on_all_nodes(tmp_path: Path) -> None:
    paths, job_id = send(tmp_path, "echo $TRAINCONF_ATTEMPT; test $TRAINCONF_ATTEMPT = 2 || exec sleep 600")
    wait_state(paths, "Running")
    until(lambda: logs(paths) == ["1\n"] * 3, "the ranks")
    slurm("scontrol", "requeue", job_id)
    wait_state(paths, "Completed", 90)
    assert logs(paths) == ["1\n2\n"] * 3


def test_a_node_that_dies_is_named_and_nothing_of_the_run_is_left(tmp_path: Path, slurm_cluster: Cluster) -> None:
    left = unique_sleep()
    paths, _ = send(tmp_path, left, "--no-requeue")
    wait_state(paths, "Running")
    slurm_cluster.lose("node2")
    end = wait_state(paths, "Failed", 90)
    assert end["reason"] == "a node of the job failed: node2"
    until(lambda: not is_running(left), "the ranks of the other nodes")


def test_a_node_that_stands_still_is_lost(tmp_path: Path) -> None:
    left = unique_sleep()
    paths, _ = send(tmp_path, left, node_silence_seconds=12)
    wait_state(paths, "Running")
    agent = until(lambda: node_agent(paths, 1), "its agent")
    os.kill(agent, signal.SIGSTOP)
    try:
        end = wait_state(paths, "Failed")
        assert end["reason"] == "node node2 was lost: nothing was heard of it for 12 s"
    finally:
        with suppress(ProcessLookupError):
            os.kill(agent, signal.SIGCONT)
    until(lambda: not is_running(left), "the ranks")


def test_a_node_whose_agent_is_killed_ends_the_run(tmp_path: Path) -> None:
    paths, _ = send(tmp_path, unique_sleep())
    wait_state(paths, "Running")
    os.kill(until(lambda: node_agent(paths, 2), "its agent"), signal.SIGKILL)
    assert wait_state(paths, "Failed")["reason"] == "the run's agent on node3 was ended: Killed"


def test_a_folder_that_other_nodes_do_not_have_is_said_in_words(tmp_path: Path, slurm_cluster: Cluster) -> None:
    """`local` is every node's own (tests/testbed/slurm-daemons.sh); the batch script copies the run's folder there, on one of them."""
    local = Path(slurm_cluster.conf).parents[2] / "local" / os.urandom(4).hex()
    staged_paths = stage_run(tmp_path, "true")
    there = RunPaths(str(local / Path(staged_paths.run_dir).relative_to(tmp_path)))
    job_id = sbatch(staged_paths, f"--nodes={NODES}", setup=f"mkdir -p {local} && cp -r {tmp_path}/. {local}", run_dir=there.run_dir)
    until(lambda: slurm_state(job_id) == "FAILED", "Slurm", told=lambda: log(staged_paths))
    history = slurm("srun", "--nodelist=node1", "cat", there.events)
    end = json.loads(history.splitlines()[-1])
    assert end["state"] == "Failed"
    assert re.match(r"the run's agent could not start on \S+, where its folder may be missing: Exited with exit code 1", end["reason"])


def node_agent(paths: RunPaths, node: int) -> int | None:
    """The pid of a node's agent, as seen from here."""
    for pid in sorted(filter(str.isdigit, os.listdir("/proc")), key=int, reverse=True):  # its guard was there before it
        try:
            words = Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
            is_it = words[-2:-1] == [b"--node"] and os.fsencode(paths.run_dir) in words and words[0].endswith(b"python")
            if is_it and f"SLURM_NODEID={node}\0".encode() in Path("/proc", pid, "environ").read_bytes():
                return int(pid)
        except OSError:
            continue
    return None
