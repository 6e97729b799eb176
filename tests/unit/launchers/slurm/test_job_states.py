"""What Slurm's states mean for a run."""

from __future__ import annotations

import os
import pwd

import pytest

from trainconf.launchers.slurm import job_states
from trainconf.launchers.slurm.commands import Job as SlurmJob


@pytest.mark.parametrize(
    ("state", "code", "expected", "words"),
    [
        ("TIMEOUT", "0:0", ("Failed", 124), "time limit"),
        ("OUT_OF_MEMORY", "0:125", ("Failed", 137), "more memory than Slurm gave it"),
        ("NODE_FAIL", "0:0", ("Failed", None), "a node of job 5 failed on n7"),
        ("CANCELLED by 123456789", "0:0", ("Canceled", None), "by user 123456789"),
        ("PREEMPTED", "0:0", ("Canceled", None), "higher priority"),
        ("FAILED", "3:0", ("Failed", 3), "with exit code 3"),
        ("FAILED", "0:9", ("Failed", 137), "by signal 9"),
        ("COMPLETED", "0:0", ("Failed", None), "before its agent could record"),
    ],
)
def test_an_end_that_only_slurm_tells_is_said_in_words(state: str, code: str, expected: tuple[str, int | None], words: str) -> None:
    told = SlurmJob(state, "n7", "None", "trainconf run x", code)
    ending = job_states.ending("5", told, "/runs/x", canceled="", agent_was_seen=True, log="")
    assert (ending.state, ending.exit_code) == expected
    assert words in ending.reason
    asked = job_states.ending("5", told, "/runs/x", canceled="its sweep was stopped", agent_was_seen=True, log="")
    assert asked.state == "Canceled"
    assert asked.reason.startswith("its sweep was stopped; ")


def test_what_slurm_killed_for_memory_says_so_in_the_jobs_log() -> None:
    said = "slurmstepd-n7: error: StepId=5.batch exceeded memory limit (603049984 > 108003328), being killed / *** JOB 5 ON n7 CANCELLED"
    told = SlurmJob("FAILED", "n7", "None", "trainconf run x", "0:9")
    ending = job_states.ending("5", told, "/runs/x", canceled="", agent_was_seen=True, log=said)
    assert ending.reason == "job 5 was ended on n7 because it used 0.56 GiB of memory, and Slurm gave it 0.10 GiB (compute.mem_gib)"


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "A_STATE_OF_TOMORROW"])
def test_no_other_state_ends_a_run(state: str) -> None:
    assert state not in job_states.OVER


def test_whoever_canceled_a_job_is_named() -> None:
    job = SlurmJob(f"CANCELLED by {os.getuid()}")
    ending = job_states.ending("7", job, "/r", canceled="", agent_was_seen=False, log=None)
    assert ending.reason == f"job 7 was canceled in Slurm by {pwd.getpwuid(os.getuid()).pw_name}"
