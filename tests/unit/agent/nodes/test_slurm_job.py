"""What the agent makes of Slurm's words, without a cluster: a program `scontrol` that answers what one did."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainconf.agent.nodes import scheduler_job, slurm_job
from trainconf.agent.nodes.slurm_job import SlurmJob
from trainconf.agent.outcome import Outcome
from trainconf.agent.plan import Batch

RUNNING = "JobId=7 JobName=x Requeue=1 Restarts=0 RunTime=00:00:25 TimeLimit=00:01:00 JobState=RUNNING Reason=None PreemptTime=None"


@pytest.fixture
def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `scontrol` prints is the content of this file."""
    program = tmp_path / "scontrol"
    program.write_text(f"#!/bin/sh\ncat '{tmp_path}/answer'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path / "answer"


def job(*, requeue: str = "never", lead_seconds: float = 0.0, **environ: str) -> SlurmJob:
    return SlurmJob({"SLURM_JOB_ID": "7", **environ}, Batch(requeue=requeue, max_requeues=2, lead_seconds=lead_seconds), 1.0)


@pytest.mark.parametrize(
    ("told", "state", "reason", "code"),
    [
        (RUNNING, "Canceled", "the agent was told to stop (SIGTERM)", None),
        (RUNNING.replace("RUNNING", "COMPLETING"), "Canceled", "the job was canceled with scancel", None),
        (RUNNING.replace("RUNNING", "COMPLETING").replace("00:00:25", "00:01:00"), "Failed", "time limit of Slurm's: 60 s", 124),
        (RUNNING.replace("PreemptTime=None", "PreemptTime=2026-11-23T14:00:16"), "Canceled", "the job was preempted by Slurm", None),
        ("", "Canceled", "the agent was told to stop (SIGTERM)", None),
    ],
)
def test_a_signal_means_what_slurm_says(answer: Path, told: str, state: str, reason: str, code: int | None) -> None:
    answer.write_text(told)
    end = job().why_ending("SIGTERM")
    assert (end.state, end.reason, end.exit_code, end.may_requeue) == (state, reason, code, False)


def test_the_warning_before_the_time_limit_may_come_a_minute_early(answer: Path) -> None:
    answer.write_text(RUNNING.replace("TimeLimit=00:01:00", "TimeLimit=00:01:45"))
    assert job(lead_seconds=20).why_ending("SIGTERM").exit_code == 124
    answer.write_text(RUNNING.replace("TimeLimit=00:01:00", "TimeLimit=1-00:00:00"))
    assert job(lead_seconds=20).why_ending("SIGTERM").exit_code is None


@pytest.mark.parametrize(
    ("requeue", "preempted", "timed_out"), [("never", False, False), ("interrupted", True, False), ("always", True, True)]
)
def test_what_goes_on_later_is_the_owners_choice(answer: Path, requeue: str, preempted: bool, timed_out: bool) -> None:
    answer.write_text(RUNNING.replace("PreemptTime=None", "PreemptTime=2026-11-23T14:00:16"))
    assert job(requeue=requeue).why_ending("SIGTERM").may_requeue is preempted
    answer.write_text(RUNNING.replace("RUNNING", "COMPLETING").replace("00:00:25", "00:01:00"))
    assert job(requeue=requeue).why_ending("SIGTERM").may_requeue is timed_out


def test_the_warning_is_one_also_while_slurm_is_still_sending_it(answer: Path) -> None:
    answer.write_text(RUNNING.replace("JobState=RUNNING", "JobState=SIGNALING"))
    assert job(lead_seconds=55).why_ending("SIGTERM").exit_code == 124


def test_a_controller_that_refuses_once_is_asked_again(answer: Path) -> None:
    answer.write_text(RUNNING)
    asked = answer.with_name("asked")
    answer.with_name("scontrol").write_text(f"#!/bin/sh\n[ -e '{asked}' ] || {{ : >'{asked}'; exit 1; }}\ncat '{answer}'\n")
    assert job(lead_seconds=55).why_ending("SIGTERM").exit_code == 124


def test_a_job_that_will_start_once_more_was_requeued_whoever_may_want_that(answer: Path) -> None:
    answer.write_text(RUNNING.replace("RUNNING", "COMPLETING").replace("Restarts=0", "Restarts=1"))
    end = job().why_ending("SIGTERM")
    assert (end.reason, end.may_requeue) == ("the job was requeued in Slurm", True)
    assert job(SLURM_RESTART_COUNT="1").why_ending("SIGTERM").may_requeue is False


@pytest.mark.parametrize(
    ("told", "nodes", "code", "reason"),
    [
        (RUNNING.replace("RUNNING", "COMPLETING").replace("Restarts=0", "Restarts=1"), 1, 143, "the job was requeued in Slurm"),
        (RUNNING.replace("RUNNING", "COMPLETING").replace("Restarts=0", "Restarts=1"), 3, 3, "the job was requeued in Slurm"),
        (RUNNING.replace("RUNNING", "PREEMPTED"), 1, 137, "the job was preempted by Slurm"),
        (RUNNING.replace("RUNNING", "CANCELLED"), 3, 143, "the job was canceled with scancel"),
        (RUNNING, 3, 143, "the rank's own"),
        (RUNNING.replace("00:00:25", "00:01:00"), 3, 1, "the rank's own"),  # so near to its limit that a signal would mean that
        (RUNNING.replace("RUNNING", "COMPLETING"), 1, 3, "the rank's own"),
        ("", 3, 143, "the rank's own"),  # the controller does not know
    ],
)
def test_a_rank_that_slurm_reached_before_the_agent_has_not_failed(answer: Path, told: str, nodes: int, code: int, reason: str) -> None:
    answer.write_text(told)
    ours = SlurmJob({"SLURM_JOB_ID": "7"}, Batch(requeue="interrupted", nodes=nodes), 1.0)
    end = ours.or_its_cause(Outcome("Failed", code, "the rank's own"))
    assert (end.reason, end.exit_code) == (reason, code)


def test_a_task_of_an_array_has_the_name_that_slurm_prints() -> None:
    identity = job(SLURM_ARRAY_JOB_ID="5", SLURM_ARRAY_TASK_ID="2", SLURM_JOB_NODELIST="node1").identity()
    assert identity == {"kind": "slurm", "job_id": "5_2", "cluster": "", "restarts": 0, "nodes": "node1"}


def test_a_run_that_is_no_job_of_its_own_is_not_that_of_the_job_around_it(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    for text in ('{"target": "local", "batch": null}', '{"target": "local"}', "[]", "{", '{"batch": []}'):
        plan.write_text(text)
        assert scheduler_job.job_here(str(plan), {"SLURM_JOB_ID": "7"}) is None


@pytest.mark.parametrize(("text", "length"), [("00:01:00", 60.0), ("2-03:04:05", 183845.0), ("UNLIMITED", None), ("", None), ("1:2", None)])
def test_lengths_of_time_are_read_as_slurm_prints_them(text: str, length: float | None) -> None:
    assert slurm_job.seconds(text) == length


def test_a_controller_that_does_not_answer_is_ended_and_not_waited_for(answer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid_file = answer.with_name("pid")
    answer.with_name("scontrol").write_text(f"#!/bin/sh\necho $$ > '{pid_file}'\nexec sleep 600\n")
    monkeypatch.setattr(slurm_job, "REQUEUE_SECONDS", 0.3)
    monkeypatch.setattr(slurm_job, "ANSWER_SECONDS", 0.3)
    assert job().requeue() == "scontrol requeue did not answer for 0.3 s"
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()


def test_an_answer_longer_than_a_pipe_is_read_to_its_end(answer: Path) -> None:
    answer.write_text("x" * 300_000 + " Restarts=1\n")
    assert job().requeue() == ""


def test_what_slurm_says_last_is_why_a_job_cannot_be_requeued(answer: Path) -> None:
    answer.with_name("scontrol").write_text("#!/bin/sh\necho before\necho 'Job is finished' >&2\nexit 3\n")
    assert job().requeue() == "Job is finished"


def test_a_missing_scontrol_is_told_as_a_shell_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "scontrol" in job().requeue()


@pytest.mark.parametrize(
    ("groups", "ends_with_us"),
    [
        ("6:freezer:/slurm_node1/uid_0/job_7/step_batch\n4:memory:/slurm_node1/uid_0/job_7/step_batch/task_0\n0::/\n", True),
        ("3:cpu,freezer:/slurm/uid_1000/job_7/step_batch\n", True),
        ("6:freezer:/slurm_node1/uid_0/job_77/step_batch\n", False),
        ("6:freezer:/\n4:memory:/slurm_node1/uid_0/job_7/step_batch/task_0\n", False),
        ("0::/system.slice/slurmstepd.scope/job_7/step_batch/user/task_0\n", False),
        ("", False),
    ],
    ids=["the job's own", "together with others", "another job's", "only a limit of memory", "version 2", "none"],
)
def test_slurm_ends_what_is_left_where_it_freezes_the_group_of_the_job(tmp_path: Path, groups: str, *, ends_with_us: bool) -> None:
    table = tmp_path / "cgroup"
    table.write_text(groups)
    assert job().ends_with_us(str(table)) is ends_with_us
    assert job().ends_with_us(str(tmp_path / "missing")) is False
