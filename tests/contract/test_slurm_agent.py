"""The agent in a real Slurm job: whatever Slurm does to the job ends in an honest state, in words, and nothing survives."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.contract.slurm_runs import log, sbatch, slurm, slurm_state, stage, until, wait_state
from tests.testbed.cluster import Cluster
from trainconf.history import events
from trainconf.paths import RunPaths
from trainconf.testing.runs import is_running, make_job, shell, unique_sleep, until_sigterm

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("no_job_is_left")]


def up(root: Path, text: str, *options: str, says: str = "", grace_s: float = 1.0, **batch: Any) -> tuple[RunPaths, str]:
    """A run that has begun and whose script has said so much, and its job."""
    paths = stage(make_job(str(root), shell(text), grace_s=grace_s), **batch)
    job_id = sbatch(paths, *options)
    wait_state(paths, "Running")
    until(lambda: Path(paths.log(0)).read_text() == says, "the script")
    return paths, job_id


def attempts(paths: RunPaths) -> list[int]:
    return [event["attempt"] for event in events.read(paths) if event["state"] == "Starting"]


def test_a_run_completes_and_slurm_says_so_too(tmp_path: Path) -> None:
    paths = stage(make_job(str(tmp_path / "with space %j"), shell("echo hello on $(hostname)")))
    job_id = sbatch(paths)
    end = wait_state(paths, "Completed")
    start = events.read(paths)[1]
    assert start["scheduler"] | {"nodes": ""} == {"kind": "slurm", "job_id": job_id, "cluster": "main", "restarts": 0, "nodes": ""}
    assert Path(paths.log(0)).read_text() == f"hello on {start['scheduler']['nodes']}\n"
    assert end["exit_code"] == 0
    until(lambda: slurm_state(job_id) == "COMPLETED", "Slurm", told=lambda: slurm_state(job_id))


def test_a_run_that_fails_fails_its_job_with_its_exit_code(tmp_path: Path) -> None:
    paths = stage(make_job(str(tmp_path), shell("exit 7")))
    job_id = sbatch(paths)
    assert wait_state(paths, "Failed")["exit_code"] == 7
    until(lambda: slurm_state(job_id) == "FAILED", "Slurm")
    assert "ExitCode=7:0" in slurm("scontrol", "show", "job", "-o", job_id)


def test_scancel_from_outside_is_canceled_in_words_and_ends_the_whole_tree(tmp_path: Path) -> None:
    left = unique_sleep()
    paths, job_id = up(tmp_path, f"setsid -f {left}; {left}")
    slurm("scancel", job_id)
    end = wait_state(paths, "Canceled")
    assert end["reason"] == "the job was canceled with scancel"
    until(lambda: not is_running(left), "the tree")


def test_a_rank_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    left = unique_sleep()
    paths, job_id = up(tmp_path, f"trap '' TERM; {left} & echo up; while :; do sleep 0.1; done", says="up\n", grace_s=0.5)
    slurm("scancel", job_id)
    assert wait_state(paths, "Canceled")["exit_code"] == 128 + signal.SIGKILL
    until(lambda: not is_running(left), "the tree")


def test_a_signal_that_slurm_sends_for_somebody_is_a_request_to_stop(tmp_path: Path) -> None:
    paths, job_id = up(tmp_path, "sleep 600")
    slurm("scancel", "--batch", "--signal=TERM", job_id)
    assert wait_state(paths, "Canceled")["reason"] == "the agent was told to stop (SIGTERM)"


def test_a_requeued_run_goes_on_in_its_directory_with_the_next_attempt(tmp_path: Path) -> None:
    text = "echo attempt $TRAINCONF_ATTEMPT; test $TRAINCONF_ATTEMPT = 2 || exec sleep 600"
    paths, job_id = up(tmp_path, text, says="attempt 1\n")
    slurm("scontrol", "requeue", job_id)
    wait_state(paths, "Completed")
    queued = next(event for event in events.read(paths) if event.get("waiting_for") == "requeue")
    assert (queued["state"], queued["attempt"], queued["reason"]) == ("Queued", 2, "the job was requeued in Slurm")
    assert attempts(paths) == [1, 2]
    assert Path(paths.log(0)).read_text() == "attempt 1\nattempt 2\n"


def timed(root: Path, text: str, *options: str, before: tuple[dict[str, Any], ...] = (), **batch: Any) -> RunPaths:
    """A run whose job has a minute, and is told so 55 seconds before its end. `before` are events of earlier jobs."""
    paths = stage(make_job(str(root), shell(text), grace_s=1.0), lead_seconds=55, **batch)
    for event in before:
        events.append(paths, **event)
    sbatch(paths, "--partition=short", "--time=1", "--signal=B:TERM@55", *options)
    return paths


def test_what_a_time_limit_does_depends_on_how_the_run_may_go_on(tmp_path: Path) -> None:
    """All jobs at once, for Slurm looks at time limits twice a minute."""
    resumes = "test $TRAINCONF_ATTEMPT = 2 && exit 0; " + until_sigterm(":", "echo saved; exit 0")
    requeued = {"state": "Queued", "attempt": 2, "waiting_for": "requeue", "is_out_of_time": True}
    ends = timed(tmp_path, "sleep 600")
    goes_on = timed(tmp_path, resumes, requeue="always", max_requeues=3)
    too_often = timed(tmp_path, "sleep 600", "--requeue", before=({"state": "Starting"}, requeued), requeue="always", max_requeues=1)
    forbidden = timed(tmp_path, "sleep 600", "--no-requeue", requeue="always", max_requeues=3)

    end = wait_state(ends, "Failed", 90)
    assert (end["exit_code"], end["reason"]) == (124, "time limit of Slurm's: 60 s")
    end = wait_state(too_often, "Failed", 90)
    assert (end["exit_code"], end["attempt"]) == (124, 2)
    assert end["reason"] == "time limit of Slurm's: 60 s; it was requeued for that as often as compute.max_requeues allows: 1"
    end = wait_state(forbidden, "Failed", 90)
    assert end["exit_code"] == 124
    assert end["reason"].startswith("time limit of Slurm's: 60 s; and it could not be requeued: ")
    wait_state(goes_on, "Completed", 120)
    queued = next(event for event in events.read(goes_on) if event.get("waiting_for") == "requeue")
    assert queued["reason"] == "time limit of Slurm's: 60 s; requeue 1 of at most 3"
    assert Path(goes_on.log(0)).read_text() == "saved\n"
    assert attempts(goes_on) == [1, 2]
    assert events.read(goes_on)[-1]["state"] == "Completed"


@pytest.mark.slow
def test_a_run_that_loses_its_only_node_goes_on_with_another(tmp_path: Path, slurm_cluster: Cluster) -> None:
    text = "echo $TRAINCONF_ATTEMPT; test $TRAINCONF_ATTEMPT = 2 || exec sleep 600"
    paths, _ = up(tmp_path, text, "--requeue", says="1\n", requeue="interrupted")
    node = events.read(paths)[1]["scheduler"]["nodes"]
    slurm_cluster.lose(node)
    wait_state(paths, "Completed", 90)
    again = next(event for event in events.read(paths) if (event["state"], event["attempt"]) == ("Starting", 2))
    assert again["scheduler"]["nodes"] != node
    assert again["reason"] == "attempt 1 was ended before it could say how, and Slurm has started its job again"
    assert Path(paths.log(0)).read_text() == "1\n2\n"


def test_a_preempted_run_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    text = "test $TRAINCONF_ATTEMPT = 1 || exit 0; sleep 600"
    paths, _ = up(tmp_path, text, "--partition=low", "--nodes=1", "--nodelist=node3", "--exclusive", requeue="interrupted")
    other = stage(make_job(str(tmp_path), shell("sleep 3")))
    sbatch(other, "--partition=high", "--nodelist=node3", "--exclusive")
    wait_state(paths, "Completed", 120)
    queued = next(event for event in events.read(paths) if event.get("waiting_for") == "requeue")
    assert queued["reason"] in ("the job was preempted by Slurm", "the job was requeued in Slurm")
    assert attempts(paths) == [1, 2]


def test_a_run_that_has_ended_is_never_run_again(tmp_path: Path) -> None:
    paths = stage(make_job(str(tmp_path), shell("echo once")))
    job_id = sbatch(paths)
    wait_state(paths, "Completed")
    until(lambda: slurm_state(job_id) == "COMPLETED", "Slurm")
    slurm("scontrol", "requeue", job_id)
    until(lambda: "has ended before" in log(paths), "the second agent", told=lambda: log(paths) + slurm("squeue"))
    assert Path(paths.log(0)).read_text() == "once\n"


@pytest.mark.parametrize("cluster", ["main", pytest.param("bare", marks=pytest.mark.slurm(cluster="bare"))])
def test_when_the_agent_is_killed_nothing_of_the_job_survives(tmp_path: Path, cluster: str) -> None:
    """On `main`, with control groups, Slurm sees to it; on `bare`, without, our guard."""
    left = unique_sleep()
    paths, job_id = up(tmp_path, f"setsid -f {left}; echo $PPID >agent; {left}")
    agents = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and _argument(pid) == paths.run_dir]
    os.kill(max(agents), signal.SIGKILL)  # its guard, where there is one, was there before it
    until(lambda: slurm_state(job_id) == "FAILED", "Slurm", told=lambda: slurm_state(job_id))
    until(lambda: not is_running(left), "the tree")
    assert events.read(paths)[-1]["state"] == "Running"


@pytest.mark.slurm(cluster="bare")
def test_when_the_guard_is_killed_slurm_knows_the_job_no_more_and_so_it_is_ended(tmp_path: Path) -> None:
    left = unique_sleep()
    paths, _ = up(tmp_path, f"setsid -f {left}; {left}")
    os.kill(min(int(pid) for pid in os.listdir("/proc") if pid.isdigit() and _argument(pid) == paths.run_dir), signal.SIGKILL)
    assert wait_state(paths, "Failed")["reason"] == "the watchdog of its agent was killed"
    until(lambda: not is_running(left), "the tree")


def _argument(pid: str) -> str:
    try:
        words = Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return os.fsdecode(words[5]) if len(words) > 5 and words[4].endswith(b"agent/__main__.py") else ""
