"""A sweep has one controller at a time, from before it can be found; whoever waits for one that is passed on never takes it for lost."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Answer, Shell, wait_for
from trainconf import files
from trainconf.control.results.whereabouts import SweepLook
from trainconf.errors import StorageError
from trainconf.files import FileLock, is_locked
from trainconf.history import events, liveness
from trainconf.history.liveness import State
from trainconf.launchers.protocol import QueuedController
from trainconf.paths import RunPaths
from trainconf.sweeps import batch, journal, searching
from trainconf.sweeps.presence import acquire, presence

Here = Callable[..., Answer]
SCRIPT = """
import os, sys, time
from trainconf import Run
lr, gate = (sys.argv[sys.argv.index(name) + 1] for name in ("--lr", "--gate"))
Run.get_context().log("loss", float(lr))
give_up_at = time.monotonic() + 60
while not os.path.exists(gate) and time.monotonic() < give_up_at:
    time.sleep(0.02)
"""
POLICY = ["sweep/policy=bandit", "sweep.policy.slack_amount=9"]


@pytest.fixture(autouse=True)
def _script(workspace: Shell) -> None:
    workspace.write("train.py", SCRIPT)


def words(workspace: Shell, *more: str, kind: str = "random") -> list[str]:
    search = [f"sweep={kind}", "sweep.max_total_runs=2", "+params.lr=uniform(0, 1)", f"+params.gate={workspace.root}/gate"]
    return ["-m", *workspace.script("metric.name=loss", *search, *more)]


def home_of(workspace: Shell) -> RunPaths:
    (found,) = workspace.root.glob("runs/*/*/sweep.json")
    return RunPaths(str(found.parent))


@pytest.mark.parametrize(("kind", "more"), [
    ("random", []), ("random", POLICY), ("random", [*POLICY, "sweep.controller=detached"]),
    ("bayes", []), ("bayes", ["sweep.controller=detached"]),
])  # fmt: skip
def test_nobody_else_controls_a_sweep_while_it_is_made(
    here: Here, workspace: Shell, monkeypatch: pytest.MonkeyPatch, kind: str, more: list[str]
) -> None:
    if kind == "bayes":
        pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    (workspace.root / "gate").write_text("")
    refused = []

    def write_atomic(path: str, text: str) -> None:
        """A second controller comes as soon as the sweep can be found."""
        files.write_atomic(path, text)
        if path.endswith("sweep.json"):
            with pytest.raises(StorageError, match="the sweep has a controller"):
                acquire(RunPaths(os.path.dirname(path)))
            answer = here("sweep", "resume", os.path.basename(os.path.dirname(path)))
            told = "was told" if more or kind == "bayes" else "the sweep has a controller"
            assert told in answer.err, answer
            refused.append(path)

    for module in (batch, searching):
        monkeypatch.setattr(module, "write_atomic", write_atomic)
    assert here(*words(workspace, *more, kind=kind)).code == 0
    assert refused
    wait_for(lambda: json.loads(here("sweep", "show", "last", "--json").out)["status"] == "Completed")
    wait_for(lambda: not is_locked(home_of(workspace).controller_lock))


@pytest.mark.parametrize("place", [["sweep.controller=detached"], ["submit.detach=true"]])
def test_a_controller_of_its_own_has_the_sweep_when_the_command_returns(here: Here, workspace: Shell, place: list[str]) -> None:
    assert here(*words(workspace, *POLICY, *place)).code == 0
    home = home_of(workspace)
    assert is_locked(home.controller_lock)
    assert json.loads(here("sweep", "show", "last", "--json").out)["status"] in ("Starting", "Running")
    wait_for(lambda: presence(home) is not None)
    answer = here("sweep", "retry", "last", "--detach")
    assert (answer.code, "the sweep has a controller" in answer.err) == (2, True), answer
    (workspace.root / "gate").write_text("")
    assert here("wait", "last").code == 0
    assert list(files.read_lines(home.journal))[-1]["deed"] == "end", "whoever waits waits for the controller, too"


def test_a_sweep_that_is_resumed_in_a_process_of_its_own_has_a_controller_at_once(here: Here, workspace: Shell) -> None:
    child = workspace.start(*words(workspace, *POLICY))
    wait_for(lambda: len(list(workspace.root.glob("runs/*/*_?/metrics.jsonl"))) == 2 and presence(home_of(workspace)) is not None)
    child.kill()  # all trials are handed over, and it controls them
    child.communicate()
    home = home_of(workspace)
    assert not is_locked(home.controller_lock)
    assert here("sweep", "resume", "last", "--detach").code == 0
    assert is_locked(home.controller_lock)
    found = presence(home)
    assert found is not None
    assert found.pid != child.pid, "not whoever was there before"
    wait_for(lambda: (now := presence(home)) is not None and now.pid != os.getpid())
    (workspace.root / "gate").write_text("")
    assert here("wait", "last").code == 0
    assert json.loads(here("sweep", "show", "last", "--json").out)["status"] == "Completed"


def test_a_controller_of_its_own_that_is_killed_lets_go(here: Here, workspace: Shell) -> None:
    assert here(*words(workspace, *POLICY, "sweep.controller=detached")).code == 0
    home = home_of(workspace)
    wait_for(lambda: presence(home) is not None)
    found = presence(home)
    assert found is not None
    os.kill(found.pid, signal.SIGKILL)
    wait_for(lambda: not is_locked(home.controller_lock))
    wait_for(lambda: json.loads(here("sweep", "show", "last", "--json").out)["status"] == "NoController")
    (workspace.root / "gate").write_text("")
    assert here("sweep", "resume", "last").code == 0


# -- waiting for a sweep ----------------------------------------------------------------------------------------------------------


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
    assert (look(home).status, look(home).reason) == ("Queued", "its controller, job 7, waits in the queue")
    job.said = None
    assert look(home).reason == "nobody tells whether its controller's job still waits"
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
