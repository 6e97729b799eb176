"""Whoever waits for a sweep waits while its controller is here or may be to come, and hears of a scheduler that does not answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import Shell
from trainconf import files
from trainconf.control import runs
from trainconf.control.results.whereabouts import SweepLook
from trainconf.errors import LaunchError
from trainconf.files import FileLock
from trainconf.history import events, liveness
from trainconf.history.liveness import State
from trainconf.launchers.protocol import QueuedController
from trainconf.paths import RunPaths
from trainconf.sweeps import journal
from trainconf.sweeps.presence import acquire, presence


@pytest.fixture
def home(tmp_path: Path) -> RunPaths:
    paths = RunPaths(str(tmp_path / "runs" / "x" / "s"))
    os.makedirs(paths.run_dir)
    files.write_atomic(paths.sweep, files.dumps({"sweep_id": "s", "has_controller": True, "created": events.now()}))
    return paths


def test_a_sweep_that_is_made_and_handed_over_goes_on(home: RunPaths) -> None:
    look = SweepLook(liveness.state_of)
    assert look(home).status == "NotResponding"
    lock = FileLock(home.controller_lock)
    lock.acquire()
    assert (look(home).status, look(home).reason) == ("Running", "its controller is about to begin")
    controller = acquire(home, held=lock)
    assert look(home).reason == f"controlled by {presence(home)}"
    events.append(home, "Completed", exit_code=0, reason="")
    assert look(home).status == "Finalizing"
    controller.release()
    assert look(home).status == "Completed"


def test_a_sweep_whose_controller_ends_between_two_looks_has_ended(home: RunPaths) -> None:
    states = iter([State("NotResponding"), State("Completed")])
    assert SweepLook(lambda paths: next(states))(home).status == "Completed"


@pytest.mark.parametrize(("end", "told", "code"), [
    ({"state": "Failed", "reason": "2 trials failed, the limit"}, ("Failed", "2 trials failed, the limit"), 1),
    ({"state": "Completed", "reason": "trial 0 has reached the target: 1"}, ("Completed", "trial 0 has reached the target: 1"), 0),
    ({"state": "Completed", "reason": ""}, ("Completed", ""), 0),
    (None, ("Completed", ""), 0),
])  # fmt: skip
def test_who_waits_is_told_how_the_search_has_ended_and_not_only_its_agent(
    home: RunPaths, end: dict[str, str] | None, told: tuple[str, str], code: int,
) -> None:  # fmt: skip
    files.write_atomic(home.sweep, files.dumps({"sweep_id": "s", "search": {"settings": {}}}))
    events.append(home, "Completed", exit_code=0)
    if end is not None:
        Path(home.journal).write_text(files.dumps({"deed": "end", **end}) + "\n")
    (waited,) = runs.wait([home])
    assert (waited.state.status, waited.state.reason, waited.exit_code) == (*told, code)


class Job:
    """What the scheduler says of the controller's job, as a test sets it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: QueuedController | None = QueuedController("7", is_over=False, waits_for="Priority")
        monkeypatch.setattr("trainconf.sweeps.places.look_at_job", lambda home: self.said)
        monkeypatch.setattr("trainconf.control.results.whereabouts.LOOK_SECONDS", 0.0)


@pytest.mark.parametrize("state", ["Completed", "Failed"])
def test_trials_that_have_ended_wait_for_the_controllers_job_in_the_queue(
    home: RunPaths, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    job, look = Job(monkeypatch), SweepLook(liveness.state_of)
    events.append(home, state, exit_code=0, reason="")
    assert look(home).status == state, "no job was sent"
    files.write_atomic(home.controller_job, "{}")
    journal.begin(home, [{"deed": "ask", "number": 0}])
    assert (look(home).status, look(home).reason) == ("Queued", "its controller is job 7, which waits in the queue (Priority)")
    assert not look(home).is_unanswered
    job.said = None
    first = look(home)
    assert first.reason.startswith("nobody tells whether its controller's job still waits: its scheduler does not answer, since ")
    assert first.is_unanswered
    assert look(home).reason == first.reason, "since when it is silent"
    job.said = QueuedController("7", is_over=True)
    assert look(home).status == state, "the job was ended, and nobody will come"


def test_a_sweep_whose_controller_has_said_how_it_ended_waits_for_no_job_unless_more_is_asked_for(
    home: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    Job(monkeypatch)
    look = SweepLook(liveness.state_of)
    events.append(home, "Completed", exit_code=0, reason="")
    files.write_atomic(home.controller_job, "{}")
    journal.begin(home, [{"deed": "ask", "number": 0}, {"deed": "end", "state": "Completed", "reason": ""}])
    assert look(home).status == "Completed"
    journal.request(home, "resume")
    assert look(home).status == "Queued"


def test_a_cancelled_sweep_waits_for_no_job(home: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    Job(monkeypatch)
    events.append(home, "Canceled", exit_code=None, reason="")
    files.write_atomic(home.controller_job, "{}")
    assert SweepLook(liveness.state_of)(home).status == "Canceled"


def test_a_sweep_whose_controllers_job_is_gone_is_lost_and_says_what_makes_it_go_on(
    home: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, look = Job(monkeypatch), SweepLook(liveness.state_of)
    files.write_atomic(home.controller_job, "{}")
    assert look(home).status == "Queued"
    job.said = QueuedController("7", is_over=True)
    why = "no process controls it, and job 7, which was to, is not in the queue any more: `trainconf sweep resume s` goes on"
    assert (look(home).status, look(home).reason) == ("NotResponding", why)
    controller = acquire(home, job_id="7")
    assert look(home).status == "Running"
    job.said = QueuedController("7", is_over=False)
    controller.release()
    assert look(home).status == "Queued", "the job is back in the queue, whatever was said of it before"
    job.said = QueuedController("7", is_over=True)
    found = look(home)
    assert found.status == "NotResponding"
    assert found.reason.startswith("no controller since 20")
    assert found.reason.endswith("; `trainconf sweep resume s` goes on")


def test_a_sweep_whose_cluster_this_shell_does_not_know_is_waited_for(home: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_at_job(home: RunPaths) -> None:
        raise LaunchError("this shell knows another cluster than the run", hint="export SLURM_CONF=/elsewhere")

    monkeypatch.setattr("trainconf.sweeps.places.look_at_job", look_at_job)
    files.write_atomic(home.controller_job, "{}")
    found = SweepLook(liveness.state_of)(home)
    assert (found.status, found.is_unanswered) == ("Queued", True)
    assert "export SLURM_CONF=/elsewhere" in found.reason


@pytest.mark.parametrize("kind", ["sweep", "run"])
def test_who_waits_is_told_once_that_slurm_does_not_answer(workspace: Shell, tmp_path: Path, kind: str) -> None:
    paths = RunPaths(str(workspace.root / "runs" / "adhoc" / "s"))
    os.makedirs(paths.run_dir)
    batch = {"comment": "trainconf s 1", "script": "", "job_name": "s", "cluster": {"conf": ""}}
    if kind == "sweep":
        record = {"sweep_id": "s", "has_controller": True, "target": "slurm", "created": events.now()}
        files.write_atomic(paths.sweep, files.dumps(record))
        files.write_atomic(paths.controller_job, files.dumps(batch))
    else:
        files.write_atomic(paths.record, files.dumps({"run_id": "s", "experiment_name": "adhoc", "created": events.now()}))
        events.append(paths, "NotStarted", scheduler={"kind": "slurm", "job_id": "7", "conf": ""})
    answer = workspace("wait", "s", "--timeout", "8", env={"PATH": str(tmp_path)})
    assert answer.code == runs.TIMED_OUT, answer
    silent = [line for line in answer.err.splitlines() if "still, after" not in line]
    assert len(silent) == 1, answer
    assert "does not answer" in silent[0]
    assert " since " in silent[0]


def test_a_damaged_note_of_the_controllers_job_keeps_nobody_waiting(workspace: Shell, tmp_path: Path) -> None:
    paths = RunPaths(str(workspace.root / "runs" / "adhoc" / "s"))
    os.makedirs(paths.run_dir)
    files.write_atomic(paths.sweep, files.dumps({"sweep_id": "s", "has_controller": True, "target": "slurm", "created": events.now()}))
    files.write_atomic(paths.controller_job, "{}")
    answer = workspace("wait", "s")
    assert answer.code == 1, answer
    assert "s NotResponding: no process controls it: `trainconf sweep resume s` goes on" in answer.err
