"""A controller inside a scheduler's job: how it leaves, and what it finds when it comes back."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell
from trainconf.control.sweeps.in_job import carry_out, leave
from trainconf.errors import LaunchError
from trainconf.history import events
from trainconf.paths import RunPaths, WorkspacePaths
from trainconf.reporter import SILENT, Lines
from trainconf.sweeps import journal, resuming
from trainconf.sweeps.presence import presence
from trainconf.sweeps.resuming import ResumedSweep

Here = Callable[..., Answer]
SCONTROL = """#!/bin/sh
echo "$*" >>{calls}
echo "JobState={state} RunTime={run_time} TimeLimit=01:00:00 Restarts=0 PreemptTime=None"
"""


@pytest.fixture(autouse=True)
def _same_handler() -> Iterator[None]:
    """A controller that leaves hears no further signal: it is at its end, and this process is not."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def home(here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> RunPaths:
    """A search that has ended, and this process as a job that may go on with it."""
    workspace.write("train.py", "from trainconf import Run\nRun.get_context().log('loss', 1.0)\n")
    search = ["sweep=random", "sweep.max_total_runs=1", "sweep/policy=bandit", "sweep.policy.slack_amount=9", "+params.lr=uniform(0, 1)"]
    assert here("-m", *workspace.script("metric.name=loss", *search)).code == 0
    programs = workspace.root / "programs"
    for name in ("sbatch", "squeue", "scancel"):
        workspace.write(f"programs/{name}", "#!/bin/sh\n").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    found = RunPaths(str(next(workspace.root.glob("runs/*/*/sweep.json")).parent))
    Path(found.controller_job).write_text('{"lead_seconds": 60, "cluster": {"conf": ""}}')
    return found


def again(home: RunPaths, tell: Callable[[ResumedSweep], None]) -> bool:
    return carry_out(home, WorkspacePaths(home.workspace.root), SILENT, tell)


def interrupted(sweep: ResumedSweep) -> None:
    raise KeyboardInterrupt


def scontrol(workspace: Shell, state: str, run_time: str) -> Path:
    calls = workspace.root / "calls"
    workspace.write("programs/scontrol", SCONTROL.format(calls=f"'{calls}'", state=state, run_time=run_time)).chmod(0o755)
    return calls


def test_a_sweep_that_has_ended_is_left_alone(home: RunPaths) -> None:
    before = Path(home.journal).read_text()
    assert again(home, interrupted)
    assert Path(home.journal).read_text() == before


def test_what_was_asked_for_while_nobody_was_there_is_heard(home: RunPaths) -> None:
    journal.request(home, "again", states=["Completed"])
    seen: list[int] = []
    assert again(home, lambda sweep: seen.append(sweep.open_count))
    assert seen == [1], "its trial runs once more"
    assert not journal.has_requests(home)


@pytest.mark.parametrize(
    ("state", "run_time", "requeued", "left"),
    [
        ("RUNNING", "00:59:30", True, "time limit of Slurm's: 3600 s"),
        ("CANCELLED", "00:10:00", False, "the job was canceled with scancel"),
        ("RUNNING", "00:10:00", False, "the agent was told to stop (SIGTERM)"),
    ],
)
def test_it_goes_back_into_the_queue_at_its_time_limit_only(
    home: RunPaths, workspace: Shell, state: str, run_time: str, left: str, *, requeued: bool
) -> None:
    calls = scontrol(workspace, state, run_time)
    journal.request(home, "pause")
    assert not again(home, interrupted)
    assert ("requeue 77" in calls.read_text().splitlines()) == requeued
    found = presence(home)
    assert found is not None
    assert (found.is_here, found.job_id, found.left) == (True, "77", left), "the lock is free when the process has ended"


def test_the_signal_that_follows_a_requeue_does_not_cut_its_leaving_short(home: RunPaths, workspace: Shell) -> None:
    calls = scontrol(workspace, "RUNNING", "00:59:30")
    ends_us = f'case "$1" in requeue) kill -TERM {os.getpid()};; esac\n'
    (workspace.root / "programs" / "scontrol").write_text((workspace.root / "programs" / "scontrol").read_text() + ends_us)
    journal.request(home, "pause")
    told: list[str] = []
    handler = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        assert not carry_out(home, WorkspacePaths(home.workspace.root), Lines(told.append), interrupted)
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert "requeue 77" in calls.read_text().splitlines()
    assert told[-1:] == ["time limit of Slurm's: 3600 s: the job goes on after a while in the queue"]


def test_a_signal_while_it_is_still_taking_over_is_no_loss(home: RunPaths, workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = scontrol(workspace, "RUNNING", "00:59:30")
    journal.request(home, "pause")
    monkeypatch.setattr(ResumedSweep, "_take_over", lambda *_: interrupted(*_[:1]))
    assert not again(home, lambda sweep: None)
    assert "requeue 77" in calls.read_text().splitlines()
    found = presence(home)
    assert found is not None
    assert found.left == "time limit of Slurm's: 3600 s"


def test_a_signal_while_it_waits_for_the_sweep_is_no_loss(home: RunPaths, workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = scontrol(workspace, "RUNNING", "00:59:30")
    before = presence(home)
    monkeypatch.setattr(resuming, "acquire", lambda *_: interrupted(*_[:1]))
    assert not again(home, lambda sweep: None)
    assert "requeue 77" in calls.read_text().splitlines()
    assert presence(home) == before, "it has not been there"


def test_a_cancellation_and_a_pause_outlast_a_requeue(home: RunPaths) -> None:
    lines = Path(home.journal).read_text().splitlines(keepends=True)
    Path(home.journal).write_text("".join(lines[:-1]))  # without its end
    events.append(home, "Running")
    events.request_cancel(home)
    again(home, lambda sweep: [None for _ in iter(sweep.has_ended, True)].clear())
    last = json.loads(Path(home.journal).read_text().splitlines()[-1])
    assert (last["deed"], last["state"]) == ("end", "Canceled")
    assert "resume" not in {json.loads(line)["deed"] for line in Path(home.journal).read_text().splitlines()}


def test_a_node_without_slurms_commands_is_named(home: RunPaths, workspace: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace.root / "programs" / "sbatch").unlink()
    with pytest.raises(LaunchError, match="sbatch is not on its PATH") as error:
        again(home, interrupted)
    assert "sweep.controller=detached" in error.value.render()
    found = presence(home)
    assert found is not None
    assert found.left.endswith(" has no sbatch")


@pytest.mark.parametrize(("run_time", "requeued"), [("00:59:30", True), ("00:10:00", False)])
def test_a_controller_that_was_ended_before_it_began_leaves_by_another_process(
    home: RunPaths, workspace: Shell, run_time: str, *, requeued: bool
) -> None:
    calls = scontrol(workspace, "RUNNING", run_time)
    before = presence(home)
    leave(home, SILENT)
    assert ("requeue 77" in calls.read_text().splitlines()) == requeued
    assert presence(home) == before, "it has not been there"
