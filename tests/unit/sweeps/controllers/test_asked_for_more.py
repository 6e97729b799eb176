"""Nobody who has asked a sweep for more is told that it is over: the request is on disk before the verb returns, and is heard in order."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import Answer, Shell, wait_for
from tests.unit.sweeps.controllers.test_handed_over import kill_all, shown, statuses
from tests.unit.sweeps.controllers.test_one_controller import POLICY, SCRIPT
from trainconf.control.sweeps.resume import resume
from trainconf.files import is_locked, read_lines
from trainconf.paths import RunPaths, find_workspace
from trainconf.sweeps import journal
from trainconf.sweeps.presence import acquire, presence

Here = Callable[..., Answer]
RANDOM = ["sweep=random", "+params.lr=uniform(0, 1)"]
KINDS = {"watching": [*RANDOM, *POLICY], "feeding": ["sweep=bayes", "+params.lr=uniform(0, 1)"]}


@pytest.fixture(autouse=True)
def _script(workspace: Shell) -> None:
    workspace.write("train.py", SCRIPT)


def begin(here: Here, workspace: Shell, kind: list[str]) -> RunPaths:
    """A sweep of one trial, which runs, with a controller of its own where it needs one."""
    if "sweep=bayes" in kind:
        pytest.importorskip("optuna", reason="the extra `sweeps` is not installed")
    more = ["sweep.max_total_runs=1", "sweep.max_concurrent_runs=1", "submit.detach=true", "metric.name=loss"]
    answer = here("-m", *workspace.script(*more, f"+params.gate={workspace.root}/gate", *kind))
    assert answer.code == 0, answer
    (found,) = workspace.root.glob("runs/*/*/sweep.json")
    wait_for(lambda: statuses(here) == ["Running"])
    return RunPaths(str(found.parent))


def deeds(home: RunPaths) -> list[str]:
    return [line["deed"] for line in read_lines(home.journal)]


@contextmanager
def deaf(home: RunPaths) -> Iterator[None]:
    """Its controller, which is another process, does nothing meanwhile."""
    wait_for(lambda: (now := presence(home)) is not None and now.is_here and now.pid != os.getpid())
    controller = presence(home)
    assert controller is not None
    os.kill(controller.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(controller.pid, signal.SIGCONT)


def open_gate(workspace: Shell) -> None:
    (workspace.root / "gate").write_text("")


def let_its_trials_end(here: Here, workspace: Shell, count: int = 1) -> None:
    open_gate(workspace)
    wait_for(lambda: statuses(here) == ["Completed"] * count)


@pytest.mark.parametrize("where", [[], ["--detach"]], ids=["here", "detached"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_controller_is_asked_for_is_there_when_the_verb_returns(here: Here, workspace: Shell, kind: str, where: list[str]) -> None:
    home = begin(here, workspace, KINDS[kind])
    with deaf(home):
        answer = here("sweep", "extend", "last", "sweep.max_total_runs=3", *where)
        assert (answer.code, "was told" in answer.err) == (0, True), answer
        assert journal.has_requests(home, "budget")
        let_its_trials_end(here, workspace)
        assert shown(here)["status"] == "Running"
        assert here("wait", "last", "--timeout", "0.5").code == 124
    assert here("wait", "last").code == 0
    assert (shown(here)["status"], statuses(here)) == ("Completed", ["Completed"] * 3)


@pytest.mark.parametrize("kind", KINDS)
def test_another_policy_is_there_when_the_verb_returns(here: Here, workspace: Shell, kind: str) -> None:
    home = begin(here, workspace, KINDS[kind])
    with deaf(home):
        assert here("sweep", "resume", "last", "sweep/policy=median", "--detach").code == 0
        assert journal.has_requests(home, "policy")
        let_its_trials_end(here, workspace)
        assert here("wait", "last", "--timeout", "0.5").code == 124
    assert here("wait", "last").code == 0
    assert "policy" in deeds(home)


@pytest.mark.parametrize(("verb", "code", "state"), [("stop", 0, "Completed"), ("pause", 130, "Paused"), ("cancel", 130, "Canceled")])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_for_after_an_extension_is_heard_after_it(
    here: Here, workspace: Shell, kind: str, verb: str, code: int, state: str
) -> None:
    home = begin(here, workspace, KINDS[kind])
    with deaf(home):
        assert here("sweep", "extend", "last", "sweep.max_total_runs=3", "--detach").code == 0
        assert here("sweep", verb, "last").code == 0
        open_gate(workspace)
        wait_for(lambda: statuses(here)[0] in ("Completed", "Canceled"))
    assert here("wait", "last").code == code
    wait_for(lambda: not is_locked(home.controller_lock))
    assert (shown(here)["status"], deeds(home).count("ask")) == (state, 1)


@pytest.mark.parametrize("kind", [*KINDS.values(), RANDOM], ids=[*KINDS, "nobody"])
def test_a_sweep_that_has_ended_goes_on_as_soon_as_somebody_has_it(here: Here, workspace: Shell, kind: list[str]) -> None:
    home = begin(here, workspace, kind)
    let_its_trials_end(here, workspace)
    assert here("wait", "last").code == 0
    wait_for(lambda: not is_locked(home.lock) and not is_locked(home.controller_lock))
    assert shown(here)["status"] == "Completed"
    lock = acquire(home)  # as `extend`, `retry` and `resume` do before they return
    try:
        assert shown(here)["status"] == "Running"
        assert here("wait", "last", "--timeout", "0.5").code == 124
    finally:
        lock.release()
    assert (shown(here)["status"], here("wait", "last").code) == ("Completed", 0), "whoever was to extend it was killed"


def test_a_search_whose_agent_went_with_the_machine_goes_on_as_soon_as_somebody_has_it(here: Here, workspace: Shell) -> None:
    home = begin(here, workspace, RANDOM)
    kill_all(home)
    assert here("wait", "last").code == 1
    lock = acquire(home)
    try:
        assert here("wait", "last", "--timeout", "0.5").code == 124
    finally:
        lock.release()
    assert here("wait", "last").code == 1


def test_a_cancellation_that_comes_after_the_verb_and_before_its_controller_is_heard(here: Here, workspace: Shell) -> None:
    home = begin(here, workspace, RANDOM)
    let_its_trials_end(here, workspace)
    wait_for(lambda: not is_locked(home.lock))
    lock = acquire(home)  # and the verb returns
    answer = here("sweep", "cancel", "last")
    assert "had already ended" not in answer.err
    sweep = resume(home, find_workspace(str(workspace.root)), {"sweep.max_total_runs": 3}, lock_fd=os.dup(lock.fd))
    lock.release()
    assert sweep is not None
    wait_for(lambda: not sweep.poll() and sweep.has_ended())
    assert (shown(here)["status"], deeds(home).count("ask")) == ("Canceled", 1)


@pytest.mark.parametrize("kind", [KINDS["watching"], RANDOM], ids=["watching", "nobody"])
def test_an_extension_whose_controller_is_killed_is_not_told_as_completed(here: Here, workspace: Shell, kind: list[str]) -> None:
    home = begin(here, workspace, kind)
    assert here("sweep", "extend", "last", "sweep.max_total_runs=3", "--detach").code == 0
    wait_for(lambda: "budget" in deeds(home))
    controller = presence(home)
    assert controller is not None
    os.kill(controller.pid, signal.SIGKILL)
    let_its_trials_end(here, workspace)
    waited = here("wait", "last")
    assert (waited.code, "2 of its trials are still to come, and nobody controls it" in waited.err) == (1, True), waited
    assert shown(here)["status"] == "NoController"
    assert here("sweep", "resume", "last").code == 0
    assert (shown(here)["status"], statuses(here)) == ("Completed", ["Completed"] * 3)
